/** Spikes between two records: where the largest of the steps since the record before stands out from what was recorded. Pure. */

import {MARK, type Table} from './api.ts';
import {marksAt} from './table.ts';

/** One spike: the row of the table in whose steps it is, and how high; NaN and Infinity, too. */
export interface Spike {
  row: number;
  peak: number;
}

/** The spikes by column, those of one in the order of the rows. */
export type Spikes = ReadonlyMap<number, readonly Spike[]>;

/**
 * A peak so many times as high as its own record and the one before is a spike. Below that it may be noise: small
 * batches make peaks of 5 times the record in one of 20 cells of a run that only fails to learn.
 */
export const SPIKE = 10;

/**
 * The spikes of a table; null when it has none.
 *
 * @param peaks the largest values of the steps since the record before, with the same columns. Of a row of the table
 *   count the rows of this one whose steps are all among its own: one that is coarser says nothing.
 */
export function spikesOf(table: Table, peaks: Table): Spikes | null {
  if (peaks.columns !== table.columns) return null;
  const spikes = new Map<number, Spike[]>();
  const {first, last, columns} = table;
  for (let row = 0, from = 0; row < last.length; row++) {
    while (from < peaks.last.length && peaks.first[from] < first[row]) from++;
    let to = from;
    while (to < peaks.last.length && peaks.last[to] <= last[row]) to++;
    if (to === from) continue;
    for (let column = 0; column < columns; column++) {
      const peak = peakOf(peaks, column, from, to);
      if (!standsOut(peak, table, row, column)) continue;
      const known = spikes.get(column);
      if (known === undefined) spikes.set(column, [{row, peak}]);
      else known.push({row, peak});
    }
  }
  return spikes.size === 0 ? null : spikes;
}

/** The highest of a column's rows `from` to `to` (exclusive): NaN before infinity before a number, -Infinity without any. */
function peakOf(peaks: Table, column: number, from: number, to: number): number {
  let most = -Infinity;
  for (let row = from; row < to; row++) {
    const at = row * peaks.columns + column;
    const value = peaks.high[at];
    const plain = value - value === 0;
    const marks = plain && peaks.marks === null ? 0 : marksAt(peaks, at);
    if (marks & MARK.nan) return NaN;
    if (marks & MARK.posinf) most = Infinity;
    else if (plain && value > most) most = value;
  }
  return most;
}

const ODD = MARK.nan | MARK.posinf | MARK.neginf;

function standsOut(peak: number, table: Table, row: number, column: number): boolean {
  const at = row * table.columns + column;
  const value = table.high[at];
  // What is no number itself is more alarming than any peak.
  if (value - value !== 0 || peak <= 0) return false;
  const before = row === 0 ? NaN : table.high[at - table.columns];
  const beyond = !(peak < SPIKE * value) && !(peak < SPIKE * before);
  return beyond && (marksAt(table, at) & ODD) === 0;
}
