/** The depth profile: a statistic over the layers at one step, beside the rows of the heat map. Pure. */

import {MARK, type Scale, type Table} from './api.ts';
import {counted, formatNumber, stepWords} from './format.ts';
import {named} from './plain.ts';
import {positions, valueTicks, type Domain} from './scale.ts';
import {hasNumber, marksAt, rowOf} from './table.ts';

/** What a row of the map stands for. */
export interface ProfileRow {
  /** Its columns of the table: one, or those of a whole group. */
  columns: readonly number[];
  /** Whether the line goes through it: weights, not the biases beside them. */
  main: boolean;
  name: string;
}

/** The rows of the map at a row of the table. */
export interface Profile {
  /** The row of the table; -1 when it has none. */
  at: number;
  /** Of each row the largest and the smallest number of its columns; NaN without any. */
  high: Float32Array;
  low: Float32Array;
  /** What is no number among its columns, as sums of `MARK`; `missing` also when it has no column. */
  marks: Uint8Array;
}

/** The values at the step, or at the first record after it, else the last. */
export function profileAt(
  table: Table,
  step: number,
  columnsOfRow: readonly (readonly number[])[],
): Profile {
  const at = rowOf(table, step);
  const rows = columnsOfRow.length;
  const high = new Float32Array(rows).fill(NaN);
  const low = new Float32Array(rows).fill(NaN);
  const marks = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    if (at < 0 || columnsOfRow[row].length === 0) marks[row] = MARK.missing;
    else gather(table, at * table.columns, columnsOfRow[row], {high, low, marks}, row);
  }
  return {at, high, low, marks};
}

function gather(
  table: Table,
  start: number,
  columns: readonly number[],
  {high, low, marks}: Omit<Profile, 'at'>,
  row: number,
): void {
  for (const column of columns) {
    const cell = start + column;
    marks[row] |= marksAt(table, cell);
    if (!hasNumber(table, cell)) continue;
    // Not `<` and `>=`: both are false for the NaN that is there before the first number.
    if (!(high[row] >= table.high[cell])) high[row] = table.high[cell];
    if (!(low[row] <= table.low[cell])) low[row] = table.low[cell];
  }
}

/** Marks that stand at the side of the profile, the most alarming first. */
export type Side = 'nan' | 'posinf' | 'neginf' | 'zero';

/** What to mark beside a row: on a log scale `zero` for all that lies below it; null for a number or nothing. */
export function sideOf({high, marks}: Profile, row: number, scale: Scale): Side | null {
  if (marks[row] & MARK.nan) return 'nan';
  if (marks[row] & MARK.posinf) return 'posinf';
  if (marks[row] & MARK.neginf) return 'neginf';
  return scale === 'log' && high[row] <= 0 ? 'zero' : null;
}

/** Whether a row has a number that the scale has a place for. */
export function isPlaced({high}: Profile, row: number, scale: Scale): boolean {
  return scale === 'log' ? high[row] > 0 : !Number.isNaN(high[row]);
}

/** A log scale's axis ends at halves of decades, and has so many of them at least: noise shall not look like a trend. */
const LEAST_HALVES = 4;
/** A linear scale's axis is at least so wide a part of what the whole runs span. */
const LEAST_PART = 0.25;

/**
 * What the axis spans at a step: all numbers of the profiles, which share it, and more where they are close together.
 *
 * @param values the span of the whole runs.
 * @returns null without a number.
 */
export function profileDomain(
  profiles: readonly Profile[],
  scale: Scale,
  values: Domain | null,
): Domain | null {
  const placed = profiles
    .flatMap(({high, low}) => [...high, ...low])
    .filter(value => (scale === 'log' ? value > 0 : !Number.isNaN(value)));
  if (placed.length === 0) return null;
  const [low, high] = [Math.min(...placed), Math.max(...placed)];
  if (scale === 'log') return halvesAround(low, high);
  const span = values === null ? 0 : LEAST_PART * (values.high - values.low);
  const room = Math.max(0, (span || Math.abs(low) || 1) - (high - low)) / 2;
  return {scale, low: low - room, high: high + room};
}

function halvesAround(low: number, high: number): Domain {
  // A float32 that stands for a power of ten is hardly one.
  const from = Math.floor(2 * Math.log10(low) + 1e-6);
  const to = Math.ceil(2 * Math.log10(high) - 1e-6);
  const missing = Math.max(0, LEAST_HALVES - (to - from));
  const below = Math.floor(missing / 2);
  return {
    scale: 'log',
    low: 10 ** ((from - below) / 2),
    high: 10 ** ((to + missing - below) / 2),
  };
}

/** Room for the marks to the left and to the right of the values, in CSS pixels. */
export const PROFILE_MARGIN = 9;

/** Says where a value lies across a profile so wide; the profile and its axis share it. */
export function profileX(domain: Domain, width: number): (value: number) => number {
  const position = positions(domain);
  const room = Math.max(0, width - 2 * PROFILE_MARGIN);
  return value => PROFILE_MARGIN + position(value) * room;
}

const CHARACTER = 5.6;
const TICK_GAP = 6;

/** A label of the axis: its middle is moved inwards where it would stick out. */
interface ProfileTick {
  value: number;
  words: string;
  x: number;
  labelX: number;
}

/** Two or three ticks whose labels have room beside each other; the outermost first, then what fits between. */
export function profileTicks(domain: Domain, width: number): ProfileTick[] {
  const x = profileX(domain, width);
  const ticks = valueTicks(domain, 3).map(value => {
    const words = formatNumber(value);
    const half = (words.length * CHARACTER) / 2;
    const labelX = Math.max(half, Math.min(width - half, x(value)));
    return {value, words, x: x(value), labelX, half};
  });
  const kept: typeof ticks = [];
  for (const tick of [ticks[0], ticks[ticks.length - 1], ...ticks.slice(1, -1)]) {
    const apart = (other: (typeof ticks)[number]): boolean =>
      Math.abs(other.labelX - tick.labelX) >= other.half + tick.half + TICK_GAP;
    if (tick !== undefined && kept.length < 3 && kept.every(apart)) kept.push(tick);
  }
  return kept.sort((one, other) => one.x - other.x).map(({half: _, ...tick}) => tick);
}

export const SIDE_WORDS: readonly (readonly [side: Side, word: string])[] = [
  ['nan', 'NaN'],
  ['posinf', '+∞'],
  ['neginf', '−∞'],
  ['zero', 'zero'],
];
/** First and last differ by less than this factor: about the same. */
const SAME_FACTOR = 1.1;

/**
 * The profile in a sentence: its first and its last value on the line, how they differ, and what is no number.
 * `Gradient norm over depth at step 240: 3.4e-7 in dense_1, 1.2 in logits; falls by a factor of 3.5e6 from the last
 * layer to the first; NaN in 2 rows`.
 */
export function profileWords(
  label: string,
  table: Table,
  profile: Profile,
  rows: readonly ProfileRow[],
  scale: Scale,
): string {
  const {at, high} = profile;
  if (at < 0) return `${label} over depth: no record`;
  const placed = rows.flatMap((_, row) => (isPlaced(profile, row, scale) ? [row] : []));
  const line = placed.filter(row => rows[row].main);
  const through = line.length > 0 ? line : placed;
  const ends = [...new Set([through[0], through[through.length - 1]])].filter(
    row => row !== undefined,
  );
  const values = ends.map(row => `${formatNumber(short(high[row]))} in ${named(rows[row].name)}`);
  const trend = ends.length < 2 ? [] : [trendWords(high[ends[0]], high[ends[1]], scale)];
  const sides = SIDE_WORDS.flatMap(([side, word]) => {
    const count = rows.filter((_, row) => sideOf(profile, row, scale) === side).length;
    return count === 0 ? [] : [`${word} in ${counted(count, 'row')}`];
  });
  const said = [values.join(', ') || 'no number', ...trend, ...sides].join('; ');
  return `${label} over depth at ${stepWords(table.first[at], table.last[at])}: ${said}`;
}

/** In the direction in which a gradient flows: from the last layer back to the first. */
function trendWords(first: number, last: number, scale: Scale): string {
  const way = 'from the last layer to the first';
  const verb = first < last ? 'falls' : 'rises';
  if (scale === 'linear') {
    if (first === last) return `the same ${way}`;
    return `${verb} by ${formatNumber(short(Math.abs(last - first)))} ${way}`;
  }
  const factor = Math.max(first / last, last / first);
  if (factor < SAME_FACTOR) return `about the same ${way}`;
  return `${verb} by a factor of ${formatNumber(short(factor))} ${way}`;
}

/** Two digits are enough to be told. */
function short(value: number): number {
  return Number(value.toPrecision(2));
}
