/** The heat map as a picture: an SVG that stands alone. Pure. */

import {
  framed,
  gutterOf,
  keyBlock,
  overhang,
  SMALL,
  stepAxis,
  textBlock,
  triangle,
  type Block,
  type PictureFrame,
  type PictureColors,
  type PictureMark,
  type Tick,
} from './frame.ts';
import {inked, type Mark} from './palette.ts';
import {element, escaped, path, type Attributes} from './svg.ts';

export interface MapPicture extends PictureFrame {
  /** Of the raster; the picture's size follows. */
  mapWidth: number;
  mapHeight: number;
  /** A PNG as a data URI, transparent where nothing was recorded. */
  raster: string;
  /** The rows that have room for their name, by the middle of the row: 0 is the top here, 1 the bottom. */
  labels: readonly Tick[];
  /** Null when there is no finite number. */
  ramp: {stops: readonly string[]; ticks: readonly Tick[]; words: string} | null;
  specials: readonly Mark[];
}

export function mapSvg(picture: MapPicture): string {
  const {mapWidth, labels, axis, xTicks} = picture;
  const gutter = gutterOf(labels, axis, xTicks, mapWidth);
  const inner = gutter + mapWidth + overhang(xTicks, mapWidth, 'right');
  const {svg, height} = mapBlock(picture);
  const map = {svg: element('g', {transform: `translate(${Math.round(gutter)} 0)`}, svg), height};
  return framed(picture, Math.ceil(inner), [mapKey(picture, inner), map]);
}

/** Room below the map for the triangles of findings. */
const FOOT = 9;

function mapBlock(picture: MapPicture): Block {
  const {mapWidth: width, mapHeight: height, raster, labels, marks, colors, xTicks} = picture;
  const names = labels.map(({at, label}) => {
    const place = {x: -8, y: at * height + 4, 'text-anchor': 'end', fill: colors.text};
    return element('text', place, escaped(label));
  });
  const image = {width, height, preserveAspectRatio: 'none', 'xlink:href': raster};
  const inside = marks.filter(({at}) => at >= 0 && at <= 1);
  const below = inside.filter(({kind}) => kind === 'finding');
  const over = inside.filter(({kind}) => kind !== 'finding');
  const feet = below.map(({at, color, words}) =>
    element('g', {}, element('title', {}, escaped(words)), triangle(at * width, height + 8, color)),
  );
  const ticks = xTicks.map(({at}) => `M${Math.round(at * width)} ${height}v4`).join('');
  const bottom = height + (below.length > 0 ? FOOT : 0) + 16;
  const svg = [
    element('svg', {width, height}, striped(width, height, colors)),
    element('image', {...image, 'image-rendering': 'optimizeSpeed'}),
    element('path', {d: ticks, stroke: colors.muted, fill: 'none'}),
    ...over.map(mark => mapLine(mark, width, height)),
    ...feet,
    ...names,
    stepAxis(picture, width, bottom),
  ];
  return {svg: svg.join(''), height: bottom + 10};
}

/** A line over all rows: black and white at a restart, as no colour of the map is both. */
function mapLine({kind, at, color, words}: PictureMark, width: number, height: number): string {
  const d = path([
    [at * width, 0],
    [at * width, height],
  ]);
  const [under, over] = kind === 'restart' ? ['#fff', '#000'] : ['#000', color];
  const dash = kind === 'restart' ? '4 4' : undefined;
  return element(
    'g',
    {'stroke-width': 2},
    element('title', {}, escaped(words)),
    element('path', {d, stroke: under, 'stroke-width': kind === 'restart' ? 2 : 4}),
    element('path', {d, stroke: over, 'stroke-dasharray': dash}),
  );
}

/** Thin lines that stand back. */
function faint(stroke: string): Attributes {
  return {stroke, 'stroke-opacity': 0.5, fill: 'none'};
}

/** What was not recorded. */
function striped(width: number, height: number, {page, muted}: PictureColors): string {
  const count = Math.ceil((width + height) / 7);
  const lines = Array.from({length: count}, (_, nth) => `M${7 * nth} 0l${-height} ${height}`);
  return (
    element('rect', {width, height, fill: page}) +
    element('path', {d: lines.join(''), ...faint(muted)})
  );
}

function mapKey(picture: MapPicture, width: number): Block {
  const {ramp, specials, marks, colors} = picture;
  const firsts = marks.filter(
    ({words}, nth) => words !== '' && marks.findIndex(mark => mark.words === words) === nth,
  );
  const keys = [
    ...specials.map(special => ({sample: patterned(special, colors), label: special.label})),
    {sample: missingSample(colors), label: 'not recorded'},
    ...firsts.map(mark => ({sample: markSample(mark), label: mark.words})),
  ];
  const scale = rampBlock(ramp, colors);
  const key = keyBlock(keys, width, colors);
  const below = element('g', {transform: `translate(0 ${scale.height})`}, key.svg);
  return {svg: scale.svg + below, height: scale.height + key.height + 2};
}

const RAMP = 240;

function rampBlock(ramp: MapPicture['ramp'], colors: PictureColors): Block {
  if (ramp === null) return textBlock('No finite value', RAMP, SMALL, colors.muted);
  const {stops, ticks, words} = ramp;
  const left = Math.ceil(overhang(ticks, RAMP, 'left'));
  const colorStops = stops.map((color, nth) =>
    element('stop', {
      offset: `${((100 * nth) / (stops.length - 1)).toFixed(2)}%`,
      'stop-color': color,
    }),
  );
  const labels = ticks.map(({at, label}) =>
    element(
      'text',
      {x: at * RAMP, y: 24, 'text-anchor': 'middle', fill: colors.text},
      escaped(label),
    ),
  );
  const beside = RAMP + 12 + overhang(ticks, RAMP, 'right');
  const svg = [
    element('defs', {}, element('linearGradient', {id: 'ramp'}, ...colorStops)),
    element('rect', {width: RAMP, height: 12, fill: 'url(#ramp)'}),
    ...labels,
    element('text', {x: beside, y: 10, fill: colors.muted}, escaped(words)),
  ];
  return {svg: element('g', {transform: `translate(${left} 0)`}, ...svg), height: 32};
}

function framedSample({muted}: PictureColors, fill: string, ink: string): string {
  const frame = {x: 0.5, y: 0.5, width: 19, height: 11};
  return element('rect', {...frame, fill}) + ink + element('rect', {...frame, ...faint(muted)});
}

/** The pattern of the raster, pixel by pixel. */
function patterned({color, ink, pattern}: Mark, colors: PictureColors): string {
  const pixels = Array.from({length: 20 * 12}, (_, nth) => [nth % 20, Math.floor(nth / 20)])
    .filter(([x, y]) => inked(pattern, x, y, 1))
    .map(([x, y]) => `M${x} ${y}h1v1h-1z`);
  return framedSample(colors, color, element('path', {d: pixels.join(''), fill: ink}));
}

function missingSample(colors: PictureColors): string {
  const lines = {d: 'M6 1L1 6M13 1L3 11M19 2L10 11M19 9L17 11', ...faint(colors.muted)};
  return framedSample(colors, colors.page, element('path', lines));
}

function markSample({kind, color}: PictureMark): string {
  if (kind === 'finding') return triangle(14, 10, color);
  return mapLine({kind, at: 0.5, color, words: ''}, 28, 12);
}
