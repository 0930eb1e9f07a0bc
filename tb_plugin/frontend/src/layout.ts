/** Where the heat map's rows and steps lie, in CSS pixels, and back. Pure. */

import type {Table} from './api.ts';
import {linearTicks} from './scale.ts';
import {rowStart} from './table.ts';
import type {Row} from './tree.ts';
import type {Zoom} from './zoom.ts';

/** The steps after `low` up to `high` across `width`, `rows` layers of `rowHeight` downwards. */
export interface Layout {
  low: number;
  high: number;
  width: number;
  rows: number;
  rowHeight: number;
}

const TALLEST_ROW = 20;
const LOWEST_ROW = 3;
const READABLE_ROW = 14;
/** Rows as high as this have a line between them, and show a spike above what was recorded. */
export const GAP_ROW = 8;
/** A row's name: the height of its line, and so many letters at most. */
export const LINE_HEIGHT = 14;
export const LABEL_LENGTH = 32;
/** Room for a step below the map. */
export const TICK_WIDTH = 64;
/** What a map takes of the page: a wanted height, and the most, beyond which its rows scroll. */
const HEIGHTS = {alone: [480, 620], stacked: [340, 360]} as const;

/** Whether a map has the page for itself, or another one below it. */
export type Room = keyof typeof HEIGHTS;

/** Rows share a height that fits the screen, with room for a label each where that fits, too, or `tall` asks for it. */
export function rowHeight(rows: number, tall: boolean, room: Room = 'alone'): number {
  const [wanted, most] = HEIGHTS[room];
  const fitting = Math.floor(wanted / Math.max(1, rows));
  const readable = tall || rows * READABLE_ROW <= most;
  return Math.max(readable ? READABLE_ROW : LOWEST_ROW, Math.min(TALLEST_ROW, fitting));
}

/** What the rows take on the page: no more than the screen has; beyond it they scroll. */
export function mapHeight(rows: number, tall: boolean, room: Room = 'alone'): number {
  return Math.min(HEIGHTS[room][1], rows * rowHeight(rows, tall, room));
}

/** Whether every row has room for its label without `tall`. */
export function labelled(rows: number, room: Room = 'alone'): boolean {
  return rowHeight(rows, false, room) >= READABLE_ROW;
}

/** What a spike takes of a row from its top: all of it where that is too low for more. */
export function crestHeight(height: number): number {
  return height < GAP_ROW ? height : height / 3;
}

/** Rows are drawn in blocks of so many, one more on either side of what is seen: a scroll by less draws nothing. */
const BLOCK = 16;

/** The rows to draw, `first` to `last` (exclusive), when the map is scrolled down by `top`. */
export function rowsInView(
  {rows, rowHeight: height}: Layout,
  top: number,
  mapHeight: number,
): {first: number; last: number} {
  const first = BLOCK * (Math.floor(top / height / BLOCK) - 1);
  const last = BLOCK * (Math.ceil((top + mapHeight) / height / BLOCK) + 1);
  return {first: Math.min(Math.max(0, first), rows), last: Math.min(rows, last)};
}

/** All steps that a table has; a single step when it has no rows. */
export function stepsOf(table: Table): Zoom {
  const rows = table.last.length;
  if (rows === 0) return {firstStep: 1, lastStep: 1};
  return {firstStep: rowStart(table, 0) + 1, lastStep: table.last[rows - 1]};
}

/** The entry recorded at `step`, else the one nearest to it, of two the later; -1 without any. */
export function nearestColumn(steps: ArrayLike<number>, step: number): number {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : high;
}

/** Where a step ends. */
export function stepX({low, high, width}: Layout, step: number): number {
  return ((step - low) / (high - low)) * width;
}

/** The step under x, clamped into the layout. */
export function stepAt({low, high, width}: Layout, x: number): number {
  const step = low + Math.floor((x / width) * (high - low)) + 1;
  return Math.min(high, Math.max(low + 1, step));
}

export function rowY(layout: Layout, row: number): number {
  return row * layout.rowHeight;
}

/** The row under y, clamped into the layout. */
export function rowAt(layout: Layout, y: number): number {
  return Math.min(layout.rows - 1, Math.max(0, Math.floor(y / layout.rowHeight)));
}

/** Where the steps before restarts end, as far as they are in view, two pixels or more apart. */
export function restartEdges(layout: Layout, restarts: readonly number[]): number[] {
  const edges: number[] = [];
  for (const restart of restarts) {
    if (restart <= layout.low || restart > layout.high) continue;
    const x = stepX(layout, restart - 1);
    if (edges.length === 0 || x - edges[edges.length - 1] >= 2) edges.push(x);
  }
  return edges;
}

/** How far a label may hang over the first and the last row: the padding of the map. */
const OVERHANG = 3;

/** The top of a row's label: centred on the row, but inside of the map. */
export function labelTop(row: number, rows: number, height: number, lineHeight: number): number {
  const centred = (row + 0.5) * height - lineHeight / 2;
  return Math.max(-OVERHANG, Math.min(rows * height - lineHeight + OVERHANG, centred));
}

/** The rows that get a label: all, or where there is no room for it blocks, and the first of each layer where these fit. */
export function labelRows(
  rows: readonly Pick<Row, 'kind' | 'depth' | 'leads'>[],
  height: number,
  lineHeight: number,
): number[] {
  if (height >= lineHeight) return [...rows.keys()];
  const tops = rows.map((_, row) => labelTop(row, rows.length, height, lineHeight));
  // Labels at the ends are moved inwards, by no more than a line.
  const near = Math.ceil((2 * lineHeight) / height);
  const taken = new Set<number>();
  const place = (row: number): void => {
    for (let other = row - near; other <= row + near; other++)
      if (taken.has(other) && Math.abs(tops[other] - tops[row]) < lineHeight) return;
    taken.add(row);
  };
  const rankOf = (row: number): number => (rows[row].kind === 'block' ? rows[row].depth : Infinity);
  const leading = [...rows.keys()].filter(row => rows[row].leads);
  for (const row of leading.sort((one, other) => rankOf(one) - rankOf(other) || one - other))
    place(row);
  return [...taken].sort((one, other) => one - other);
}

/** How far to scroll so that a row is in view: to where it is now, if it is. */
export function scrolledTo(
  {rowHeight: height}: Layout,
  row: number,
  top: number,
  mapHeight: number,
): number {
  const [above, below] = [row * height, (row + 1) * height];
  if (above < top) return above;
  return below > top + mapHeight ? below - mapHeight : top;
}

/** The steps at which the axis is labelled: round ones, about `labelWidth` apart, with room for the label. */
export function axisSteps(layout: Layout, labelWidth: number): number[] {
  const {low, high, width} = layout;
  const ticks = linearTicks(low, high, Math.max(1, width / labelWidth));
  const steps = ticks.filter(step => Number.isInteger(step) && step > low);
  const room = labelWidth / 3;
  const inside = steps.filter(step => {
    const x = stepMiddle(layout, step);
    return x >= room && x <= width - room;
  });
  return [inside, steps].find(found => found.length > 0) ?? [high];
}

/** The middle of a step, or of as much of it as can be told apart. */
export function stepMiddle(layout: Layout, step: number): number {
  return (stepX(layout, step - 1) + stepX(layout, step)) / 2;
}
