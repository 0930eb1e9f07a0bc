/** What the charts draw: numbers as lines, and what no line can show as marks and words. Pure. */

import {column, type Run, type Scale, type Table} from './api.ts';
import {formatNumber, formatStep} from './format.ts';
import {kindOf, type Kind} from './scale.ts';

export type Gap = 'nan' | 'posinf' | 'neginf' | 'zero';

/**
 * Consecutive records that are no point of the line, from the first step to the last; with `between` the line has its
 * points, and its band's upper edge has none: something happened between the records.
 */
export interface Span {
  gap: Gap;
  firstStep: number;
  lastStep: number;
  between: boolean;
}

export type Points = (number | null)[];

/** One run's line; `low` and `high` are the edges of a band around it. */
export interface Curve {
  run: string;
  color: string;
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
  const index = names.indexOf(show.name);
  if (index < 0) return null;
  const high = show.high === null ? -1 : names.indexOf(show.high);
  const edge = (name: string | null): Points | null => {
    const at = name === null ? -1 : names.indexOf(name);
    return at < 0 ? null : points(table, at, show.scale);
  };
  return {
    run: run.name,
    color,
    steps: Array.from(table.steps),
    values: points(table, index, show.scale),
    low: edge(show.low),
    high: edge(show.high),
    spans: [
      ...spansOf(table, index, show.scale, show.everyStep),
      ...(high < 0 ? [] : spansBetween(table, index, high, show.scale)),
    ].sort((one, other) => one.firstStep - other.firstStep),
    restarts: run.restarts,
  };
}

/** The column as points: null where there is no number to draw, and on a log scale where it is not above zero. */
function points(table: Table, index: number, scale: Scale): Points {
  const {values} = column(table, index);
  return Array.from(values, value =>
    Number.isFinite(value) && (scale === 'linear' || value > 0) ? value : null,
  );
}

/** The stretches of the column that have no point: NaN, infinite, on a log scale zero. Not recorded is no stretch. */
export function spansOf(table: Table, index: number, scale: Scale, everyStep = false): Span[] {
  const spans = spansWhere(table, row => gapOf(cellKind(table, row, index, scale)), everyStep);
  return spans.map(span => ({...span, between: false}));
}

/** Where the column has its points and its upper edge is NaN or infinite: each from the record before. */
function spansBetween(table: Table, index: number, high: number, scale: Scale): Span[] {
  const spans = spansWhere(table, row => {
    const line = cellKind(table, row, index, scale);
    const edge = gapOf(cellKind(table, row, high, scale));
    return edge !== 'zero' && (line === 'number' || line === 'zero') ? edge : null;
  });
  const before = (step: number): number => {
    const row = table.steps.indexOf(step);
    return row > 0 ? table.steps[row - 1] : step - 1;
  };
  return spans.map(span => ({...span, firstStep: before(span.firstStep), between: true}));
}

function cellKind(table: Table, row: number, index: number, scale: Scale): Kind {
  const at = row * table.columns + index;
  return kindOf(table.values[at], table.bits[at], scale);
}

function gapOf(kind: Kind): Gap | null {
  return kind === 'number' || kind === 'missing' ? null : kind;
}

/** The rows of one gap that follow each other as one span each. */
function spansWhere(
  table: Table,
  gapAt: (row: number) => Gap | null,
  everyStep = false,
): Omit<Span, 'between'>[] {
  const spans: Omit<Span, 'between'>[] = [];
  let open: Omit<Span, 'between'> | null = null;
  table.steps.forEach((step, row) => {
    const gap = gapAt(row);
    if (gap === null) {
      open = null;
    } else if (open?.gap === gap && !(everyStep && step > open.lastStep + 1)) {
      open.lastStep = step;
    } else {
      open = {gap, firstStep: step, lastStep: step};
      spans.push(open);
    }
  });
  return spans;
}

const GAP_WORDS: Record<Gap, string> = {nan: 'NaN', posinf: '+∞', neginf: '−∞', zero: '0'};

/** `exploding: NaN at steps 380–400`, for the lines that stop being numbers. */
export function spanWords({run, spans}: Curve): string | null {
  if (spans.length === 0) return null;
  const told = spans.slice(0, 2).map(({gap, firstStep, lastStep, between}) => {
    const [first, last] = [formatStep(firstStep), formatStep(lastStep)];
    if (between) return `${GAP_WORDS[gap]} between steps ${first} and ${last}`;
    return `${GAP_WORDS[gap]} ${first === last ? `at step ${first}` : `at steps ${first}–${last}`}`;
  });
  const more = spans.length > told.length ? `, and ${spans.length - told.length} more` : '';
  return `${run}: ${told.join(', ')}${more}`;
}

/** What a curve says at a step, by the last record until then: its value, and how far its band reaches. */
export function valueAt(curve: Curve, step: number): string {
  const {steps, low, high, spans} = curve;
  const at = steps.findLastIndex(other => other <= step);
  if (at < 0) return '–';
  const value = lineAt(curve, at);
  const between = spans.find(
    span => span.between && span.firstStep < steps[at] && steps[at] <= span.lastStep,
  );
  const from = low?.[at] == null ? '' : formatNumber(low[at]);
  const to = high?.[at] == null ? '' : formatNumber(high[at]);
  const top = between === undefined ? to : GAP_WORDS[between.gap];
  if (top === '' || (top === value && (from === '' || from === value))) return value;
  return `${value} (${from === '' ? '' : `${from} `}to ${top})`;
}

function lineAt({steps, values, spans}: Curve, at: number): string {
  const value = values[at];
  if (value !== null) return formatNumber(value);
  const span = spans.find(
    ({firstStep, lastStep, between}) => !between && firstStep <= steps[at] && steps[at] <= lastStep,
  );
  return span === undefined ? '–' : GAP_WORDS[span.gap];
}

/** What a chart shows, in words: of each run its first value, its last one and the highest, band included. */
export function chartWords(title: string, curves: readonly Curve[]): string {
  const told = curves.map(curve => {
    const {run, steps, values, high} = curve;
    if (steps.length === 0) return `${run} has no record`;
    const last = steps.length - 1;
    const numbers = [...values, ...(high ?? [])].filter(value => value !== null);
    const top = numbers.reduce((most, value) => Math.max(most, value), -Infinity);
    const highest = numbers.length > 0 ? `, highest ${formatNumber(top)}` : '';
    const ends = `${lineAt(curve, 0)} at step ${formatStep(steps[0])} to ${lineAt(curve, last)} at step ${formatStep(steps[last])}`;
    return `${run} ${ends}${highest}`;
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
