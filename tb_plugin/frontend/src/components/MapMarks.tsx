/** What lies over the heat map's cells: the selected place, the step under the pointer, restarts. */

import type {JSX} from 'preact';

import type {Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {restartEdges, rowY, stepX, type Layout} from '../layout.ts';
import {rowOf, rowStart} from '../table.ts';
import {useCursor} from './useCursor.ts';

interface Props {
  layout: Layout;
  table: Table;
}

/** The selected row and step. */
export function Crosshair({
  layout,
  table,
  row,
  step,
}: Props & {row: number; step: number | null}): JSX.Element {
  const {low, high, width} = layout;
  const [from, to] = step === null ? [0, 0] : columnOf(layout, table, step);
  const left = Math.max(0, from);
  return (
    <>
      {row >= 0 && (
        <div
          class="cross-row"
          style={{top: `${rowY(layout, row)}px`, height: `${layout.rowHeight}px`}}
        />
      )}
      {step !== null && low < step && step <= high && (
        <div
          class="cross-column"
          style={{left: `${left}px`, width: `${Math.max(2, Math.min(width, to) - left)}px`}}
        />
      )}
    </>
  );
}

/** Where the steps lie that the table's row of a step stands for. */
function columnOf(layout: Layout, table: Table, step: number): [from: number, to: number] {
  const row = rowOf(table, step);
  if (row < 0 || table.last[row] < step) return [stepX(layout, step - 1), stepX(layout, step)];
  return [stepX(layout, rowStart(table, row)), stepX(layout, table.last[row])];
}

/** The step that is pointed at, here or in another chart. */
export function HoverLine({layout, table, cursor}: Props & {cursor: Cursor}): JSX.Element | null {
  const step = useCursor(cursor);
  if (step === null || step <= layout.low || step > layout.high) return null;
  const [from, to] = columnOf(layout, table, step);
  const middle = (Math.max(0, from) + Math.min(layout.width, to)) / 2;
  return <div class="hover-step" style={{left: `${middle}px`}} />;
}

/** The row that is pointed at, here, in the map of the other run or in a profile. */
export function HoverRow({layout, cursor}: {layout: Layout; cursor: Cursor}): JSX.Element | null {
  const row = useCursor(cursor);
  if (row === null || row >= layout.rows) return null;
  return (
    <div
      class="hover-row"
      style={{top: `${rowY(layout, row)}px`, height: `${layout.rowHeight}px`}}
    />
  );
}

export function Restarts({
  layout,
  restarts,
}: {
  layout: Layout;
  restarts: readonly number[];
}): JSX.Element {
  return (
    <>
      {restartEdges(layout, restarts).map(left => (
        <div key={left} class="restart" style={{left: `${left}px`}} />
      ))}
    </>
  );
}
