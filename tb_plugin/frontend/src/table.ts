/** The cells and rows of a table, exact or reduced: what a cell holds, which row a step is in, one table after another. Pure. */

import {MARK, NOT_RECORDED, type Scale, type Table} from './api.ts';
import {formatExact} from './format.ts';

export type Kind = 'missing' | 'zero' | 'number' | 'neginf' | 'posinf' | 'nan';

/** What is no finite number in a cell, as a sum of `MARK`. */
export function marksAt({per, high, bits, marks}: Table, at: number): number {
  if (per > 0) return marks === null ? 0 : marks[at];
  const value = high[at];
  if (value - value === 0) return 0;
  if (value === Infinity) return MARK.posinf;
  if (value === -Infinity) return MARK.neginf;
  return bits[at] === NOT_RECORDED ? MARK.missing : MARK.nan;
}

/** Whether a cell holds a finite number, perhaps among others that are not. */
export function hasNumber({high}: Table, at: number): boolean {
  return high[at] - high[at] === 0;
}

/**
 * The most alarming that a cell holds: NaN, then ∞, then −∞, then its largest number. On a log scale `zero` is
 * everything that lies below it: zero, and any negative number.
 */
export function kindOf(table: Table, at: number, scale: Scale): Kind {
  const marks = marksAt(table, at);
  if (marks & MARK.nan) return 'nan';
  if (marks & MARK.posinf) return 'posinf';
  if (marks & MARK.neginf) return 'neginf';
  if (!hasNumber(table, at)) return 'missing';
  return scale === 'log' && table.high[at] <= 0 ? 'zero' : 'number';
}

const RANKS: Record<Kind, number> = {missing: 0, zero: 1, number: 1, neginf: 2, posinf: 3, nan: 4};

/** Of the rows `from` to `to` (exclusive) the one whose cell in a column is the most alarming, of equals the first. */
export function mostAlarming(table: Table, column: number, from: number, to: number): number {
  const cell = (row: number): number => row * table.columns + column;
  let winner = from;
  for (let row = from + 1; row < to; row++)
    if (isHigher(table, cell(row), table, cell(winner))) winner = row;
  return winner;
}

const MARK_WORDS: [mark: number, word: string][] = [
  [MARK.nan, 'NaN'],
  [MARK.posinf, '+∞'],
  [MARK.neginf, '−∞'],
];

/** A cell in words: `0.25`, `0.25 to 3, with NaN among them, partly not recorded`. */
export function cellWords(table: Table, at: number): string {
  const {high, low} = table;
  const marks = marksAt(table, at);
  const odd = MARK_WORDS.filter(([mark]) => marks & mark).map(([, word]) => word);
  const partly = marks & MARK.missing ? ', partly not recorded' : '';
  if (!hasNumber(table, at))
    return odd.length === 0 ? 'not recorded' : `${odd.join(' and ')}${partly}`;
  const [from, to] = [formatExact(low[at]), formatExact(high[at])];
  const among = odd.length === 0 ? '' : `, with ${odd.join(' and ')} among them`;
  return `${from === to ? from : `${from} to ${to}`}${among}${partly}`;
}

/** The step after which a row begins: where the row before ends, so that no step lies between two rows. */
export function rowStart({first, last}: Pick<Table, 'first' | 'last'>, row: number): number {
  if (row > 0) return last[row - 1];
  // The first row has none before it: as far as its records are apart.
  const apart = first.length > 1 ? first[1] - last[0] : 1;
  return Math.max(0, first[0] - apart);
}

/** The first row that ends at the step or after it, else the last one; -1 without any. */
export function rowOf({last}: {last: ArrayLike<number>}, step: number): number {
  let low = 0;
  let high = last.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (last[middle] < step) low = middle + 1;
    else high = middle;
  }
  return high;
}

/**
 * A table continued by one that begins with its last row, which it replaces: null when it does not begin there, or is
 * not of the same kind.
 */
export function continued(table: Table, tail: Table): Table | null {
  const kept = table.first.length - 1;
  const alike =
    tail.per === table.per &&
    tail.columns === table.columns &&
    (tail.mean === null) === (table.mean === null);
  if (!alike || kept < 0 || tail.first.length === 0 || tail.first[0] !== table.first[kept])
    return null;
  const cells = kept * table.columns;
  const bits = joined(table.bits, tail.bits, cells);
  const high = new Float32Array(bits.buffer);
  const first = joined(table.first, tail.first, kept);
  const rest = {per: table.per, columns: table.columns, first, high, bits};
  if (table.per === 0) return {...rest, last: first, low: high, mean: null, marks: null};
  return {
    ...rest,
    last: joined(table.last, tail.last, kept),
    low: joined(table.low, tail.low, cells),
    mean: table.mean && tail.mean && joined(table.mean, tail.mean, cells),
    marks:
      table.marks === null && tail.marks === null
        ? null
        : joined(marksOf(table), marksOf(tail), cells),
  };
}

/**
 * A table of one column with a second one: the peaks since the record before, from a table of their own, which may have
 * been answered in other rows: steps tell which belong together. Where that has none for a row, or no larger one, it is
 * the row's own value.
 */
export function besidePeaks(values: Table, peaks: Table | null): Table {
  const {per, first, last} = values;
  const rows = last.length;
  const bits = new Uint32Array(2 * rows);
  const high = new Float32Array(bits.buffer);
  const low = per === 0 ? high : new Float32Array(2 * rows);
  const mean = values.mean && new Float32Array(2 * rows);
  const marks = per === 0 ? null : new Uint8Array(2 * rows);
  const put = (at: number, table: Table, row: number): void => {
    const odd = marksAt(table, row);
    if (per > 0 || table.per === 0) bits[at] = table.bits[row];
    else if (odd & MARK.nan) high[at] = NaN;
    else high[at] = odd & MARK.posinf ? Infinity : odd & MARK.neginf ? -Infinity : table.high[row];
    if (per > 0) low[at] = table.low[row];
    if (mean !== null) mean[at] = (table.mean ?? table.high)[row];
    if (marks !== null) marks[at] = odd;
  };
  let from = 0;
  for (let row = 0; row < rows; row++) {
    put(2 * row, values, row);
    while (peaks !== null && peaks.last[from] < first[row]) from++;
    let to = from;
    while (peaks !== null && peaks.first[to] <= last[row]) to++;
    const peak = peaks !== null && to > from ? mostAlarming(peaks, 0, from, to) : null;
    const larger = peaks !== null && peak !== null && isHigher(peaks, peak, values, row);
    put(2 * row + 1, larger ? peaks : values, larger ? peak : row);
  }
  return {per, columns: 2, first, last, high, bits, low, mean, marks};
}

/** Whether a cell of the one is more alarming than one of the other, or a larger number. */
function isHigher(one: Table, at: number, other: Table, than: number): boolean {
  const ahead = RANKS[kindOf(one, at, 'linear')] - RANKS[kindOf(other, than, 'linear')];
  return ahead > 0 || (ahead === 0 && one.high[at] > other.high[than]);
}

function marksOf({marks, high}: Table): Uint8Array {
  return marks ?? new Uint8Array(high.length);
}

/** The first `kept` numbers of the one, then all of the other; as bits, so that a NaN stays what it is. */
function joined<Numbers extends Float64Array | Float32Array | Uint32Array | Uint8Array>(
  one: Numbers,
  other: Numbers,
  kept: number,
): Numbers {
  const size = one.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array((kept + other.length) * size);
  bytes.set(new Uint8Array(one.buffer, one.byteOffset, kept * size));
  bytes.set(new Uint8Array(other.buffer, other.byteOffset, other.length * size), kept * size);
  const Kind = one.constructor as new (buffer: ArrayBuffer) => Numbers;
  return new Kind(bytes.buffer);
}
