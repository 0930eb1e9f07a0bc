/** One heat map: layers × steps as pixels, with labels, axis, pointer and the selected place. */

import type {ComponentChildren, JSX, RefObject} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef} from 'preact/hooks';

import type {Run, Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {formatStep} from '../format.ts';
import {
  GAP_ROW,
  mapHeight,
  rowHeight,
  rowsInView,
  rowY,
  scrolledTo,
  type Layout,
  type Room,
} from '../layout.ts';
import {stretchesOf, type Scheme} from '../raster.ts';
import type {Domain} from '../scale.ts';
import type {Spikes} from '../spikes.ts';
import type {Row} from '../tree.ts';
import type {Zoom} from '../zoom.ts';
import {MapAxis} from './MapAxis.tsx';
import {MapLabels, type TreeActions} from './MapLabels.tsx';
import {Crosshair, HoverLine, HoverRow, Restarts} from './MapMarks.tsx';
import {MapTip, type Told} from './MapTip.tsx';
import {useGestures} from './useGestures.ts';
import {devicePixels, usePainted, usePicture} from './usePainted.ts';
import {usePlotKeys} from './usePlotKeys.ts';
import {usePointer} from './usePointer.ts';
import {useWidth} from './useWidth.ts';

/** What the maps of a section have in common. */
export interface Shared extends TreeActions {
  section: RefObject<HTMLElement | null>;
  /** The steps that the maps show where there is no zoom. */
  all: Zoom;
  domain: Domain | null;
  scheme: Scheme;
  room: Room;
  labelsWidth: number;
  /** The row of the selected layer; -1 for none. */
  main: number;
  /** The keys of the rows that are selected whole. */
  chosen: ReadonlySet<string>;
  /** The keys of other rows without children in which some are selected. */
  partly: ReadonlySet<string>;
  step: number | null;
  zoom: Zoom | null;
  tallRows: boolean;
  jumps: number;
  cursor: Cursor;
  /** How far the rows are scrolled, in all maps. */
  top: number;
  /** The row under the pointer, in all maps; null for none. */
  hovered: number | null;
  onTop: (top: number) => void;
  onHover: (row: number | null) => void;
  onPlace: (row: Row, step: number) => void;
  onZoom: (zoom: Zoom | null) => void;
}

export interface MapProps extends Shared {
  run: Run;
  /** The rows of the map; their columns are those of this table. */
  rows: readonly Row[];
  table: Table;
  spikes: Spikes | null;
  /** Says what a cell holds: first its value. */
  tell: (of: Row, row: number) => readonly Told[];
  /** What the map is of, as words. */
  label: string;
  /** Whether the labels are the section's tree; else they are names for eyes only. */
  tree: boolean;
  /** Above the rows, as wide as they are. */
  above?: ((layout: Layout) => ComponentChildren) | undefined;
  /** Beside the rows, as high as they are, and what is below it. */
  beside?: ((layout: Layout, first: number, last: number) => ComponentChildren) | undefined;
  besideAxis?: ComponentChildren;
}

/** Padding and border above and below the rows. */
const MAP_FRAME = 8;
const KEYS =
  'Up and down select a layer, Shift with left and right a step. Left and right pan, + and − zoom, 0 shows all.';

export function HeatMap(props: MapProps): JSX.Element {
  const {run, rows, table, all, zoom, step, tallRows, room, cursor, top} = props;
  const plot = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const {firstStep, lastStep} = zoom ?? all;
  const layout = useMemo<Layout>(
    () => ({
      low: firstStep - 1,
      high: lastStep,
      width,
      rows: rows.length,
      rowHeight: rowHeight(rows.length, tallRows, room),
    }),
    [firstStep, lastStep, width, rows.length, tallRows, room],
  );
  const stretches = useMemo(
    () => stretchesOf(table, layout.low, layout.high, devicePixels(layout.width)),
    [table, layout],
  );
  const height = mapHeight(rows.length, tallRows, room);
  const {first, last} = rowsInView(layout, top, height);
  const picture = usePicture(table, props.domain, props.spikes, props.scheme);
  const canvas = usePainted(props.section, picture, layout, stretches, rows, first, last);
  useScrolled(scroller, top);
  useScrolledToMain(scroller, props, layout, height);
  const keys = usePlotKeys(props, layout, scroller, height);
  const {cell, pointer, dragged, leave, handlers} = usePointer(
    plot,
    props,
    layout,
    stretches,
    picture,
  );
  const gestures = useGestures(plot, {zoom, all, layout, step, onZoom: props.onZoom});

  const sizes = {
    '--labels': `${props.labelsWidth}px`,
    '--map': `${height + MAP_FRAME}px`,
  };

  return (
    <div class="one-map" style={sizes}>
      {props.above !== undefined && <div class="above">{props.above(layout)}</div>}
      <div
        class="map"
        ref={scroller}
        onScroll={event => {
          // Other cells come under the pointer, of which it tells when it moves.
          if (cell !== null) leave();
          props.onTop(event.currentTarget.scrollTop);
        }}
      >
        <MapLabels
          rows={rows}
          layout={layout}
          first={first}
          last={last}
          main={props.main}
          chosen={props.chosen}
          partly={props.partly}
          scroller={scroller}
          height={height}
          mute={!props.tree}
          onSelect={props.onSelect}
          onToggle={props.onToggle}
          onFold={props.onFold}
        />
        <div
          class="plot"
          ref={plot}
          style={{height: `${rowY(layout, layout.rows)}px`}}
          tabIndex={0}
          role="group"
          aria-label={`Heat map of ${run.name}. ${KEYS}`}
          onKeyDown={event => {
            if (!keys.keyed(event)) gestures(event);
          }}
          {...handlers}
          onDblClick={() => props.onZoom(null)}
        >
          <canvas
            ref={canvas}
            role="img"
            style={{top: `${rowY(layout, first)}px`, height: `${rowY(layout, last - first)}px`}}
            aria-label={`${props.label} over ${run.records} recorded steps of ${run.name}${restartWords(run.restarts)}`}
          />
          {layout.rowHeight >= GAP_ROW && (
            <div class="gaps" style={{'--row': `${layout.rowHeight}px`}} />
          )}
          <Restarts layout={layout} restarts={run.restarts} />
          {props.hovered !== null && props.hovered < rows.length && (
            <HoverRow layout={layout} row={props.hovered} />
          )}
          <HoverLine layout={layout} table={table} cursor={cursor} />
          <Crosshair layout={layout} row={props.main} table={table} step={step} />
          {dragged !== null && (
            <div
              class="drag"
              style={{left: `${dragged.from}px`, width: `${dragged.to - dragged.from}px`}}
            />
          )}
          {cell !== null && pointer !== null && (
            <MapTip
              x={pointer.pageX}
              y={pointer.pageY}
              run={run}
              table={table}
              of={cell.of}
              row={cell.row}
              told={props.tell(cell.of, cell.row)}
            />
          )}
        </div>
        {props.beside?.(layout, first, last)}
      </div>
      <div class="below">
        <MapAxis layout={layout} />
        {props.besideAxis}
      </div>
      <p class="visually-hidden" role="status">
        {keys.said}
      </p>
    </div>
  );
}

/** Follows the other map of the section. */
function useScrolled(scroller: RefObject<HTMLElement | null>, top: number): void {
  useLayoutEffect(() => {
    const node = scroller.current;
    // The browser rounds, and goes no further than there are rows.
    if (node !== null && Math.abs(node.scrollTop - top) > 1) node.scrollTop = top;
  }, [top]);
}

/** Brings the selected row into view after a jump, where the rows are more than fit. */
function useScrolledToMain(
  scroller: RefObject<HTMLElement | null>,
  {main, jumps, rows}: MapProps,
  layout: Layout,
  height: number,
): void {
  const done = useRef(0);
  useEffect(() => {
    const node = scroller.current;
    if (node === null || main < 0 || jumps === done.current) return;
    // A jump opens the block that the row is in: only then is it known where it is.
    if (rows[main].open === false) return;
    done.current = jumps;
    const top = rowY(layout, main);
    if (scrolledTo(layout, main, node.scrollTop, height) !== node.scrollTop)
      node.scrollTop = top - height / 2;
    // Only a jump moves the rows: a reload or a zoom leaves them where they were scrolled to.
  }, [jumps, main]);
}

function restartWords(restarts: readonly number[]): string {
  if (restarts.length === 0) return '';
  const first = restarts.slice(0, 5).map(formatStep).join(', ');
  const more = restarts.length > 5 ? ` and ${restarts.length - 5} more` : '';
  return `; restarted at step ${first}${more}`;
}
