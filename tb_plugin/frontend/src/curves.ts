/** What the charts draw: numbers as lines, and what no line can show as marks and words. Pure. */

import {MARK, type Run, type Scale, type Table} from './api.ts';
import {formatNumber, formatStep, stepWords} from './format.ts';
import {hasNumber, kindOf, marksAt, rowOf} from './table.ts';

export type Gap = 'nan' | 'posinf' | 'neginf' | 'zero';

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

/** One run's line; `low` and `high` are the edges of a band around it. */
export interface Curve {
  run: string;
  color: string;
  /** How many records a point stands for at most; 0 when each is one. */
  per: number;
  /** The first and the last step that a point stands for, and the one between where it lies. */
  first: ArrayLike<number>;
  last: ArrayLike<number>;
  steps: number[];
  values: Points;
  low: Points | null;
  high: Points | null;
  spans: Span[];
  /** Steps of the run's warm restarts. */
  restarts: readonly number[];
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

/** The line of a run, from the columns of its table that `names` says; null when the run lacks the statistic. */
export function curveOf(
  run: Run,
  color: string,
  table: Table,
  names: readonly string[],
  show: Shown,
): Curve | null {
  const {scale} = show;
  const index = names.indexOf(show.name);
  if (index < 0) return null;
  const [low, high] = [show.low, show.high].map(name => (name === null ? -1 : names.indexOf(name)));
  const {per, first, last} = table;
  return {
    run: run.name,
    color,
    per,
    first,
    last,
    steps: Array.from(first, (step, row) => Math.round((step + last[row]) / 2)),
    values: points(table, middles(table), index, scale),
    ...edgesOf(table, index, low, high, scale),
    spans: [
      ...spansOf(table, index, scale, show.everyStep),
      ...(high < 0 ? [] : spansBetween(table, index, high, scale)),
    ].sort((one, other) => one.firstStep - other.firstStep),
    restarts: run.restarts,
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
    return {
      low: low < 0 ? null : edge(table.low, low),
      high: high < 0 ? null : edge(table.high, high),
    };
  }
  const lowest = edge(table.low, low < 0 ? index : low);
  const own = edge(table.high, index);
  const highest = high < 0 ? own : filled(edge(table.high, high), own);
  const flat = highest.every((value, row) => value === lowest[row]);
  if (flat && low < 0 && high < 0) return {low: null, high: null};
  return {low: filled(lowest, points(table, middles(table), index, scale)), high: highest};
}

/** What a line goes through: the values, of several records their mean. */
function middles({per, high, low, mean}: Table): ArrayLike<number> {
  if (per === 0) return high;
  return mean ?? high.map((value, at) => (value + low[at]) / 2);
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
 * The stretches of the column with something that is no point: NaN, infinite, on a log scale zero. Not recorded is no
 * stretch.
 */
export function spansOf(table: Table, index: number, scale: Scale, everyStep = false): Span[] {
  return spansWhere(table, row => gapIn(table, row, index, scale), everyStep);
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

function isGap(kind: string): kind is Exclude<Gap, 'zero'> {
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

const GAP_WORDS: Record<Gap, string> = {nan: 'NaN', posinf: '+∞', neginf: '−∞', zero: '0'};

/** `exploding: NaN at steps 380–400`, for the lines that stop being numbers. */
export function spanWords({run, spans}: Curve): string | null {
  if (spans.length === 0) return null;
  const told = spans.slice(0, 2).map(({gap, firstStep, lastStep, where}) => {
    const [first, last] = [formatStep(firstStep), formatStep(lastStep)];
    if (where === 'between') return `${GAP_WORDS[gap]} between steps ${first} and ${last}`;
    return `${GAP_WORDS[gap]} ${where} ${stepWords(firstStep, lastStep)}`;
  });
  const more = spans.length > told.length ? `, and ${spans.length - told.length} more` : '';
  return `${run}: ${told.join(', ')}${more}`;
}

/** The point of a curve that stands for a step, else the last one before it; -1 without one. */
function pointAt({first, last}: Curve, step: number): number {
  const at = rowOf({last}, step);
  return at >= 0 && first[at] > step ? at - 1 : at;
}

/** The step that a readout is about, or those that a point there stands for. */
export function readoutWords(curves: readonly Curve[], step: number): string {
  for (const curve of curves) {
    const at = pointAt(curve, step);
    if (at >= 0 && step <= curve.last[at]) return stepWords(curve.first[at], curve.last[at]);
  }
  return stepWords(step, step);
}

/**
 * What a curve says at a step, by the last record until then: its value or the mean of several, how far its band
 * reaches, and what is no number among them.
 */
export function valueAt(curve: Curve, step: number): string {
  const {last, low, high, spans} = curve;
  const at = pointAt(curve, step);
  if (at < 0) return '–';
  const value = lineAt(curve, at);
  const among = spanAt(curve, at, 'among');
  const some =
    among === undefined || value === GAP_WORDS[among.gap] ? '' : `, some ${GAP_WORDS[among.gap]}`;
  const between = spans.find(
    span => span.where === 'between' && span.firstStep < last[at] && last[at] <= span.lastStep,
  );
  const from = low?.[at] == null ? '' : formatNumber(low[at]);
  const to = high?.[at] == null ? '' : formatNumber(high[at]);
  const top = between === undefined ? to : GAP_WORDS[between.gap];
  if (top === '' || (top === value && (from === '' || from === value))) return value + some;
  return `${value} (${from === '' ? '' : `${from} `}to ${top})${some}`;
}

function lineAt(curve: Curve, at: number): string {
  const value = curve.values[at];
  if (value !== null) return formatNumber(value);
  const span = spanAt(curve, at, 'at') ?? spanAt(curve, at, 'among');
  return span === undefined ? '–' : GAP_WORDS[span.gap];
}

function spanAt({first, spans}: Curve, at: number, where: Span['where']): Span | undefined {
  return spans.find(
    span => span.where === where && span.firstStep <= first[at] && first[at] <= span.lastStep,
  );
}

/**
 * What line and band mean, where that has to be said.
 *
 * @param wholes the same lines over the whole run: while these need the words, there are words at every zoom, and the
 *   page stays as high as it is.
 */
export function bandWords(
  band: string | undefined,
  curves: readonly Curve[],
  wholes: readonly Curve[],
): string | null {
  if (wholes.every(({high}) => high === null)) return null;
  if (mostRecords(wholes) <= 1) return band ?? null;
  const per = mostRecords(curves);
  const line = per > 1 ? `Mean of up to ${formatStep(per)} records.` : 'Every record.';
  const usual = per > 1 ? 'Band: from the smallest to the largest' : '';
  return [line, band ?? usual].filter(Boolean).join(' ');
}

function mostRecords(curves: readonly Curve[]): number {
  return curves.reduce((most, {per}) => Math.max(most, per), 0);
}

/** What no line shows: as exactly as it is drawn, or from elsewhere in the whole run. */
export function allSpanWords(curves: readonly Curve[], wholes: readonly Curve[]): string[] {
  const told = curves.map((curve, index) => spanWords(curve) ?? spanWords(wholes[index]));
  return told.filter(words => words !== null);
}

/** What a chart shows, in words: of each run its first value, its last one and the highest, band included. */
export function chartWords(title: string, curves: readonly Curve[]): string {
  const told = curves.map(curve => {
    const {run, first, last: ends, values, high} = curve;
    const last = values.length - 1;
    if (last < 0) return `${run} has no record`;
    const numbers = [...values, ...(high ?? [])].filter(value => value !== null);
    const top = numbers.reduce((most, value) => Math.max(most, value), -Infinity);
    const highest = numbers.length > 0 ? `, highest ${formatNumber(top)}` : '';
    const from = `${lineAt(curve, 0)} at step ${formatStep(first[0])}`;
    return `${run} ${from} to ${lineAt(curve, last)} at step ${formatStep(ends[last])}${highest}`;
  });
  return [title, ...told].join('; ');
}

/** The y range of a chart: what the lines and their upper edges span, lower edges by at most a factor of 1,000. */
export function valueRange(curves: readonly Curve[], scale: Scale): [low: number, high: number] {
  let low = Infinity;
  let high = -Infinity;
  for (const curve of curves) {
    for (const points of [curve.values, curve.high ?? []]) {
      for (const value of points) {
        if (value === null) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  if (low > high) return scale === 'log' ? [0.1, 10] : [0, 1];
  for (const curve of curves) {
    for (const value of curve.low ?? [])
      if (value !== null && value < low && (scale === 'linear' || value > low / 1000)) low = value;
  }
  if (scale === 'log') {
    const room = Math.max(1.2, (high / low) ** 0.05);
    return [low / room, high * room];
  }
  const room = (high - low) * 0.05 || Math.abs(high) / 2 || 1;
  return [low - room, high + room];
}
