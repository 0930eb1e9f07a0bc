/** One colour scale for all tables that a heat map shows: the spikes with the records, one run beside another. Pure. */

import type {Scale, Table} from './api.ts';
import {domainOf, type Domain} from './scale.ts';
import {rowOf, rowStart} from './table.ts';
import type {Zoom} from './zoom.ts';

/** The span of all finite values of the tables; null when there is none. */
export function sharedDomain(tables: readonly Table[], scale: Scale): Domain | null {
  if (tables.length === 0) return null;
  const planes = tables.flatMap(({low, high}) => (low === high ? [high] : [low, high]));
  const ends = Float32Array.from(planes.flatMap(values => endsOf(values, scale)));
  // Of the ends of all, so that room is made around a single value only where it is the only one of all tables.
  return domainOf({...tables[0], low: ends, high: ends}, scale);
}

/** The smallest and the largest value that the scale has a place for; none without any. */
function endsOf(values: Float32Array, scale: Scale): number[] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value - value !== 0 || (scale === 'log' && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [] : [low, high];
}

/** The rows of a table that are seen in a window, in the same memory; a row that is only partly in it is seen, too. */
export function rowsWithin(table: Table, {firstStep, lastStep}: Zoom): Table {
  const {columns, last, mean, marks} = table;
  const [begin, end] = [rowOf(table, firstStep), rowOf(table, lastStep)];
  const from = begin < 0 || last[begin] < firstStep ? last.length : begin;
  const to = end < 0 || rowStart(table, end) >= lastStep ? end : end + 1;
  const [start, stop] = [from, Math.max(from, to)];
  const cells = [start * columns, stop * columns] as const;
  const high = table.high.subarray(...cells);
  return {
    per: table.per,
    columns,
    first: table.first.subarray(start, stop),
    last: last.subarray(start, stop),
    high,
    low: table.low === table.high ? high : table.low.subarray(...cells),
    bits: table.bits.subarray(...cells),
    mean: mean?.subarray(...cells) ?? null,
    marks: marks?.subarray(...cells) ?? null,
  };
}

export function sameDomain(one: Domain | null, other: Domain | null): boolean {
  return one?.scale === other?.scale && one?.low === other?.low && one?.high === other?.high;
}
