/** The panel's own measures, which the browser keeps for whoever looks at how fast it is: no more than so many. */

/** A page that is left open would pile them up for ever. */
const MOST_KEPT = 500;

export function measured(name: string, start: string | number): void {
  if (performance.getEntriesByName(name, 'measure').length >= MOST_KEPT)
    performance.clearMeasures(name);
  performance.measure(name, {start, end: performance.now()});
}
