/** What this browser remembers from one visit to the next. Without a memory, in a private window say, it forgets. */

const MUTED = 'optimizer-health:muted';
/** The latest so many are kept. */
const MOST_MUTED = 500;

/** The keys of the findings that are not to be told. */
export function readMuted(): Set<string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(MUTED) ?? '[]');
    return new Set(Array.isArray(kept) ? kept.map(String) : []);
  } catch {
    return new Set();
  }
}

export function writeMuted(keys: ReadonlySet<string>): void {
  try {
    localStorage.setItem(MUTED, JSON.stringify([...keys].slice(-MOST_MUTED)));
  } catch {
    // Not allowed, or full: it lasts as long as the page.
  }
}
