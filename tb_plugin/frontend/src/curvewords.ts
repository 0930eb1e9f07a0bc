/** What the lines of a chart say, in words: at a step, as a whole, and what they do not show. Pure. */

import {middleAt, pointAt, type Curve, type Gap, type Span} from './curves.ts';
import {counted, formatNumber, formatStep, stepWords} from './format.ts';
import {named} from './plain.ts';

const GAP_WORDS: Record<Gap, string> = {
  nan: 'NaN',
  posinf: '+∞',
  neginf: '−∞',
  zero: '0',
  below: 'zero or less',
};

/** A line of a run, or several of its layers'. */
function namesOf(curves: readonly Curve[]): string {
  const [{label, run}] = curves;
  const layers = new Set(curves.map(({source}) => source.layer)).size;
  return layers === 1 ? label : `${named(run)}, ${layers} layers`;
}

/** `NaN at steps 380–400`, for the lines that stop being numbers. */
export function spanWords({spans}: Curve): string | null {
  if (spans.length === 0) return null;
  const told = spans.slice(0, 2).map(gapWords);
  const more = spans.length - told.length;
  const rest = more > 0 ? [`and ${counted(more, 'more stretch', 'more stretches')}`] : [];
  return [...told, ...rest].join(', ');
}

/** `NaN at steps 380–400` */
export function gapWords({gap, firstStep, lastStep, where}: Span): string {
  const [first, last] = [formatStep(firstStep), formatStep(lastStep)];
  if (where === 'between') return `${GAP_WORDS[gap]} between steps ${first} and ${last}`;
  return `${GAP_WORDS[gap]} ${where} ${stepWords(firstStep, lastStep)}`;
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
 * What a curve says at a step, by the last record until then: its value or the mean of several, of a smoothed line also
 * the raw one, how far its band reaches, and what is no number among them.
 */
export function valueAt(curve: Curve, step: number): string {
  const at = pointAt(curve, step);
  if (at < 0) return '–';
  const {values, raw} = curve;
  const told = lineAt(curve, at);
  if (raw === null || values[at] === null) return joinedWords(told, '', restAt(curve, told, at));
  const recorded = formatNumber(raw[at] ?? NaN);
  return joinedWords(told, recorded, restAt(curve, recorded, at));
}

/** `smoothed (recorded, low to high), some NaN` */
function joinedWords(value: string, recorded: string, {band, some}: Rest): string {
  const inside = [recorded, band].filter(Boolean).join(', ');
  return `${value}${inside === '' ? '' : ` (${inside})`}${some}`;
}

interface Rest {
  band: string;
  some: string;
}

/** What is to be told of a record beside its value: how far its band reaches, and what else is among several. */
function restAt(curve: Curve, value: string, at: number): Rest {
  const {last, low, high, spans} = curve;
  const among = spanAt(curve, at, 'among');
  const some =
    among === undefined || value === GAP_WORDS[among.gap] ? '' : `, some ${GAP_WORDS[among.gap]}`;
  const between = spans.find(
    span => span.where === 'between' && span.firstStep < last[at] && last[at] <= span.lastStep,
  );
  const from = low?.[at] == null ? '' : formatNumber(low[at]);
  const to = high?.[at] == null ? '' : formatNumber(high[at]);
  const top = between === undefined ? to : GAP_WORDS[between.gap];
  const none = top === '' || (top === value && (from === '' || from === value));
  return {band: none ? '' : `${from === '' ? '' : `${from} `}to ${top}`, some};
}

function lineAt(curve: Curve, at: number): string {
  const value = curve.values[at];
  if (value !== null) return formatNumber(value);
  const span = spanAt(curve, at, 'at') ?? spanAt(curve, at, 'among');
  if (span === undefined) return '–';
  if (span.gap !== 'below') return GAP_WORDS[span.gap];
  // The scale has no place for it, but it is a number like any other.
  const {table, column} = curve.source;
  return formatNumber(middleAt(table, at * table.columns + column));
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

/** So many lines are told of what they do not show. */
const MOST_GAPS = 4;

/** What no line shows: as exactly as it is drawn, or from elsewhere in the whole run. */
export function allSpanWords(curves: readonly Curve[], wholes: readonly Curve[]): string[] {
  const groups = new Map<string, {alike: Curve[]; words: string}>();
  curves.forEach((curve, index) => {
    const words = spanWords(curve) ?? spanWords(wholes[index]);
    if (words === null) return;
    const key = `${curve.run}\n${words}`;
    const group = groups.get(key) ?? {alike: [], words};
    group.alike.push(curve);
    groups.set(key, group);
  });
  const told = [...groups.values()].map(({alike, words}) => `${namesOf(alike)}: ${words}`);
  const more = told.length - MOST_GAPS;
  if (more <= 1) return told;
  return [...told.slice(0, MOST_GAPS), `and ${more} more lines with such gaps`];
}

/** So many lines are told one by one. */
const MOST_TOLD = 12;

/** What a chart shows, in words: of each line its first value, its last one and the highest, band included. */
export function chartWords(title: string, curves: readonly Curve[]): string {
  const more = curves.length - MOST_TOLD;
  const told = curves.slice(0, more <= 1 ? curves.length : MOST_TOLD).map(smooth => {
    const curve = smooth.raw === null ? smooth : {...smooth, values: smooth.raw};
    const {label, first, last: ends, values, high} = curve;
    const last = values.length - 1;
    if (last < 0) return `${label} has no record`;
    const numbers = [...values, ...(high ?? [])].filter(value => value !== null);
    const top = numbers.reduce((most, value) => Math.max(most, value), -Infinity);
    const highest = numbers.length > 0 ? `, highest ${formatNumber(top)}` : '';
    const from = `${lineAt(curve, 0)} at step ${formatStep(first[0])}`;
    return `${label} ${from} to ${lineAt(curve, last)} at step ${formatStep(ends[last])}${highest}`;
  });
  const rest = more <= 1 ? [] : [`and ${counted(more, 'more line')}`];
  return [title, ...told, ...rest].join('; ');
}
