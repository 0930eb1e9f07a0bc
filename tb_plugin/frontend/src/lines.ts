/** The tables that the lines of the shown runs are drawn from. Pure. */

import type {Run, Table} from './api.ts';
import {curveOf, valueRange, type Curve, type Shown} from './curves.ts';
import {errorOf, tableOf, wholeOf} from './levels.ts';
import {runColor} from './palette.ts';
import type {State} from './state.ts';

/** One run's table, as fine as it is there for the zoom, and the whole of it; both null until it is there. */
export interface Line {
  run: Run;
  color: string;
  table: Table | null;
  whole: Table | null;
  error: string | null;
}

export function linesOf(
  {overview, shown, tables, zoom, dark}: State,
  urlOf: (run: Run) => string,
): Line[] {
  return (overview?.runs ?? []).flatMap((run, index) => {
    if (!shown.has(run.name)) return [];
    const entry = tables.get(urlOf(run));
    const [table, whole] = [tableOf(entry, zoom), wholeOf(entry)];
    return [{run, color: runColor(index, dark), table, whole, error: errorOf(entry)}];
  });
}

/** A chart's curves, the same over the whole runs, and the values that there is room for: those of the whole runs. */
export interface Drawn {
  curves: Curve[];
  wholes: Curve[];
  range: [low: number, high: number];
}

/** @param namesOf the columns of a run's table; a table that has others is an older one, and is left out. */
export function drawn(
  lines: readonly Line[],
  show: Shown,
  namesOf: (run: Run) => readonly string[],
): Drawn {
  const curves: Curve[] = [];
  const wholes: Curve[] = [];
  for (const {run, color, table, whole} of lines) {
    const names = namesOf(run);
    const curve = (from: Table | null): Curve | null =>
      from?.columns === names.length ? curveOf(run, color, from, names, show) : null;
    const all = curve(whole);
    const part = table === whole ? all : curve(table);
    if (all === null || part === null) continue;
    curves.push(part);
    wholes.push(all);
  }
  return {curves, wholes, range: valueRange(wholes, show.scale)};
}
