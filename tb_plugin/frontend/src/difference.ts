/** Two runs compared layer by layer: their differences as a table, its colours' span, and in words. Pure. */

import {MARK, NOT_RECORDED, type Scale, type Table} from './api.ts';
import {formatNumber} from './format.ts';
import type {Domain} from './scale.ts';
import {marksAt, rowStart} from './table.ts';

/** Differences up to here leave the colours pale: on a log scale a factor of two. */
const LEAST_SPAN = 0.3;
const ODD = MARK.nan | MARK.posinf | MARK.neginf;
/** Bits of NaNs that stand, until the extremes are known, for zero against a number and a number against zero. */
const BELOW = 0x7fc00001;
const ABOVE = 0x7fc00002;

/**
 * What `one` is against `other`: log10(one / other) on a log scale, one − other on a linear one, of the largest values.
 * NaN or an infinity in either is that mark, NaN before +∞ before −∞; a cell that either has no record of is not
 * recorded. On a log scale all that is not above zero counts as zero: two of them are equal, and one against a number
 * is as far off as the most extreme of the other cells.
 *
 * @param one its rows are the rows of the difference. Each is held against the rows of `other` that overlap its steps.
 * @param columnOf of each column of `one` the column of `other`, -1 where there is none.
 * @returns exact or reduced like `one`; in a reduced table `high` and `low` are the same memory, too.
 */
export function differenceTable(
  one: Table,
  other: Table,
  columnOf: readonly number[],
  scale: Scale,
): Table {
  const bits = new Uint32Array(one.high.length);
  const high = new Float32Array(bits.buffer);
  const marks = one.per > 0 ? new Uint8Array(bits.length) : null;
  const {per, columns, first, last} = one;
  const result: Table = {per, columns, first, last, high, low: high, bits, mean: null, marks};
  const against = gatherer(other, columnOf);
  let unbounded = false;
  for (let row = 0, from = 0; row < last.length; row++) {
    const start = rowStart(one, row);
    while (from < other.last.length && other.last[from] <= start) from++;
    let to = from;
    while (to < other.last.length && rowStart(other, to) < last[row]) to++;
    if (subtractRow(result, one, row, against(from, to), scale)) unbounded = true;
  }
  if (unbounded) bound(result);
  return result;
}

/** Of each column of the difference the largest number of some rows, -Infinity without any, and all their marks. */
interface Gathered {
  peaks: Float64Array;
  marks: Uint8Array;
}

/** Says what the rows `from` to `to` (exclusive) hold together, always in the same memory. */
function gatherer(
  table: Table,
  columnOf: readonly number[],
): (from: number, to: number) => Gathered {
  const {high, columns} = table;
  const plane = planeOf(table);
  const gathered = {
    peaks: new Float64Array(columnOf.length),
    marks: new Uint8Array(columnOf.length),
  };
  const {peaks, marks} = gathered;
  let [knownFrom, knownTo] = [-1, -1];
  return (from, to) => {
    if (from === knownFrom && to === knownTo) return gathered;
    [knownFrom, knownTo] = [from, to];
    peaks.fill(-Infinity);
    marks.fill(0);
    for (let row = from; row < to; row++) {
      const start = row * columns;
      for (let column = 0; column < columnOf.length; column++) {
        if (columnOf[column] < 0) continue;
        const at = start + columnOf[column];
        const value = high[at];
        const finite = value - value === 0;
        if (finite && value > peaks[column]) peaks[column] = value;
        if (plane !== null) marks[column] |= plane[at];
        else if (!finite) marks[column] |= marksAt(table, at);
      }
    }
    return gathered;
  };
}

/** The marks where they have a plane of their own. */
function planeOf({per, marks}: Table): Uint8Array | null {
  return per > 0 ? marks : null;
}

/** Fills a row, whose cells are zero yet; says whether a cell of it has no bound. */
function subtractRow(
  result: Table,
  one: Table,
  row: number,
  {peaks, marks}: Gathered,
  scale: Scale,
): boolean {
  const {high, bits, columns} = result;
  const {high: values} = one;
  const plane = planeOf(one);
  const log = scale === 'log';
  let unbounded = false;
  for (let column = 0, at = row * columns; column < columns; column++, at++) {
    const value = values[at];
    const its = peaks[column];
    const finite = value - value === 0;
    const own = plane !== null ? plane[at] : finite ? 0 : marksAt(one, at);
    // Most cells are two plain numbers.
    const plain = finite && its !== -Infinity && (own | marks[column]) === 0;
    if (!plain && !setMarked(result, at, own, finite, marks[column], its)) continue;
    if (!log) high[at] = value - its;
    else if (value > 0 && its > 0) high[at] = log10(value / its);
    else if (value > 0 || its > 0) {
      bits[at] = value > 0 ? ABOVE : BELOW;
      unbounded = true;
    }
  }
  return unbounded;
}

/** Writes the marks of a cell; says whether there is room and reason for a number beside them. */
function setMarked(
  {high, bits, marks}: Table,
  at: number,
  own: number,
  finite: boolean,
  theirs: number,
  its: number,
): boolean {
  const numbers = finite && its !== -Infinity;
  const recorded = (finite || (own & ODD) > 0) && (its !== -Infinity || (theirs & ODD) > 0);
  const all = recorded ? own | theirs : MARK.missing;
  if (marks !== null) marks[at] = all;
  if (numbers && (marks !== null || (all & ODD) === 0)) return true;
  if (marks !== null || (all & ODD) === 0) bits[at] = NOT_RECORDED;
  else if (all & MARK.nan) high[at] = NaN;
  else high[at] = all & MARK.posinf ? Infinity : -Infinity;
  return false;
}

/** Puts what has no bound at the most extreme of the finite differences. */
function bound(table: Table): void {
  const {high, bits} = table;
  const most = Math.max(LEAST_SPAN, extreme(high));
  for (let at = 0; at < bits.length; at++) {
    if (bits[at] === ABOVE) high[at] = most;
    else if (bits[at] === BELOW) high[at] = -most;
  }
}

/** The logarithms of mantissas from 1 to 2; between two of them a line is wrong by less than 2e-8. */
const MANTISSA_BITS = 11;
const MANTISSAS = Float64Array.from({length: 2 ** MANTISSA_BITS + 1}, (_, at) =>
  Math.log10(1 + at / 2 ** MANTISSA_BITS),
);
const LOG10_2 = Math.log10(2);
const REST_BITS = 23 - MANTISSA_BITS;
const REST_PART = 2 ** -REST_BITS;
const ratio = new Float32Array(1);
const ratioBits = new Uint32Array(ratio.buffer);

/** Five times as fast as Math.log10 and as exact as a float32 is: a heat map has two million of them. */
function log10(value: number): number {
  ratio[0] = value;
  const bits = ratioBits[0];
  const exponent = bits >>> 23;
  if (exponent === 0 || exponent === 255) return Math.log10(value);
  const at = (bits & 0x7fffff) >>> REST_BITS;
  const part = (bits & (2 ** REST_BITS - 1)) * REST_PART;
  const line = MANTISSAS[at] + part * (MANTISSAS[at + 1] - MANTISSAS[at]);
  return (exponent - 127) * LOG10_2 + line;
}

/** The largest size of the finite numbers; -1 without any. */
function extreme(values: Float32Array): number {
  let most = -1;
  for (let at = 0; at < values.length; at++) {
    const size = Math.abs(values[at]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/**
 * The span of a difference's colours, zero in its middle; null when no two numbers were compared.
 *
 * @param least the span to each side when nothing differs by more, so that noise does not fill the colours.
 */
export function differenceDomain({high}: Table, least = LEAST_SPAN): Domain | null {
  const most = extreme(high);
  if (most < 0) return null;
  const span = Math.max(least, most);
  return {scale: 'linear', low: -span, high: span};
}

/**
 * A difference as people say it: `4.2 times larger than in b`, `7.7 times smaller than in b`, `equal`; on a linear scale
 * `+0.2`.
 */
export function differenceWords(value: number, scale: Scale, other: string): string {
  if (!Number.isFinite(value)) return formatNumber(value);
  if (scale === 'linear') return value === 0 ? 'equal' : signed(value);
  const factor = (10 ** Math.abs(value)).toPrecision(2);
  if (Number(factor) === 1) return 'equal';
  const times = Number(factor) < 10 ? factor : formatNumber(Number(factor));
  return `${times} times ${value > 0 ? 'larger' : 'smaller'} than in ${other}`;
}

/** `+0.2`, `−0.2`, with a minus sign as wide as the plus sign. */
function signed(value: number): string {
  return `${value > 0 ? '+' : '−'}${formatNumber(Math.abs(value))}`;
}
