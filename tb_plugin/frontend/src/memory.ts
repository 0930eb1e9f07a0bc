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

/** Adds keys to what is remembered, or takes them out; another window may have done so since it was read. */
export function keepMuted(keys: readonly string[], muted: boolean): void {
  const others = [...readMuted()].filter(key => !keys.includes(key));
  const all = muted ? [...others, ...keys] : others;
  try {
    localStorage.setItem(MUTED, JSON.stringify(all.slice(-MOST_MUTED)));
  } catch {
    // Not allowed, or full: it lasts as long as the page.
  }
}
