/** What all pictures have: title, key, axis and footer around what they show. Sizes in pixels. Pure. */

import {elide, formatStep, stepWords} from './format.ts';
import {element, escaped, path, svgDocument, textWidth, wrapped} from './svg.ts';
import type {Zoom} from './zoom.ts';

/** Colours of the theme, as CSS has them: a picture knows no variables. */
export interface PictureColors {
  page: string;
  text: string;
  muted: string;
  grid: string;
}

/** All places are parts of the plot: 0 is left or bottom, 1 right or top. What lies beyond is cut off. */
export interface Tick {
  at: number;
  label: string;
}

/** A place on the step axis: a finding stands on a triangle, a restart is dotted, the selected step dashed. */
export interface PictureMark {
  kind: 'finding' | 'restart' | 'step';
  at: number;
  color: string;
  words: string;
}

export interface PictureFrame {
  title: string;
  unit: string;
  /** What a screen reader says of it. */
  description: string;
  /** What the horizontal axis counts. */
  axis: string;
  xTicks: readonly Tick[];
  marks: readonly PictureMark[];
  /** Lines below the plot: gaps, what the band means, what is not drawn. */
  notes: readonly string[];
  footer: string;
  colors: PictureColors;
}

/** The margin of a picture. */
export const PAD = 12;
const FONT = 'Roboto, system-ui, Segoe UI, Helvetica, Arial, sans-serif';
/** The size of most words. */
export const SMALL = 11;

/** A part of the picture, from its top left corner on. */
export interface Block {
  svg: string;
  height: number;
}

/** `run-a, run-b · steps 1–400 · adamax-tb`: where a picture is from. */
export function footerWords(runs: readonly string[], {firstStep, lastStep}: Zoom): string {
  const named = runs.slice(0, 6).map(run => elide(run, 40));
  const more =
    runs.length > named.length ? ` and ${formatStep(runs.length - named.length)} more` : '';
  return [named.join(', ') + more, stepWords(firstStep, lastStep), 'adamax-tb']
    .filter(Boolean)
    .join(' · ');
}

/** The blocks between the title and what stands below them. */
export function framed(picture: PictureFrame, width: number, blocks: readonly Block[]): string {
  const {title, unit, description, notes, footer, colors} = picture;
  const all = [
    titleBlock(title, unit, width, colors),
    ...blocks,
    ...notes.map(note => textBlock(note, width, SMALL, colors.muted)),
    {svg: '', height: footer === '' ? 0 : 4},
    textBlock(footer, width, 10, colors.muted),
  ];
  let y = PAD;
  const content = all.map(({svg, height}) => {
    const transform = `translate(${PAD} ${y})`;
    y += height;
    return svg === '' ? '' : element('g', {transform}, svg);
  });
  const size = {width: width + 2 * PAD, height: Math.ceil(y + PAD)};
  return svgDocument(
    size.width,
    size.height,
    title,
    description,
    {'font-family': FONT, 'font-size': SMALL},
    element('rect', {...size, fill: colors.page}),
    ...content,
  );
}

/** The size of the title as to its room: its letters are bold. */
const TITLE = 15.5;

function titleBlock(title: string, unit: string, width: number, colors: PictureColors): Block {
  const lines = wrapped(title, width, TITLE);
  const last = lines.length - 1;
  const beside = textWidth(`${lines[last]} ${unit}`, TITLE) <= width;
  const heads = lines.map((line, nth) => {
    const more = nth === last && beside && unit !== '' ? unitSpan(unit, colors) : '';
    const head = {y: 13 + 18 * nth, 'font-size': 14, 'font-weight': 'bold', fill: colors.text};
    return element('text', head, escaped(line), more);
  });
  const below = beside ? {svg: '', height: 0} : textBlock(unit, width, 12, colors.muted);
  const height = 18 * lines.length;
  const under = below.svg && element('g', {transform: `translate(0 ${height})`}, below.svg);
  return {svg: heads.join('') + under, height: height + below.height + 6};
}

function unitSpan(unit: string, {muted}: PictureColors): string {
  const attributes = {dx: 6, 'font-size': 12, 'font-weight': 'normal', fill: muted};
  return element('tspan', attributes, escaped(unit));
}

export function textBlock(text: string, width: number, size: number, fill: string): Block {
  if (text === '') return {svg: '', height: 0};
  const lines = wrapped(text, width, size);
  const step = Math.round(size * 1.4);
  const words = lines.map((line, nth) =>
    element('text', {y: size + step * nth, 'font-size': size, fill}, escaped(line)),
  );
  return {svg: words.join(''), height: step * lines.length};
}

/** What a colour or a pattern means: a sample 20 wide and 12 high, and words. */
interface Key {
  sample: string;
  label: string;
}

const KEY_LINE = 18;

/** Keys beside each other, on as many lines as it takes. */
export function keyBlock(keys: readonly Key[], width: number, {text}: PictureColors): Block {
  if (keys.length === 0) return {svg: '', height: 0};
  let [x, y] = [0, 0];
  // Of a name that is wider than the picture the middle is left out.
  const longest = Math.max(8, Math.floor((width - 25) / (0.62 * SMALL)));
  const told = keys.map(key => {
    const {sample} = key;
    const label = elide(key.label, longest);
    const room = 25 + textWidth(label, SMALL);
    if (x > 0 && x + room > width) [x, y] = [0, y + KEY_LINE];
    const transform = `translate(${Math.round(x)} ${y})`;
    x += room + 14;
    const words = element('text', {x: 25, y: 10, fill: text}, escaped(label));
    return element('g', {transform}, sample, words);
  });
  return {svg: told.join(''), height: y + KEY_LINE + 4};
}

/** How far the words of the ticks reach beyond the plot. */
export function overhang(ticks: readonly Tick[], width: number, side: 'left' | 'right'): number {
  return ticks.reduce((most, {at, label}) => {
    const room = width * (side === 'left' ? at : 1 - at);
    return Math.max(most, textWidth(label, SMALL) / 2 - room);
  }, 0);
}

/** The room to the left of a plot: for the labels there, and for what the axis counts. */
export function gutterOf(
  labels: readonly Tick[],
  axis: string,
  xTicks: readonly Tick[],
  width: number,
): number {
  const widest = Math.max(0, ...labels.map(({label}) => textWidth(label, SMALL)));
  const name = textWidth(axis, SMALL) + overhang(xTicks, width, 'left');
  return Math.ceil(Math.max(widest, name) + 8);
}

/** The words below a plot, and the name of the axis to their left. */
export function stepAxis(
  {axis, xTicks, colors: {muted}}: PictureFrame,
  width: number,
  y: number,
): string {
  const left = -8 - overhang(xTicks, width, 'left');
  const ticks = xTicks.map(({at, label}) =>
    element('text', {x: at * width, y, 'text-anchor': 'middle', fill: muted}, escaped(label)),
  );
  const name = element('text', {x: left, y, 'text-anchor': 'end', fill: muted}, escaped(axis));
  return name + ticks.join('');
}

/** What a finding stands on: its tip up, from (x, y) on. */
export function triangle(x: number, y: number, fill: string): string {
  const d = path(
    [
      [x - 5, y],
      [x + 5, y],
      [x, y - 7],
    ],
    true,
  );
  return element('path', {d, fill});
}
