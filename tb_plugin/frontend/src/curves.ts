/** What the charts draw: numbers as lines, and what no line can show as marks and words. Pure. */

import {MARK, type Run, type Scale, type Table} from './api.ts';
import type {CsvCurve} from './csv.ts';
import {hasNumber, kindOf, marksAt, rowOf} from './table.ts';
import type {Zoom} from './zoom.ts';

/** `zero` and `below` are what a log scale has no place for: zero, and zero among negative numbers or these alone. */
export type Gap = 'nan' | 'posinf' | 'neginf' | 'zero' | 'below';

/**
 * Consecutive rows with something that is no point of the line, from the first step to the last: `at` all of these,
 * `among` their records, of which the line shows the others, or `between` two records: the line has its points, and its
 * band's upper edge has none.
 */
export interface Span {
  gap: Gap;
  firstStep: number;
  lastStep: number;
  where: 'at' | 'among' | 'between';
}

export type Points = (number | null)[];

/** How a line looks, and what it is called. */
export interface Look {
  label: string;
  color: string;
  /** Of lengths of strokes and gaps in CSS pixels; empty for a solid line. */
  dash: readonly number[];
  width: number;
}

/** One line, of a run or of one of its layers; `low` and `high` are the edges of a band around it. */
export interface Curve extends Look {
  run: string;
  /** How many records a point stands for at most; 0 when each is one. */
  per: number;
  /** The first and the last step that a point stands for, and the one between where it lies. */
  first: ArrayLike<number>;
  last: ArrayLike<number>;
  steps: number[];
  values: Points;
  /** The values as they were recorded, where those of the line are smoothed. */
  raw: Points | null;
  low: Points | null;
  high: Points | null;
  spans: Span[];
  /** Steps of the run's warm restarts. */
  restarts: readonly number[];
  /** The columns that it was made of. */
  source: CsvCurve;
}

/** Which columns of a table make a curve. */
export interface Shown {
  name: string;
  low: string | null;
  high: string | null;
  scale: Scale;
  /** Whether each step has its row, so that a missing one ends a stretch. */
  everyStep?: boolean;
}

/**
 * The line of a run, or of a layer of it, from the columns of its table that `names` says; null when the run lacks the
 * statistic.
 */
export function curveOf(
  run: Run,
  look: Look,
  table: Table,
  names: readonly string[],
  show: Shown,
  layer = '',
): Curve | null {
  const {scale} = show;
  const index = names.indexOf(show.name);
  if (index < 0) return null;
  const [low, high] = [show.low, show.high].map(name => (name === null ? -1 : names.indexOf(name)));
  const {per, first, last} = table;
  return {
    ...look,
    run: run.name,
    per,
    first,
    last,
    steps: Array.from(first, (step, row) => Math.round((step + last[row]) / 2)),
    values: points(table, middles(table), index, scale),
    raw: null,
    ...edgesOf(table, index, low, high, scale),
    spans: [
      ...spansOf(table, index, scale, show.everyStep),
      ...(high < 0 ? [] : spansBetween(table, index, high, scale)),
    ].sort((one, other) => one.firstStep - other.firstStep),
    restarts: run.restarts,
    source: {
      run: run.name,
      layer,
      statistic: show.name,
      table,
      column: index,
      low: low < 0 ? null : low,
      high: high < 0 ? null : high,
    },
  };
}

/** The edges of a band, from the columns for them (-1 without one): of several records the lowest and the highest. */
function edgesOf(
  table: Table,
  index: number,
  low: number,
  high: number,
  scale: Scale,
): Pick<Curve, 'low' | 'high'> {
  const edge = (plane: Float32Array, at: number): Points => points(table, plane, at, scale);
  if (table.per === 0) {
    const top = high < 0 ? null : edge(table.high, high);
    // Of a run that records every step, the largest since the record before is the value itself.
    if (low < 0 && top !== null && same(top, edge(table.high, index)))
      return {low: null, high: null};
    return {low: low < 0 ? null : edge(table.low, low), high: top};
  }
  const lowest = edge(table.low, low < 0 ? index : low);
  const own = edge(table.high, index);
  const highest = high < 0 ? own : filled(edge(table.high, high), own);
  if (same(highest, lowest) && low < 0 && high < 0) return {low: null, high: null};
  return {low: filled(lowest, points(table, middles(table), index, scale)), high: highest};
}

function same(one: Points, other: Points): boolean {
  return one.every((value, row) => value === other[row]);
}

/** What a line goes through: the values, of several records their mean. */
function middles(table: Table): ArrayLike<number> {
  const {per, high, mean} = table;
  if (per === 0) return high;
  return mean ?? high.map((_, at) => middleAt(table, at));
}

/** The value of a cell, of several records their mean; NaN without a number. */
export function middleAt({per, high, low, mean}: Table, at: number): number {
  if (per === 0) return high[at];
  return mean === null ? (high[at] + low[at]) / 2 : mean[at];
}

/** A column as points: null where there is no number to draw, and on a log scale where it is not above zero. */
function points(
  {columns, last}: Table,
  plane: ArrayLike<number>,
  index: number,
  scale: Scale,
): Points {
  return Array.from(last, (_, row) => {
    const value = plane[row * columns + index];
    return Number.isFinite(value) && (scale === 'linear' || value > 0) ? value : null;
  });
}

/** The one's points, and the other's where the one has none. */
function filled(one: Points, other: Points): Points {
  return one.map((value, row) => value ?? other[row]);
}

/**
 * The stretches of the column with something that is no point: NaN, infinite, on a log scale zero or less. Not recorded
 * is no stretch.
 */
export function spansOf(table: Table, index: number, scale: Scale, everyStep = false): Span[] {
  const spans = spansWhere(table, row => gapIn(table, row, index, scale), everyStep);
  if (scale === 'linear' || !goesBelow(table, index)) return spans;
  return spans.map(span => (span.gap === 'zero' ? {...span, gap: 'below'} : span));
}

/** Whether any number of the column is below zero. */
function goesBelow({low, last, columns}: Table, index: number): boolean {
  return Array.from(last, (_, row) => low[row * columns + index]).some(
    value => value < 0 && value > -Infinity,
  );
}

/** Where a chart marks what is no point: what lies below a log scale at its bottom. */
export function edgeOf({gap}: Span): 'top' | 'bottom' {
  return gap === 'zero' || gap === 'below' ? 'bottom' : 'top';
}

/** Where the column has its points and its upper edge is NaN or infinite: each from the record before. */
function spansBetween(table: Table, index: number, high: number, scale: Scale): Span[] {
  const spans = spansWhere(table, row => {
    const line = kindOf(table, row * table.columns + index, scale);
    const edge = kindOf(table, row * table.columns + high, 'linear');
    const apart = (line === 'number' || line === 'zero') && isGap(edge);
    return apart ? {gap: edge, where: 'between'} : null;
  });
  const before = (step: number): number => {
    const row = table.first.indexOf(step);
    return row > 0 ? table.last[row - 1] : step - 1;
  };
  return spans.map(span => ({...span, firstStep: before(span.firstStep)}));
}

function isGap(kind: string): kind is 'nan' | 'posinf' | 'neginf' {
  return kind === 'nan' || kind === 'posinf' || kind === 'neginf';
}

/** The most alarming of a row that no line can show, and whether the row is nothing else. */
function gapIn(
  table: Table,
  row: number,
  index: number,
  scale: Scale,
): Pick<Span, 'gap' | 'where'> | null {
  const at = row * table.columns + index;
  const kind = kindOf(table, at, scale);
  const single = table.first[row] === table.last[row];
  if (isGap(kind)) {
    const only = !hasNumber(table, at) && marksAt(table, at) === MARK[kind];
    return {gap: kind, where: single || only ? 'at' : 'among'};
  }
  if (scale === 'linear' || !(table.low[at] <= 0)) return null;
  const only = kind === 'zero' && marksAt(table, at) === 0;
  return {gap: 'zero', where: single || only ? 'at' : 'among'};
}

/** The rows of one gap that follow each other as one span each. */
function spansWhere(
  {first, last}: Table,
  gapAt: (row: number) => Pick<Span, 'gap' | 'where'> | null,
  everyStep = false,
): Span[] {
  const spans: Span[] = [];
  let open: Span | null = null;
  for (let row = 0; row < last.length; row++) {
    const found = gapAt(row);
    if (found === null) {
      open = null;
    } else if (
      open?.gap === found.gap &&
      open.where === found.where &&
      !(everyStep && first[row] > open.lastStep + 1)
    ) {
      open.lastStep = last[row];
    } else {
      open = {...found, firstStep: first[row], lastStep: last[row]};
      spans.push(open);
    }
  }
  return spans;
}

/** The point of a curve that stands for a step, else the last one before it; -1 without one. */
export function pointAt({first, last}: Curve, step: number): number {
  const at = rowOf({last}, step);
  return at >= 0 && first[at] > step ? at - 1 : at;
}

/** The rows of a curve of which a part lies in the window: the first of them, and the one after the last. */
function rowsWithin({first, last}: Curve, window: Zoom): [from: number, to: number] {
  if (last.length === 0) return [0, 0];
  const {firstStep, lastStep} = window;
  const from = rowOf({last}, firstStep);
  const end = rowOf({last}, lastStep);
  // The row that ends at the window's end or after it may begin after it.
  return [last[from] < firstStep ? from + 1 : from, first[end] > lastStep ? end : end + 1];
}

const EVERYWHERE: Zoom = {firstStep: -Infinity, lastStep: Infinity};

/** By so little, as a part of a value, another one may differ that is the same, rounded otherwise. */
const ROUNDED = 1e-6;

/**
 * The y range of a chart, with a little room: what the lines and their upper edges span in the window, lower edges by
 * at most a factor of 1,000; of the whole lines where they have no point in it.
 */
export function valueRange(
  curves: readonly Curve[],
  scale: Scale,
  window: Zoom = EVERYWHERE,
): [low: number, high: number] {
  let low = Infinity;
  let high = -Infinity;
  for (const curve of curves) {
    const [from, to] = rowsWithin(curve, window);
    for (const points of [curve.values, curve.raw, curve.high]) {
      for (let row = from; points !== null && row < to; row++) {
        const value = points[row];
        if (value === null) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  }
  if (low > high) {
    if (window !== EVERYWHERE) return valueRange(curves, scale);
    return scale === 'log' ? [0.1, 10] : [0, 1];
  }
  const least = scale === 'log' ? low / 1000 : -Infinity;
  for (const curve of curves) {
    const [from, to] = rowsWithin(curve, window);
    for (let row = from; curve.low !== null && row < to; row++) {
      const value = curve.low[row];
      if (value !== null && value < low && value > least) low = value;
    }
  }
  if (scale === 'log') {
    const room = Math.max(1.2, (high / low) ** 0.05);
    return [low / room, high * room];
  }
  // A share or a number that is 0 all the time lies at the bottom of what it may be.
  if (low === 0 && high === 0) return [-0.05, 1];
  // What is the same but for float32's last digit is level.
  const level = high - low <= ROUNDED * Math.max(Math.abs(low), Math.abs(high));
  const room = level ? Math.abs(high) / 2 : (high - low) * 0.05;
  return [low - room, high + room];
}

/** What a line shows in a window, as it is drawn. */
export interface ShownCurve extends Look {
  steps: number[];
  values: Points;
  raw: Points | null;
  low: Points | null;
  high: Points | null;
  spans: Span[];
}

/** What the lines show in a window, for a picture: one point more on either side, as lines go on beyond the edge. */
export function shownCurves(curves: readonly Curve[], window: Zoom): ShownCurve[] {
  return curves.map(curve => {
    const {label, color, dash, width, steps, values, raw, low, high, spans} = curve;
    const [from, to] = rowsWithin(curve, window);
    const within = <Entry>(entries: Entry[]): Entry[] =>
      entries.slice(Math.max(0, from - 1), to + 1);
    const part = (points: Points | null): Points | null => points && within(points);
    const inside = ({firstStep, lastStep}: Span): boolean =>
      lastStep >= window.firstStep && firstStep <= window.lastStep;
    return {
      label,
      color,
      dash,
      width,
      steps: within(steps),
      values: within(values),
      raw: part(raw),
      low: part(low),
      high: part(high),
      spans: spans.filter(inside),
    };
  });
}
