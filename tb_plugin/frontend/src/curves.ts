/** What the charts draw: numbers as lines, and what no line can show as marks and words. Pure. */

import {column, type Run, type Scale, type Table} from './api.ts';
import {formatStep} from './format.ts';
import {kindOf} from './scale.ts';

export type Gap = 'nan' | 'posinf' | 'neginf' | 'zero';

/** Consecutive records that are no point of the line, from the first step to the last. */
export interface Span {
  gap: Gap;
  firstStep: number;
  lastStep: number;
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

/** The line of a run, from the columns of its table that `names` says; null when the run lacks the statistic. */
export function curveOf(
  run: Run,
  color: string,
  table: Table,
  names: readonly string[],
  show: {name: string; low: string | null; high: string | null; scale: Scale},
): Curve | null {
  const index = names.indexOf(show.name);
  if (index < 0) return null;
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
    spans: spansOf(table, index, show.scale),
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
export function spansOf(table: Table, index: number, scale: Scale): Span[] {
  const spans: Span[] = [];
  let open: Span | null = null;
  table.steps.forEach((step, row) => {
    const at = row * table.columns + index;
    const kind = kindOf(table.values[at], table.bits[at], scale);
    if (kind === 'number' || kind === 'missing') {
      open = null;
    } else if (open?.gap === kind) {
      open.lastStep = step;
    } else {
      open = {gap: kind, firstStep: step, lastStep: step};
      spans.push(open);
    }
  });
  return spans;
}

const GAP_WORDS: Record<Gap, string> = {nan: 'NaN', posinf: '+∞', neginf: '−∞', zero: '0'};

/** `exploding: NaN at steps 380–400`, for the lines that stop being numbers. */
export function spanWords({run, spans}: Curve): string | null {
  if (spans.length === 0) return null;
  const told = spans.slice(0, 2).map(({gap, firstStep, lastStep}) => {
    const at =
      firstStep === lastStep
        ? `at step ${formatStep(firstStep)}`
        : `at steps ${formatStep(firstStep)}–${formatStep(lastStep)}`;
    return `${GAP_WORDS[gap]} ${at}`;
  });
  const more = spans.length > told.length ? `, and ${spans.length - told.length} more` : '';
  return `${run}: ${told.join(', ')}${more}`;
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
