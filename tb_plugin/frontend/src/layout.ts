/** Where the heat map's rows and columns lie, in CSS pixels, and back. Pure. */

import type {Layer} from './api.ts';
import {linearTicks} from './scale.ts';

/** Columns `first` to `last` (exclusive) of the table across `width`, `rows` rows of `rowHeight` downwards. */
export interface Layout {
  first: number;
  last: number;
  width: number;
  rows: number;
  rowHeight: number;
}

export interface Zoom {
  firstStep: number;
  lastStep: number;
}

const TALLEST_ROW = 20;
const LOWEST_ROW = 3;
const READABLE_ROW = 14;
const WANTED_HEIGHT = 480;
const HIGHEST_MAP = 620;

/** Rows share a height that fits the screen, unless `tall` asks for rows that have room for a label each. */
export function rowHeight(rows: number, tall: boolean): number {
  const fitting = Math.floor(WANTED_HEIGHT / Math.max(1, rows));
  return Math.max(tall ? READABLE_ROW : LOWEST_ROW, Math.min(TALLEST_ROW, fitting));
}

/** What the rows take on the page: no more than the screen has; beyond it they scroll. */
export function mapHeight(rows: number, tall: boolean): number {
  return Math.min(HIGHEST_MAP, rows * rowHeight(rows, tall));
}

/** Whether every row has room for its label without `tall`. */
export function labelled(rows: number): boolean {
  return rowHeight(rows, false) >= READABLE_ROW;
}

/** The columns whose steps lie in the zoom: all of them without one, at least one with one. */
export function columnsIn(steps: Float64Array, zoom: Zoom | null): {first: number; last: number} {
  if (zoom === null || steps.length === 0) return {first: 0, last: steps.length};
  const first = nearestColumn(steps, zoom.firstStep);
  return {first, last: Math.max(first, nearestColumn(steps, zoom.lastStep)) + 1};
}

/** The column recorded at `step`, else the one nearest to it, of two the later; -1 without any. */
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

/** The left edge of a column. */
export function columnX(layout: Layout, column: number): number {
  return ((column - layout.first) / (layout.last - layout.first)) * layout.width;
}

export function columnWidth(layout: Layout): number {
  return layout.width / (layout.last - layout.first);
}

/** The column under x, clamped into the layout. */
export function columnAt(layout: Layout, x: number): number {
  const column = layout.first + Math.floor((x / layout.width) * (layout.last - layout.first));
  return Math.min(layout.last - 1, Math.max(layout.first, column));
}

export function rowY(layout: Layout, row: number): number {
  return row * layout.rowHeight;
}

/** The row under y, clamped into the layout. */
export function rowAt(layout: Layout, y: number): number {
  return Math.min(layout.rows - 1, Math.max(0, Math.floor(y / layout.rowHeight)));
}

/** The left edges of the columns in view that hold a restart's first record, two pixels or more apart. */
export function restartEdges(
  layout: Layout,
  steps: Float64Array,
  restarts: readonly number[],
): number[] {
  const edges: number[] = [];
  for (const restart of restarts) {
    let column = nearestColumn(steps, restart);
    if (steps[column] < restart) column += 1;
    if (column < layout.first || column >= layout.last) continue;
    const x = columnX(layout, column);
    if (edges.length === 0 || x - edges[edges.length - 1] >= 2) edges.push(x);
  }
  return edges;
}

/** The rows that get a label when there is not room for all: the first of each layer, then whatever still fits. */
export function labelRows(layers: readonly Layer[], height: number, lineHeight: number): number[] {
  const apart = Math.ceil(lineHeight / height);
  const rows: number[] = [];
  const place = (row: number): void => {
    if (rows.every(other => Math.abs(other - row) >= apart)) rows.push(row);
  };
  layers.forEach((layer, row) => {
    if (row === 0 || layers[row - 1].group !== layer.group) place(row);
  });
  layers.forEach((_, row) => place(row));
  return rows.sort((one, other) => one - other);
}

/** The columns at which the step axis is labelled: those nearest to round steps, `labelWidth` apart or more. */
export function axisColumns(layout: Layout, steps: Float64Array, labelWidth: number): number[] {
  const {first, last, width} = layout;
  if (first >= last) return [];
  const ticks = linearTicks(steps[first], steps[last - 1], Math.max(1, width / labelWidth));
  const columns = ticks.map(step => nearestColumn(steps, step));
  const apart = (column: number, index: number): boolean =>
    index === 0 || columnX(layout, column) - columnX(layout, columns[index - 1]) >= labelWidth / 2;
  return columns.filter(apart);
}
