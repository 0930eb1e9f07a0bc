/** The heat map's pixels: steps reduced to pixel columns, and a colour for each. Pure; the canvas is the component's. */

import {NOT_RECORDED, type Table} from './api.ts';
import {inked, MARKS, parseHex, pixel, ramp, VIRIDIS, type Special} from './palette.ts';
import {type Domain, kindOf, positions} from './scale.ts';

/**
 * What is left of `rows` × steps after reduction: per row and pixel column the table row (`winners`) whose value shows.
 * Row after row; -1 where nothing was recorded.
 */
export interface Reduced {
  columns: number;
  rows: number;
  winners: Int32Array;
}

/**
 * Reduces the steps `first` to `last` (exclusive) to at most `pixels` columns: each shows the most alarming of its
 * values (NaN, then ∞, then −∞, then the largest number), so that a spike of one step is always seen.
 */
export function reduce(table: Table, first: number, last: number, pixels: number): Reduced {
  const count = last - first;
  const columns = Math.max(0, Math.min(count, Math.floor(pixels)));
  const rows = table.columns;
  const winners = new Int32Array(rows * columns).fill(-1);
  for (let at = 0; at < columns; at++) {
    const from = first + Math.floor((at * count) / columns);
    const to = first + Math.floor(((at + 1) * count) / columns);
    for (let row = 0; row < rows; row++)
      winners[row * columns + at] = mostAlarming(table, row, from, to);
  }
  return {columns, rows, winners};
}

function mostAlarming(
  {values, bits, columns}: Table,
  row: number,
  from: number,
  to: number,
): number {
  let winner = -1;
  let best = -Infinity;
  for (let step = from; step < to; step++) {
    const at = step * columns + row;
    if (bits[at] === NOT_RECORDED) continue;
    const value = values[at];
    if (value !== value) return step;
    // -∞ outranks every number but not +∞: it counts as the largest double below infinity.
    const rank = value === -Infinity ? Number.MAX_VALUE : value;
    if (winner < 0 || rank > best) {
      winner = step;
      best = rank;
    }
  }
  return winner;
}

const COLORS = ramp(VIRIDIS, 256);

interface Tile {
  mark: Special;
  paper: number;
  ink: number;
}

function tile(mark: Special): Tile {
  return {mark, paper: pixel(parseHex(MARKS[mark].color)), ink: pixel(parseHex(MARKS[mark].ink))};
}

const TILES: Record<Special, Tile> = {
  zero: tile('zero'),
  nan: tile('nan'),
  posinf: tile('posinf'),
  neginf: tile('neginf'),
};

/** Says the colour of a cell: a pixel, a pattern, or null where nothing was recorded and the page shows through. */
export function cellColors(
  domain: Domain | null,
): (value: number, bits: number) => number | Tile | null {
  const position = domain === null ? null : positions(domain);
  const scale = domain?.scale ?? 'log';
  return (value, bits) => {
    const kind = kindOf(value, bits, scale);
    if (kind === 'missing') return null;
    if (kind !== 'number') return TILES[kind];
    return position === null ? null : COLORS[Math.round(position(value) * (COLORS.length - 1))];
  };
}

export interface Canvas {
  width: number;
  height: number;
  rowHeight: number;
  patternSize: number;
}

/** Paints into ImageData's memory, in device pixels. What was not recorded stays transparent. */
export function paint(
  pixels: Uint32Array,
  canvas: Canvas,
  table: Table,
  reduced: Reduced,
  domain: Domain | null,
): void {
  const {width, height, rowHeight, patternSize} = canvas;
  const line = new Uint32Array(width);
  const colorOf = cellColors(domain);
  for (let row = 0; row < reduced.rows; row++) {
    const patterned = colorLine(line, row, table, reduced, colorOf);
    const bottom = Math.min(height, Math.round((row + 1) * rowHeight));
    for (let y = Math.round(row * rowHeight); y < bottom; y++) {
      pixels.set(line, y * width);
      for (const stretch of patterned) ink(pixels, y, width, stretch, patternSize);
    }
  }
}

/** Pixels of a line that have a pattern. */
interface Stretch {
  from: number;
  to: number;
  tile: Tile;
}

/** Fills one line of pixels with the colours of a row; returns what is to be patterned. */
function colorLine(
  line: Uint32Array,
  row: number,
  {values, bits, columns}: Table,
  reduced: Reduced,
  colorOf: ReturnType<typeof cellColors>,
): Stretch[] {
  const scale = line.length / reduced.columns;
  const patterned: Stretch[] = [];
  line.fill(0);
  for (let at = 0; at < reduced.columns; at++) {
    const winner = reduced.winners[row * reduced.columns + at];
    if (winner < 0) continue;
    const cell = winner * columns + row;
    const color = colorOf(values[cell], bits[cell]);
    if (color === null) continue;
    const from = Math.round(at * scale);
    const to = Math.round((at + 1) * scale);
    const paper = typeof color === 'number' ? color : color.paper;
    // Not `line.fill`: most cells are one or two pixels wide, and the call costs more than the loop.
    for (let x = from; x < to; x++) line[x] = paper;
    if (typeof color !== 'number') patterned.push({from, to, tile: color});
  }
  return patterned;
}

function ink(
  pixels: Uint32Array,
  y: number,
  width: number,
  {from, to, tile}: Stretch,
  size: number,
): void {
  const {pattern} = MARKS[tile.mark];
  for (let x = from; x < to; x++) {
    if (inked(pattern, x, y, size)) pixels[y * width + x] = tile.ink;
  }
}
