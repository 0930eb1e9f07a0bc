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
export interface Pointer {
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

type Asked = Pick<MapProps, 'rows' | 'table' | 'cursor' | 'onHover' | 'onPlace' | 'onZoom'>;

export function usePointer(
  plot: RefObject<HTMLElement | null>,
  {rows, table, cursor, onHover, onPlace, onZoom}: Asked,
  layout: Layout,
  stretches: readonly Stretch[],
  picture: Picture,
): Pointing {
  const [pointer, setPointer] = useState<Pointer | null>(null);
  const [start, setStart] = useState<number | null>(null);
  const under = (where: Pointer): Cell => cellAt(where, layout, rows, table, stretches, picture);
  const leave = (): void => {
    setPointer(null);
    cursor.point(null);
    onHover(null);
  };
  // A map that goes away is pointed at no more.
  useEffect(() => () => cursor.point(null), [cursor]);

  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    plot.current?.setPointerCapture(event.pointerId);
    setStart(placeOf(plot, event).x);
  };
  const move = (event: PointerEvent): void => {
    const where = placeOf(plot, event);
    setPointer(where);
    if (start !== null || rows.length === 0) return;
    const cell = under(where);
    cursor.point(table.last[cell.row]);
    onHover(cell.mapRow);
  };
  const release = (event: PointerEvent): void => {
    const released = placeOf(plot, event);
    const {x} = released;
    setStart(null);
    if (start === null || rows.length === 0) return;
    if (Math.abs(x - start) < DRAG_PIXELS) {
      const cell = under(released);
      onPlace(cell.of, table.last[cell.row]);
    } else {
      const [from, to] = [Math.min(start, x), Math.max(start, x)].map(edge =>
        rowOf(table, stepAt(layout, edge)),
      );
      onZoom({firstStep: rowStart(table, from) + 1, lastStep: table.last[to]});
    }
  };

  const drags = start !== null && pointer !== null && Math.abs(pointer.x - start) >= DRAG_PIXELS;
  return {
    pointer,
    cell: start === null && pointer !== null && rows.length > 0 ? under(pointer) : null,
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

/** The cell under the pointer; of the table's rows that share its pixel, the one that shows. */
function cellAt(
  {x, y}: Pointer,
  layout: Layout,
  rows: readonly Row[],
  table: Table,
  stretches: readonly Stretch[],
  picture: Picture,
): Cell {
  const mapRow = rowAt(layout, y);
  const of = rows[mapRow];
  const pixel = Math.floor(x * window.devicePixelRatio);
  const under = stretches.find(({left, right}) => left <= pixel && pixel < right);
  if (under === undefined) return {mapRow, of, row: rowOf(table, stepAt(layout, x))};
  const crest = crestRow(picture, of.columns, under);
  if (crest >= 0) return {mapRow, of, row: crest};
  const {from, to} = under;
  const most = mostAlarmingCell(table, of.columns, from, to, picture.scheme);
  return {mapRow, of, row: most?.row ?? from};
}
