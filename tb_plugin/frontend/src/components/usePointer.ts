/** The pointer over the heat map: the cell that it is at, a click on it, and a drag across the steps. */

import type {RefObject} from 'preact';
import {useEffect, useState} from 'preact/hooks';

import type {Table} from '../api.ts';
import {rowAt, stepAt, type Layout} from '../layout.ts';
import {crestRow, type Picture, type Stretch} from '../raster.ts';
import {mostAlarmingCell} from '../rowCells.ts';
import {rowOf, rowStart} from '../table.ts';
import type {Row} from '../tree.ts';
import type {MapProps} from './HeatMap.tsx';

/** Where the pointer is in the plot, and on the page. */
interface Pointer {
  x: number;
  y: number;
  pageX: number;
  pageY: number;
}

interface Cell {
  /** The row of the map. */
  mapRow: number;
  of: Row;
  /** The row of the table. */
  row: number;
}

/** A drag so short is a click. */
const DRAG_PIXELS = 5;

interface Pointing {
  pointer: Pointer | null;
  /** What is under the pointer, while it drags nothing. */
  cell: Cell | null;
  /** What is dragged over, in CSS pixels. */
  dragged: {from: number; to: number} | null;
  /** Forgets where the pointer is. */
  leave: () => void;
  /** What is to listen to the pointer. */
  handlers: Record<
    'onPointerDown' | 'onPointerMove' | 'onPointerUp' | 'onPointerCancel' | 'onPointerLeave',
    (event: PointerEvent) => void
  >;
}

/** What the map has under its pixels. */
export interface Painted {
  layout: Layout;
  /** Device pixels of a CSS pixel. */
  ratio: number;
  stretches: readonly Stretch[];
  picture: Picture;
}

type Asked = Pick<
  MapProps,
  'rows' | 'table' | 'step' | 'cursor' | 'rowCursor' | 'onPick' | 'onToggle' | 'onZoom'
>;

export function usePointer(
  plot: RefObject<HTMLElement | null>,
  {rows, table, step, cursor, rowCursor, onPick, onToggle, onZoom}: Asked,
  painted: Painted,
): Pointing {
  const [pointer, setPointer] = useState<Pointer | null>(null);
  const [start, setStart] = useState<number | null>(null);
  const {layout} = painted;
  const under = (where: Pointer): Cell | null => cellAt(where, painted, rows, table);
  const forget = (): void => {
    cursor.point(null);
    rowCursor.point(null);
  };
  const leave = (): void => {
    setPointer(null);
    forget();
  };
  // A map that goes away is pointed at no more.
  useEffect(() => forget, [cursor, rowCursor]);

  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    plot.current?.setPointerCapture(event.pointerId);
    setStart(placeOf(plot, event).x);
  };
  const move = (event: PointerEvent): void => {
    const where = placeOf(plot, event);
    setPointer(where);
    const cell = start === null ? under(where) : null;
    if (cell === null) return;
    cursor.point(table.last[cell.row]);
    rowCursor.point(cell.mapRow);
  };
  const clicked = (event: PointerEvent, {of, row}: Cell): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) onToggle(of);
    else onPick(of, table.last[row], step !== null && rowOf(table, step) === row);
  };
  const release = (event: PointerEvent): void => {
    const released = placeOf(plot, event);
    const cell = under(released);
    setStart(null);
    if (start === null || cell === null) return;
    if (Math.abs(released.x - start) < DRAG_PIXELS) {
      clicked(event, cell);
      return;
    }
    const [from, to] = [start, released.x]
      .sort((one, other) => one - other)
      .map(edge => rowOf(table, stepAt(layout, edge)));
    onZoom({firstStep: rowStart(table, from) + 1, lastStep: table.last[to]});
  };

  const drags = start !== null && pointer !== null && Math.abs(pointer.x - start) >= DRAG_PIXELS;
  return {
    pointer,
    cell: start === null && pointer !== null ? under(pointer) : null,
    dragged: drags ? {from: Math.min(start, pointer.x), to: Math.max(start, pointer.x)} : null,
    leave,
    handlers: {
      onPointerDown: press,
      onPointerMove: move,
      onPointerUp: release,
      onPointerCancel: () => setStart(null),
      onPointerLeave: leave,
    },
  };
}

function placeOf(plot: RefObject<HTMLElement | null>, event: PointerEvent): Pointer {
  const box = plot.current?.getBoundingClientRect();
  return {
    x: event.clientX - (box?.left ?? 0),
    y: event.clientY - (box?.top ?? 0),
    pageX: event.clientX,
    pageY: event.clientY,
  };
}

/** The cell under the pointer; of the table's rows that share its pixel, the one that shows. Null without any cells. */
function cellAt(
  {x, y}: Pointer,
  {layout, ratio, stretches, picture}: Painted,
  rows: readonly Row[],
  table: Table,
): Cell | null {
  if (rows.length === 0 || table.last.length === 0) return null;
  const mapRow = rowAt(layout, y);
  const of = rows[mapRow];
  const pixel = Math.floor(x * ratio);
  const under = stretches.find(({left, right}) => left <= pixel && pixel < right);
  if (under === undefined) return {mapRow, of, row: rowOf(table, stepAt(layout, x))};
  const crest = crestRow(picture, of.columns, under);
  if (crest >= 0) return {mapRow, of, row: crest};
  const {from, to} = under;
  const most = mostAlarmingCell(table, of.columns, from, to, picture.scheme);
  return {mapRow, of, row: most?.row ?? from};
}
