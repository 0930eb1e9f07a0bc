/** The heat map's pixels: rows of the table to stretches of pixels, and a colour for each. Pure; the canvas is the component's. */

import type {Table} from './api.ts';
import {DIVERGING, inked, MARKS, parseHex, pixel, ramp, VIRIDIS, type Special} from './palette.ts';
import {positions, type Domain} from './scale.ts';
import type {Spikes} from './spikes.ts';
import {kindOf, rowOf, rowStart, type Kind} from './table.ts';
import type {Row} from './tree.ts';

/** Pixels `left` to `right` (exclusive) of a line, which show the table's rows `from` to `to` (exclusive). */
export interface Stretch {
  left: number;
  right: number;
  from: number;
  to: number;
}

/**
 * Lays a table's rows across `pixels`, the steps from `low` to `high`. A row covers the steps since the row before,
 * and at least one pixel; rows that share a pixel are in one stretch. Where there is no row, there is no stretch.
 */
export function stretchesOf(table: Table, low: number, high: number, pixels: number): Stretch[] {
  const rows = table.last.length;
  const scale = pixels / (high - low);
  const from = new Int32Array(pixels).fill(-1);
  const to = new Int32Array(pixels);
  for (let row = Math.max(0, rowOf(table, low + 0.5)); row < rows; row++) {
    const start = rowStart(table, row);
    if (start >= high) break;
    if (table.last[row] <= low) continue;
    const left = Math.min(pixels - 1, Math.max(0, Math.round((start - low) * scale)));
    const right = Math.max(left + 1, Math.round((table.last[row] - low) * scale));
    for (let x = left; x < right && x < pixels; x++) {
      if (from[x] < 0) from[x] = row;
      to[x] = row + 1;
    }
  }
  return joinedPixels(from, to);
}

function joinedPixels(from: Int32Array, to: Int32Array): Stretch[] {
  const stretches: Stretch[] = [];
  for (let left = 0, x = 1; x <= from.length; x++) {
    if (from[x] === from[left] && to[x] === to[left]) continue;
    if (from[left] >= 0) stretches.push({left, right: x, from: from[left], to: to[left]});
    left = x;
  }
  return stretches;
}

/** Colours as codes in order of alarm, so that of several cells the highest code is the one to show. */
const CODES: Record<Exclude<Kind, 'number'>, number> = {
  missing: 0,
  zero: 1,
  neginf: 252,
  posinf: 253,
  nan: 254,
};
const FIRST_NUMBER = CODES.zero + 1;
const NUMBERS = CODES.neginf - FIRST_NUMBER;

interface Tile {
  pattern: (typeof MARKS)[Special]['pattern'];
  ink: number;
}

const SPECIALS: readonly Special[] = ['zero', 'neginf', 'posinf', 'nan'];
const TILES: (Tile | undefined)[] = [];
for (const special of SPECIALS) {
  const {ink, pattern} = MARKS[special];
  TILES[CODES[special]] = {pattern, ink: pixel(parseHex(ink))};
}

/**
 * What is alarming about a number. `size`: the larger it is, in viridis. `difference`: the farther it is from the middle
 * of the domain, to either side, in a palette that is pale there.
 */
export type Scheme = 'size' | 'difference';

/** Of each code the pixel; what was not recorded is transparent. */
const PAPERS: Record<Scheme, Uint32Array> = {
  size: papersOf(ramp(VIRIDIS, NUMBERS)),
  difference: papersOf(outwards(ramp(DIVERGING, NUMBERS))),
};

function papersOf(numbers: Uint32Array): Uint32Array {
  const papers = new Uint32Array(256);
  papers.set(numbers, FIRST_NUMBER);
  for (const special of SPECIALS) papers[CODES[special]] = pixel(parseHex(MARKS[special].color));
  return papers;
}

/** The colours in the order of the codes of differences: from the middle out, of each two the lower one first. */
function outwards(colors: Uint32Array): Uint32Array {
  const half = NUMBERS / 2;
  return colors.map((_, at) => colors[at % 2 === 0 ? half - 1 - at / 2 : half + (at - 1) / 2]);
}

/** The codes of numbers between 0 and 1 on the domain. */
const NUMBER_CODES: Record<Scheme, (at: number) => number> = {
  size: at => FIRST_NUMBER + Math.round(at * (NUMBERS - 1)),
  difference: at => {
    const out = Math.round(Math.abs(2 * at - 1) * (NUMBERS / 2 - 1));
    return FIRST_NUMBER + 2 * out + (at < 0.5 ? 0 : 1);
  },
};

/** The codes of the variables of a row, the most alarming of each of the table's rows. */
export type Codes = (columns: Row['columns']) => Uint8Array;

/** Says the codes of each row, worked out when it is first drawn: a zoom or a scroll back finds them done. */
export function codesOf(table: Table, domain: Domain | null, scheme: Scheme = 'size'): Codes {
  const rows = table.last.length;
  const position = domain === null ? () => 0 : positions(domain);
  const codeOf = NUMBER_CODES[scheme];
  const scale = domain?.scale ?? 'log';
  const {high, marks, columns} = table;
  return together(rows, layer => {
    const codes = new Uint8Array(rows);
    for (let row = 0, at = layer; row < rows; row++, at += columns) {
      const value = high[at];
      const plain = value - value === 0 && (marks === null || marks[at] === 0);
      const kind = plain && (value > 0 || scale === 'linear') ? 'number' : kindOf(table, at, scale);
      codes[row] = kind === 'number' ? codeOf(position(value)) : CODES[kind];
    }
    return codes;
  });
}

/** The codes of the peaks where there is a spike, and 0 elsewhere. */
export function spikeCodesOf(table: Table, spikes: Spikes, domain: Domain | null): Codes {
  const position = domain === null ? () => 0 : positions(domain);
  return together(table.last.length, layer => {
    const codes = new Uint8Array(table.last.length);
    for (const {row, peak} of spikes.get(layer) ?? []) {
      if (Number.isNaN(peak)) codes[row] = CODES.nan;
      else codes[row] = peak === Infinity ? CODES.posinf : NUMBER_CODES.size(position(peak));
    }
    return codes;
  });
}

/** Puts layers that share a row together, each of which is worked out once. */
function together(rows: number, layerCodes: (layer: number) => Uint8Array): Codes {
  const layers: (Uint8Array | undefined)[] = [];
  const shared = new WeakMap<Row['columns'], Uint8Array>();
  const nothing = new Uint8Array(rows);
  const codesOfLayer = (layer: number): Uint8Array => (layers[layer] ??= layerCodes(layer));
  return columns => {
    if (columns.length === 0) return nothing;
    if (columns.length === 1) return codesOfLayer(columns[0]);
    const known = shared.get(columns);
    if (known !== undefined) return known;
    const most = new Uint8Array(rows);
    for (const column of columns) {
      const codes = codesOfLayer(column);
      for (let row = 0; row < rows; row++) if (codes[row] > most[row]) most[row] = codes[row];
    }
    shared.set(columns, most);
    return most;
  };
}

export interface Canvas {
  width: number;
  rowHeight: number;
  patternSize: number;
  /** How much of a row a spike takes from its top; all of it where that is too low. */
  crest: number;
}

/** What a map shows: the codes of its cells, of its spikes, and what the codes of its numbers mean. */
export interface Picture {
  codes: Codes;
  spikes: Codes | null;
  scheme: Scheme;
}

/** The line below a spike, of a cell's own colour: darker, so that it is seen where the two are much alike. */
function shaded(paper: number): number {
  return (0xff000000 | ((paper >>> 1) & 0x7f7f7f)) >>> 0;
}

/** Paints the rows into ImageData's memory, in device pixels, the first at its top. */
export function paint(
  pixels: Uint32Array,
  {width, rowHeight, patternSize, crest}: Canvas,
  {codes, spikes, scheme}: Picture,
  stretches: readonly Stretch[],
  rows: readonly Pick<Row, 'columns'>[],
): void {
  const line = new Uint32Array(width);
  const height = pixels.length / width;
  const papers = PAPERS[scheme];
  rows.forEach(({columns}, row) => {
    const cells = codes(columns);
    const tiles = colorLine(line, cells, stretches, papers);
    const top = Math.round(row * rowHeight);
    const bottom = Math.min(height, Math.round((row + 1) * rowHeight));
    for (let y = top; y < bottom; y++) {
      pixels.set(line, y * width);
      for (const {stretch, tile} of tiles) ink(pixels, y, width, stretch, tile, patternSize);
    }
    if (spikes === null) return;
    const end = Math.min(bottom, top + crest);
    for (const {stretch, code, below} of crestsOf(cells, spikes(columns), stretches)) {
      const {left, right} = stretch;
      const tile = TILES[code];
      for (let y = top; y < end; y++) {
        pixels.fill(papers[code], y * width + left, y * width + right);
        if (tile !== undefined) ink(pixels, y, width, stretch, tile, patternSize);
      }
      for (let y = end; y < Math.min(bottom, end + patternSize); y++)
        pixels.fill(shaded(papers[below]), y * width + left, y * width + right);
    }
  });
}

interface Patterned {
  stretch: Stretch;
  tile: Tile;
}

/** Fills one line of pixels with a row's colours; returns what is to be patterned. */
function colorLine(
  line: Uint32Array,
  codes: Uint8Array,
  stretches: readonly Stretch[],
  papers: Uint32Array,
): Patterned[] {
  const patterned: Patterned[] = [];
  line.fill(0);
  for (const stretch of stretches) {
    const {left, right} = stretch;
    const code = mostOf(codes, stretch);
    const paper = papers[code];
    // Not `line.fill`: most stretches are one or two pixels wide, and the call costs more than the loop.
    for (let x = left; x < right; x++) line[x] = paper;
    const tile = TILES[code];
    if (tile !== undefined) patterned.push({stretch, tile});
  }
  return patterned;
}

/** The highest code of a stretch. */
function mostOf(codes: Uint8Array, {from, to}: Stretch): number {
  let code = codes[from];
  for (let row = from + 1; row < to; row++) if (codes[row] > code) code = codes[row];
  return code;
}

/** The spikes to be seen: those that are more alarming than what their stretch shows anyway. */
function crestsOf(cells: Uint8Array, spikes: Uint8Array, stretches: readonly Stretch[]): Crest[] {
  const crests: Crest[] = [];
  for (const stretch of stretches) {
    const code = mostOf(spikes, stretch);
    const below = code === 0 ? 0 : mostOf(cells, stretch);
    if (code > below) crests.push({stretch, code, below});
  }
  return crests;
}

/** A spike, and the code of what is below it. */
interface Crest {
  stretch: Stretch;
  code: number;
  below: number;
}

/** Of the table's rows that share a stretch the first that shows a spike there; -1 for none. */
export function crestRow(
  {codes, spikes}: Picture,
  columns: Row['columns'],
  stretch: Stretch,
): number {
  if (spikes === null) return -1;
  const peaks = spikes(columns);
  const code = mostOf(peaks, stretch);
  return code > mostOf(codes(columns), stretch) ? peaks.indexOf(code, stretch.from) : -1;
}

function ink(
  pixels: Uint32Array,
  y: number,
  width: number,
  {left, right}: Stretch,
  tile: Tile,
  size: number,
): void {
  for (let x = left; x < right; x++) {
    if (inked(tile.pattern, x, y, size)) pixels[y * width + x] = tile.ink;
  }
}
