/** The step under the pointer, which all charts show at once: no part of the state, as it changes with every move. */

export interface Cursor {
  /** Null while the pointer is over no chart. */
  readonly step: number | null;
  /** Tells everybody who watches, but for what is told already. */
  point: (step: number | null) => void;
  /** Calls `changed` whenever another step is pointed at; returns what ends it. */
  watch: (changed: (step: number | null) => void) => () => void;
}

export function createCursor(): Cursor {
  const watching = new Set<(step: number | null) => void>();
  let current: number | null = null;
  return {
    get step() {
      return current;
    },
    point: step => {
      if (step === current) return;
      current = step;
      for (const changed of watching) changed(step);
    },
    watch: changed => {
      watching.add(changed);
      return () => watching.delete(changed);
    },
  };
}
