/** The heat map's pixels: rows of the table to stretches of pixels, and a colour for each. Pure; the canvas is the component's. */

import type {Table} from './api.ts';
import {inked, MARKS, parseHex, pixel, ramp, VIRIDIS, type Special} from './palette.ts';
import {positions, type Domain} from './scale.ts';
import {kindOf, rowOf, rowStart, type Kind} from './table.ts';

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
/** Of each code the pixel; what was not recorded is transparent. */
const PAPERS = new Uint32Array(256);
const TILES: (Tile | undefined)[] = [];
PAPERS.set(ramp(VIRIDIS, NUMBERS), FIRST_NUMBER);
for (const special of SPECIALS) {
  const {color, ink, pattern} = MARKS[special];
  PAPERS[CODES[special]] = pixel(parseHex(color));
  TILES[CODES[special]] = {pattern, ink: pixel(parseHex(ink))};
}

/** The codes of a layer over the rows of the table. */
export type Codes = (layer: number) => Uint8Array;

/** Says the codes of each layer, worked out when it is first drawn: a zoom or a scroll back finds them done. */
export function codesOf(table: Table, domain: Domain | null): Codes {
  const rows = table.last.length;
  const position = domain === null ? () => 0 : positions(domain);
  const scale = domain?.scale ?? 'log';
  const done: (Uint8Array | undefined)[] = [];
  const {high, marks, columns} = table;
  const layerCodes = (layer: number): Uint8Array => {
    const codes = new Uint8Array(rows);
    for (let row = 0, at = layer; row < rows; row++, at += columns) {
      const value = high[at];
      const plain = value - value === 0 && (marks === null || marks[at] === 0);
      const kind = plain && (value > 0 || scale === 'linear') ? 'number' : kindOf(table, at, scale);
      codes[row] =
        kind === 'number'
          ? FIRST_NUMBER + Math.round(position(value) * (NUMBERS - 1))
          : CODES[kind];
    }
    return codes;
  };
  return layer => (done[layer] ??= layerCodes(layer));
}

export interface Canvas {
  width: number;
  rowHeight: number;
  patternSize: number;
}

/** Paints the layers `first` to `last` (exclusive) into ImageData's memory, in device pixels. */
export function paint(
  pixels: Uint32Array,
  {width, rowHeight, patternSize}: Canvas,
  codes: Codes,
  stretches: readonly Stretch[],
  first: number,
  last: number,
): void {
  const line = new Uint32Array(width);
  const height = pixels.length / width;
  for (let layer = first; layer < last; layer++) {
    const tiles = colorLine(line, codes(layer), stretches);
    const top = Math.round((layer - first) * rowHeight);
    const bottom = Math.min(height, Math.round((layer + 1 - first) * rowHeight));
    for (let y = top; y < bottom; y++) {
      pixels.set(line, y * width);
      for (const {stretch, tile} of tiles) ink(pixels, y, width, stretch, tile, patternSize);
    }
  }
}

interface Patterned {
  stretch: Stretch;
  tile: Tile;
}

/** Fills one line of pixels with a layer's colours; returns what is to be patterned. */
function colorLine(
  line: Uint32Array,
  codes: Uint8Array,
  stretches: readonly Stretch[],
): Patterned[] {
  const patterned: Patterned[] = [];
  line.fill(0);
  for (const stretch of stretches) {
    const {left, right, from, to} = stretch;
    let code = codes[from];
    for (let row = from + 1; row < to; row++) if (codes[row] > code) code = codes[row];
    const paper = PAPERS[code];
    // Not `line.fill`: most stretches are one or two pixels wide, and the call costs more than the loop.
    for (let x = left; x < right; x++) line[x] = paper;
    const tile = TILES[code];
    if (tile !== undefined) patterned.push({stretch, tile});
  }
  return patterned;
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
