/** A heat map as it is on the page, as what a picture of it is drawn from: its words, places and pixels. Pure. */

import type {Run, Scale, Table} from './api.ts';
import {mixed, type ChartColors} from './chartpicture.ts';
import {causeMarks} from './flight.ts';
import {elide, formatNumber, formatStep, stepWords} from './format.ts';
import {footerWords, type PictureMark, type Tick} from './frame.ts';
import {
  axisSteps,
  crestHeight,
  GAP_ROW,
  LABEL_LENGTH,
  labelRows,
  labelTop,
  LINE_HEIGHT,
  restartEdges,
  stepMiddle,
  TICK_WIDTH,
  type Layout,
} from './layout.ts';
import type {MapPicture} from './mapPicture.ts';
import {DIVERGING, MARKS, parseHex, pixel, VIRIDIS, type Special} from './palette.ts';
import {named} from './plain.ts';
import {codesOf, paint, spikeCodesOf, stretchesOf, type Scheme} from './raster.ts';
import {positions, valueTicks, type Domain} from './scale.ts';
import {SPIKE, type Spikes} from './spikes.ts';
import {labelsWithin, type Row} from './tree.ts';
import type {Zoom} from './zoom.ts';

/** What the maps of a section have in common. */
export interface MapFrame {
  /** Of the statistic. */
  label: string;
  unit: string;
  scale: Scale;
  domain: Domain | null;
  /** Whether the domain is that of the window, not of the whole runs. */
  fitted: boolean;
  rows: readonly Row[];
  rowHeight: number;
  window: Zoom;
  step: number | null;
}

export interface MapView extends MapFrame {
  /** The run whose findings and restarts are marked. */
  run: Run;
  /** What it is held against; null for a map of the run alone. */
  other: Run | null;
  table: Table;
  spikes: Spikes | null;
  /** Of the plot, in CSS pixels. */
  width: number;
  colors: ChartColors;
}

const ODD: readonly Special[] = ['nan', 'posinf', 'neginf'];

/** What the legend names beside the numbers: zero where the scale has no place for it. */
export function specialsOf(scale: Scale): readonly Special[] {
  return scale === 'linear' ? ODD : ['zero', ...ODD];
}

/** Said of colours that span the window alone. */
export const FITTED = 'fitted to the steps shown';

/** How far the colours of a difference reach: `10 times`, or a number on a linear scale. */
export function spanWords({high}: Domain, scale: Scale): string {
  const span = Number((scale === 'log' ? 10 ** high : high).toPrecision(2));
  return scale === 'log' ? `${formatNumber(span)} times` : formatNumber(span);
}

export function mapPicture(view: MapView, raster: string): MapPicture {
  const {label, unit, run, other, window, colors} = view;
  const layout = layoutOf(view);
  const {width: mapWidth, rows, rowHeight} = layout;
  const {page, text, muted, grid} = colors;
  const of = `of ${named(run.name)}`;
  const against = other === null ? of : `${of} against ${named(other.name)}`;
  const when = stepWords(window.firstStep, window.lastStep);
  const shown = other === null ? [run.name] : [run.name, other.name];
  return {
    title: `${label} ${against}`,
    unit: other === null ? unit : '',
    description: `${label} ${against}: ${rows} rows over ${when}`,
    axis: 'step',
    mapWidth,
    mapHeight: rows * rowHeight,
    raster,
    labels: labelsOf(view),
    xTicks: axisSteps(layout, TICK_WIDTH).map(step => ({
      at: stepMiddle(layout, step) / mapWidth,
      label: formatStep(step),
    })),
    ramp: rampOf(view),
    specials: specialsOf(other === null ? view.scale : 'linear').map(special => MARKS[special]),
    marks: marksOf(view, layout),
    notes: notesOf(view),
    footer: footerWords(shown, window),
    colors: {page, text, muted, grid},
  };
}

/** The bytes of the map's image, row after row; what was not recorded is transparent. */
export function mapPixels(view: MapView): Uint8ClampedArray<ArrayBuffer> {
  const {table, spikes, domain, rows, rowHeight, colors, other} = view;
  const scheme: Scheme = other === null ? 'size' : 'difference';
  const {low, high, width} = layoutOf(view);
  const pixels = new Uint32Array(width * rows.length * rowHeight);
  const crest = Math.round(crestHeight(rowHeight));
  const picture = {
    codes: codesOf(table, domain, scheme),
    spikes: spikes === null ? null : spikeCodesOf(table, spikes, domain),
    scheme,
  };
  const stretches = stretchesOf(table, low, high, width);
  paint(pixels, {width, rowHeight, patternSize: 1, crest}, picture, stretches, rows);
  if (rowHeight >= GAP_ROW) {
    const gap = pixel(parseHex(mixed(colors.page, colors.page, 1)));
    for (let end = rowHeight; end < rows.length * rowHeight; end += rowHeight)
      pixels.fill(gap, (end - 1) * width, end * width);
  }
  return new Uint8ClampedArray(pixels.buffer);
}

function layoutOf({window, width, rows, rowHeight}: MapView): Layout {
  const {firstStep, lastStep} = window;
  return {low: firstStep - 1, high: lastStep, width, rows: rows.length, rowHeight};
}

function labelsOf({rows, rowHeight}: MapView): Tick[] {
  const line = Math.max(LINE_HEIGHT, rowHeight);
  const labelled = labelRows(rows, rowHeight, LINE_HEIGHT);
  const labels = labelsWithin(rows, new Set(labelled));
  return labelled.map(row => ({
    at: (labelTop(row, rows.length, rowHeight, line) + line / 2) / (rows.length * rowHeight),
    label: elide(labels(row).label, LABEL_LENGTH),
  }));
}

function rampOf({domain, scale, run, other, fitted}: MapView): MapPicture['ramp'] {
  if (domain === null) return null;
  if (other === null) {
    const at = positions(domain);
    const ticks = valueTicks(domain, 6).map(value => ({
      at: at(value),
      label: formatNumber(value),
    }));
    const words = [domain.scale === 'log' ? 'log scale' : '', fitted ? FITTED : ''];
    return {stops: VIRIDIS, ticks, words: words.filter(Boolean).join(', ')};
  }
  const most = spanWords(domain, scale);
  const ticks = [`${most} smaller`, 'equal', `${most} larger`].map((label, nth) => ({
    at: nth / 2,
    label,
  }));
  const words = `in ${named(run.name)} than in ${named(other.name)}${fitted ? `, ${FITTED}` : ''}`;
  return {stops: DIVERGING, ticks, words};
}

/** So many findings are told apart in the key. */
const MOST_TOLD = 8;

/** The restarts, where findings begin, and the selected step, as far as they are in the window. */
function marksOf({run, step, window, colors}: MapView, layout: Layout): PictureMark[] {
  const inside = (at: number): boolean => window.firstStep <= at && at <= window.lastStep;
  const part = (at: number): number => stepMiddle(layout, at) / layout.width;
  const found = causeMarks(run, null).filter(({step: at}) => inside(at));
  const accent = {color: colors.accent, kind: 'step'} as const;
  return [
    ...restartEdges(layout, run.restarts).map((x): PictureMark => ({
      kind: 'restart',
      at: x / layout.width,
      color: colors.muted,
      words: 'restart',
    })),
    ...found.map(({step: at, severity, words}, nth): PictureMark => ({
      kind: 'finding',
      at: part(at),
      color: colors[severity],
      words: nth < MOST_TOLD ? words : 'more findings',
    })),
    ...(step !== null && inside(step)
      ? [{...accent, at: part(step), words: stepWords(step, step)}]
      : []),
  ];
}

function notesOf({spikes, rowHeight, other}: MapView): string[] {
  const where = rowHeight < GAP_ROW ? 'A brighter cell may be' : 'The upper third of a cell may be';
  const spiked = `${where} a spike between two records, at least ${SPIKE} times what was recorded.`;
  const odd = 'NaN and ∞ are in either run; not recorded means not in both.';
  return [...(spikes === null ? [] : [spiked]), ...(other === null ? [] : [odd])];
}

/** The statistic of a difference as the CSV has it: `gradient_norm, log10 of a over b`. */
export function differenceName(statistic: string, scale: Scale, one: Run, other: Run): string {
  return scale === 'log'
    ? `${statistic}, log10 of ${one.name} over ${other.name}`
    : `${statistic}, ${one.name} minus ${other.name}`;
}

/** The variables of a run, which are the columns of its tables. */
export function columnsOf({layers}: Pick<Run, 'layers'>): {layer: string; column: number}[] {
  return layers.map(({name: layer}, column) => ({layer, column}));
}

/** The columns of a run's tables, by the name of the variable. */
export function columnsByName({layers}: Pick<Run, 'layers'>): ReadonlyMap<string, number> {
  return new Map(layers.map(({name}, at) => [name, at]));
}

/** Of each row of a run the columns that another run has for it. */
export function columnsIn(other: Run, {layers}: Run, rows: readonly Row[]): number[][] {
  const columns = columnsByName(other);
  return rows.map(row =>
    row.columns
      .map(column => columns.get(layers[column].name))
      .filter(column => column !== undefined),
  );
}

/** The rows of a run as they are in another one. */
export function rowsIn(other: Run, run: Run, rows: readonly Row[]): Row[] {
  const columns = columnsIn(other, run, rows);
  return rows.map((row, at) => ({...row, columns: columns[at]}));
}
