/** The overview of the runs: which ones a table shows, in which order, in which words, and how a loss looks. Pure. */

import {MARK, type LossCurve, type Run, type Verdict} from './api.ts';
import {firstBadStep, RANKS} from './findings.ts';
import {counted, formatNumber, formatStep, words} from './format.ts';
import {positions, type Domain} from './scale.ts';

export const SORT_KEYS = [
  'name',
  'verdict',
  'step',
  'loss',
  'optimizer',
  'steps',
  'overhead',
  'started',
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface Sort {
  by: SortKey;
  /** From the largest to the smallest. */
  down: boolean;
}

/** What the user made of the table. */
export interface TableView {
  /** A regular expression, or a part of a name. */
  filter: string;
  /** Null: the order of the server. */
  sort: Sort | null;
  pinned: ReadonlySet<string>;
}

/** The sorting after a click on the head of a column: up, down, none. */
export function nextSort(sort: Sort | null, by: SortKey): Sort | null {
  if (sort?.by !== by) return {by, down: false};
  return sort.down ? null : {by, down: true};
}

/** A test of names, and whether the filter had to be taken as plain text, being no regular expression. */
export interface Filter {
  plain: boolean;
  passes: (name: string) => boolean;
}

export function filterOf(text: string): Filter {
  try {
    const pattern = new RegExp(text, 'i');
    return {plain: false, passes: name => pattern.test(name)};
  } catch {
    const part = text.toLowerCase();
    return {plain: true, passes: name => name.toLowerCase().includes(part)};
  }
}

/** The runs that pass the filter: the pinned ones first, both parts sorted. */
export function tableRows(runs: readonly Run[], {filter, sort, pinned}: TableView): Run[] {
  const {passes} = filterOf(filter);
  const rows = runs.filter(({name}) => passes(name));
  if (sort !== null) rows.sort(comparison(sort));
  return [
    ...rows.filter(({name}) => pinned.has(name)),
    ...rows.filter(({name}) => !pinned.has(name)),
  ];
}

const NATURAL = new Intl.Collator('en', {numeric: true, sensitivity: 'base'});

const NUMBERS: Record<Exclude<SortKey, 'name' | 'optimizer'>, (run: Run) => number | null> = {
  verdict: ({verdict}) => RANKS[verdict],
  step: firstBadStep,
  loss: ({lastLoss}) => lastLoss,
  steps: ({lastStep}) => lastStep,
  overhead: ({overhead}) => overhead,
  started: ({started}) => started,
};

/** What is not known comes last in both directions. */
function comparison({by, down}: Sort): (one: Run, other: Run) => number {
  const sign = down ? -1 : 1;
  if (by === 'name') return (one, other) => sign * NATURAL.compare(one.name, other.name);
  if (by === 'optimizer') return (one, other) => sign * byOptimizer(one, other);
  const numberOf = NUMBERS[by];
  return (one, other) => {
    const [a, b] = [numberOf(one), numberOf(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return sign * compared(a, b);
  };
}

/** NaN is beyond infinity: of losses it is the worst. */
function compared(a: number, b: number): number {
  const [aIsNaN, bIsNaN] = [Number.isNaN(a), Number.isNaN(b)];
  if (aIsNaN || bIsNaN) return Number(aIsNaN) - Number(bIsNaN);
  return a < b ? -1 : Number(a > b);
}

/** By name, and of the same name by the first number that differs, the learning rate before the others. */
function byOptimizer(one: Run, other: Run): number {
  const others = new Map(other.hyperparameters);
  const byNumber = one.hyperparameters.map(([name, value]) =>
    compared(Number(value), Number(others.get(name))),
  );
  return (
    NATURAL.compare(one.optimizer, other.optimizer) || (byNumber.find(order => order !== 0) ?? 0)
  );
}

/** `learning rate 0.001 · beta 1 0.9`. */
export function settingsWords({hyperparameters}: Run): string {
  return hyperparameters
    .map(([name, value]) => {
      const told = typeof value === 'number' ? formatNumber(value) : value;
      return `${words(name)} ${told}`;
    })
    .join(' · ');
}

/** `61 recorded`, or that all were. */
export function recordedWords({records, lastStep}: Run): string {
  return records === lastStep ? 'all recorded' : `${formatStep(records)} recorded`;
}

/** `loss 2.38 to 0.05, highest 3.04e31, in part NaN`. */
export function lossWords({firstLoss, lastLoss, lossCurve: {high, marks}}: Run): string {
  if (firstLoss === null || lastLoss === null) return 'loss not recorded';
  const highest = Math.max(...high.map(value => value ?? -Infinity));
  const ends = [firstLoss, lastLoss].filter(Number.isFinite);
  const found = marks.reduce((sum, mark) => sum | mark, 0);
  const odd = [
    ...(found & MARK.nan ? ['NaN'] : []),
    ...(found & (MARK.posinf | MARK.neginf) ? ['infinite'] : []),
  ];
  return [
    `loss ${formatNumber(firstLoss)} to ${formatNumber(lastLoss)}`,
    ...(highest > Math.max(...ends) ? [`highest ${formatNumber(highest)}`] : []),
    ...(odd.length > 0 ? [`in part ${odd.join(' and ')}`] : []),
  ].join(', ');
}

/** `12 runs`, or `3 of 12 runs` when the filter leaves some out. */
export function countWords(rows: number, runs: number): string {
  return rows === runs ? counted(runs, 'run') : `${formatStep(rows)} of ${counted(runs, 'run')}`;
}

/** How many runs have each verdict, the worst first. */
export function verdictCounts(runs: readonly Run[]): [verdict: Verdict, count: number][] {
  const verdicts = Object.keys(RANKS) as Verdict[];
  const count = (verdict: Verdict): number => runs.filter(run => run.verdict === verdict).length;
  return verdicts
    .map((verdict): [Verdict, number] => [verdict, count(verdict)])
    .filter(([, found]) => found > 0);
}

const DAY = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const DATE = new Intl.DateTimeFormat('en-GB', {dateStyle: 'full', timeStyle: 'medium'});

/** `26 Nov, 09:08`: when, not how long ago, which would not stay true on a page that is left open. */
export function startedWords(seconds: number): string {
  return DAY.format(1000 * seconds);
}

export function startedTitle(seconds: number, elapsedS: number): string {
  const date = DATE.format(1000 * seconds);
  return `First record on ${date}, the last one ${durationWords(elapsedS)} later`;
}

/** `45 s`, `5 min`, `2.5 h`, `3 days`. */
export function durationWords(seconds: number): string {
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 99.5 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${formatNumber(Number((seconds / 3600).toPrecision(2)))} h`;
  return counted(Math.round(seconds / 86400), 'day');
}

/** A loss as a picture so many pixels wide and high. */
export interface Sparkline {
  log: boolean;
  /** An SVG path around what lies between smallest and largest; a line where these are the same. */
  band: string;
  /** Where the loss was not finite. */
  strips: {x: number; width: number}[];
}

const WIDE_SPAN = 30;
/** The height of the strips that tell what was not finite, and of the room below them. */
export const STRIP = 4;
const ROOM = 1;

export function sparkline(curve: LossCurve, width: number, height: number): Sparkline {
  const domain = domainOf(curve);
  const place = positions(domain);
  const [top, bottom] = [STRIP + ROOM, height - ROOM];
  const across = width / Math.max(1, curve.high.length);
  const point = (value: number, index: number): string => {
    const y = bottom - place(value) * (bottom - top);
    return `${tenths(index * across)} ${tenths(y)}`;
  };
  const parts = stretches(curve).map(cells => {
    // A row that is alone has its own width, the others lie between their middles.
    const ends = cells.length === 1 ? [0, 1] : [0.5];
    const at = cells.flatMap(cell => ends.map(end => ({...cell, index: cell.index + end})));
    const there = at.map(({index, high}) => point(high, index));
    const back = at.map(({index, low}) => point(low, index)).reverse();
    return `M${[...there, ...back].join('L')}Z`;
  });
  return {log: domain.scale === 'log', band: parts.join(''), strips: stripsOf(curve, across)};
}

const NOT_FINITE = MARK.nan | MARK.posinf | MARK.neginf;
const LEAST_STRIP = 3;

/** Neighbours as one, and none too narrow to be seen. */
function stripsOf({marks}: LossCurve, across: number): Sparkline['strips'] {
  const bad = marks.map(mark => (mark & NOT_FINITE) !== 0);
  return bad.flatMap((is, first) => {
    if (!is || bad[first - 1]) return [];
    const next = bad.indexOf(false, first);
    const count = (next === -1 ? bad.length : next) - first;
    return [{x: tenths(first * across), width: Math.max(LEAST_STRIP, tenths(count * across))}];
  });
}

interface Cell {
  index: number;
  high: number;
  low: number;
}

/** The rows with a number, in stretches of neighbours. */
function stretches({high, low}: LossCurve): Cell[][] {
  const found: Cell[][] = [];
  let open: Cell[] | null = null;
  for (const [index, most] of high.entries()) {
    const least = low[index];
    if (most === null || least === null) {
      open = null;
      continue;
    }
    if (open === null) found.push((open = []));
    open.push({index, high: most, low: least});
  }
  return found;
}

/** What the picture spans: logarithmic when all is positive and over more than one and a half powers of ten. */
function domainOf(curve: LossCurve): Domain {
  const cells = stretches(curve).flat();
  const low = Math.min(...cells.map(cell => cell.low));
  const high = Math.max(...cells.map(cell => cell.high));
  if (low === high) return {scale: 'linear', low: low - 1, high: high + 1};
  return {scale: low > 0 && high / low > WIDE_SPAN ? 'log' : 'linear', low, high};
}

function tenths(value: number): number {
  return Math.round(10 * value) / 10;
}
