/** A line chart as a picture: an SVG that stands alone and looks like the chart on the page. Pure. */

import {elide} from './format.ts';
import {
  framed,
  gutterOf,
  keyBlock,
  overhang,
  PAD,
  stepAxis,
  triangle,
  type Block,
  type PictureFrame,
  type PictureColors,
  type PictureMark,
  type Tick,
} from './frame.ts';
import {element, escaped, path, textWidth} from './svg.ts';

/** A line; it has a gap where x is NaN or y is null. */
export interface PictureLine {
  /** Its words in the key; lines with the same have one entry, lines without none. */
  label: string;
  color: string;
  width: number;
  dash?: string | undefined;
  x: ArrayLike<number>;
  y: ArrayLike<number | null>;
  band?: {low: ArrayLike<number | null>; high: ArrayLike<number | null>} | undefined;
}

/** What is no point of a line, along the edge of the plot, the `nth` strip from there. */
export interface PictureStrip {
  from: number;
  to: number;
  color: string;
  edge: 'top' | 'bottom';
  nth: number;
  words: string;
}

interface Range {
  from: number;
  to: number;
  words: string;
}

export interface ChartPicture extends PictureFrame {
  /** Of all of the picture; its height follows from the plot's and the words around it. */
  width: number;
  plotHeight: number;
  yTicks: readonly Tick[];
  lines: readonly PictureLine[];
  strips: readonly PictureStrip[];
  /** Stretches of the axis where steps are left out. */
  breaks: readonly {from: number; to: number}[];
  /** The usual values, shaded. */
  range: Range | null;
}

const STRIP = 4;

export function chartSvg(picture: ChartPicture): string {
  const {width, lines, colors} = picture;
  const seen = new Set<string>();
  const keys = lines.flatMap(line => {
    if (line.label === '' || seen.has(line.label)) return [];
    seen.add(line.label);
    const {color: stroke, dash} = line;
    const sample = {d: 'M0 6H20', stroke, 'stroke-width': 2, 'stroke-dasharray': dash};
    return [{sample: element('path', sample), label: line.label}];
  });
  const inner = width - 2 * PAD;
  return framed(picture, inner, [keyBlock(keys, inner, colors), plotBlock(picture, inner)]);
}

function plotBlock(picture: ChartPicture, outer: number): Block {
  const {yTicks, xTicks, axis, plotHeight: height, colors} = picture;
  const gutter = gutterOf(yTicks, axis, xTicks, outer);
  const width = Math.floor(outer - gutter - Math.max(4, overhang(xTicks, outer, 'right')));
  const labels = yTicks.map(({at, label}) => {
    const place = {x: -8, y: (1 - at) * height + 4, 'text-anchor': 'end', fill: colors.muted};
    return element('text', place, escaped(label));
  });
  const grid = [
    ...xTicks.map(({at}) => `M${Math.round(at * width)} 0V${height + 4}`),
    ...yTicks.map(({at}) => `M-4 ${Math.round((1 - at) * height)}H${width}`),
  ].join('');
  const svg = element(
    'g',
    {transform: `translate(${gutter} 6)`},
    breakRects(picture, width),
    element('path', {d: grid, stroke: colors.grid, fill: 'none'}),
    ...labels,
    stepAxis(picture, width, height + 18),
    // A picture in the picture cuts off what lies beyond it.
    element('svg', {width, height}, plotted(picture, width)),
  );
  return {svg, height: height + 32};
}

function breakRects({breaks, plotHeight: height, colors}: ChartPicture, width: number): string {
  const rects = breaks.map(({from, to}) => {
    const [left, right] = [from, to].map(at => Math.min(1, Math.max(0, at)) * width);
    return element('rect', {x: left, width: right - left, height, fill: colors.grid});
  });
  return rects.join('');
}

function plotted(picture: ChartPicture, width: number): string {
  const {lines, strips, marks, range, plotHeight: height, colors} = picture;
  const taken = strips.reduce(
    (most, {edge, nth}) => (edge === 'top' ? Math.max(most, nth + 1) : most),
    0,
  );
  return [
    range === null ? '' : rangeRect(range, width, height, colors),
    ...lines.map(line => bandOf(line, width, height)),
    ...lines.map(line => lineOf(line, width, height)),
    ...strips.map(strip => stripRect(strip, width, height)),
    ...marks.map(mark => markLine(mark, width, height)),
    range === null ? '' : rangeWords(range, width, height, colors),
    ...markWords(marks, width, taken * (STRIP + 1), colors),
  ].join('');
}

function rangeRect(
  {from, to}: Range,
  width: number,
  height: number,
  colors: PictureColors,
): string {
  const top = (1 - Math.min(1, to)) * height;
  const bottom = (1 - Math.max(0, from)) * height;
  if (!(bottom > top)) return '';
  const shade = {y: top, width, height: bottom - top, fill: colors.muted, 'fill-opacity': 0.12};
  return element('rect', shade);
}

/** At its lower right, or above it where it is too low for words. */
function rangeWords(
  {from, to, words}: Range,
  width: number,
  height: number,
  colors: PictureColors,
): string {
  const top = (1 - Math.min(1, to)) * height;
  const bottom = (1 - Math.max(0, from)) * height;
  if (!(bottom > top)) return '';
  const y = bottom - top >= 16 ? bottom - 4 : Math.max(10, top - 4);
  return haloed(words, width - 4, y, 'end', colors.muted, colors);
}

/** Words that can be read over lines. */
function haloed(
  words: string,
  x: number,
  y: number,
  anchor: 'start' | 'end',
  fill: string,
  {page}: PictureColors,
): string {
  if (words === '') return '';
  const place = {x, y, 'text-anchor': anchor, 'font-size': 10};
  const halo = {stroke: page, 'stroke-width': 3, 'stroke-linejoin': 'round', fill: page};
  const text = escaped(words);
  // Twice: SVG 1.1 has no way to put the stroke of words behind them.
  return (
    element('text', {...place, ...halo, 'aria-hidden': 'true'}, text) +
    element('text', {...place, fill}, text)
  );
}

/** Where all of the columns have a number: first index and the one after the last. */
function stretchesOf(columns: readonly ArrayLike<number | null>[]): [from: number, to: number][] {
  const stretches: [number, number][] = [];
  const has = (index: number): boolean =>
    columns.every(column => column[index] !== null && Number.isFinite(column[index]));
  for (let index = 0, from = -1; index <= columns[0].length; index++) {
    const inside = index < columns[0].length && has(index);
    if (inside && from < 0) from = index;
    if (inside || from < 0) continue;
    stretches.push([from, index]);
    from = -1;
  }
  return stretches;
}

type Corner = readonly [x: number, y: number];

function corners(
  x: ArrayLike<number>,
  y: ArrayLike<number | null>,
  [from, to]: readonly [from: number, to: number],
  width: number,
  height: number,
): Corner[] {
  return Array.from({length: to - from}, (_, nth) => [
    x[from + nth] * width,
    (1 - (y[from + nth] ?? 0)) * height,
  ]);
}

function lineOf(
  {x, y, color, width: stroke, dash}: PictureLine,
  width: number,
  height: number,
): string {
  const stretches = stretchesOf([x, y]).map(stretch => corners(x, y, stretch, width, height));
  const d = stretches
    .filter(({length}) => length > 1)
    .map(line => path(line))
    .join('');
  const style = {stroke: color, 'stroke-width': stroke, 'stroke-dasharray': dash};
  const round = {'stroke-linejoin': 'round', fill: 'none'};
  const alone = stretches.filter(({length}) => length === 1);
  // A line that is one point alone is to be seen.
  const r = stretches.length === 1 ? 4 : 2;
  const dots = alone.map(([[cx, cy]]) => element('circle', {cx, cy, r, fill: color}));
  return (d === '' ? '' : element('path', {d, ...style, ...round})) + dots.join('');
}

function bandOf({x, band, color}: PictureLine, width: number, height: number): string {
  if (band === undefined) return '';
  const {low, high} = band;
  const areas = stretchesOf([x, low, high]).map(stretch => {
    const top = corners(x, high, stretch, width, height);
    const bottom = corners(x, low, stretch, width, height).reverse();
    const d = path([...top, ...bottom], top.length > 1);
    if (top.length > 1) return element('path', {d, fill: color, 'fill-opacity': 0.2});
    return element('path', {d, stroke: color, 'stroke-width': 3, 'stroke-opacity': 0.2});
  });
  return areas.join('');
}

function stripRect(
  {from, to, color, edge, nth, words}: PictureStrip,
  width: number,
  height: number,
): string {
  const offset = nth * (STRIP + 1);
  const rect = {
    x: from * width - 1,
    y: edge === 'top' ? offset : height - STRIP - offset,
    width: Math.max(3, (to - from) * width + 2),
    height: STRIP,
    fill: color,
  };
  return element('rect', rect, element('title', {}, escaped(words)));
}

const DASHES: Readonly<Record<PictureMark['kind'], string | undefined>> = {
  finding: undefined,
  restart: '3 3',
  step: '4 3',
};

function markLine({kind, at, color, words}: PictureMark, width: number, height: number): string {
  const x = at * width;
  const style = {
    stroke: color,
    'stroke-width': kind === 'step' ? 1.5 : 1,
    'stroke-dasharray': DASHES[kind],
  };
  const foot = kind === 'finding' ? triangle(x, height, color) : '';
  const line = element('path', {
    d: path([
      [x, 0],
      [x, height],
    ]),
    ...style,
  });
  return element('g', {}, element('title', {}, escaped(words)), line, foot);
}

const WORD_LINE = 13;
const WORD_LINES = 3;

/** The words of marks beside their lines, each on the first of three lines that has room for it, else on none. */
function markWords(
  marks: readonly PictureMark[],
  width: number,
  top: number,
  colors: PictureColors,
): string[] {
  const taken: [line: number, from: number, to: number][] = [];
  return marks.map(({at, color, words}) => {
    if (words === '' || at < 0 || at > 1) return '';
    const shown = elide(words, 40);
    const room = textWidth(shown, 10) + 4;
    const right = at * width + 4 + room <= width;
    const from = right ? at * width + 4 : at * width - 4 - room;
    const free = (line: number): boolean =>
      !taken.some(other => other[0] === line && other[1] < from + room && from < other[2]);
    const line = Array.from({length: WORD_LINES}, (_, nth) => nth).find(free);
    if (line === undefined || from < 0) return '';
    taken.push([line, from, from + room]);
    const x = right ? from : from + room;
    return haloed(shown, x, top + 10 + line * WORD_LINE, right ? 'start' : 'end', color, colors);
  });
}
