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
import {named} from '../plain.ts';
import {stretchesOf, type Scheme} from '../raster.ts';
import type {Domain} from '../scale.ts';
import type {Spikes} from '../spikes.ts';
import type {Row} from '../tree.ts';
import type {Zoom} from '../zoom.ts';
import {MapAxis} from './MapAxis.tsx';
import {MapLabels, type TreeActions} from './MapLabels.tsx';
import {Crosshair, HoverLine, HoverRow, Restarts} from './MapMarks.tsx';
import {MapPlot} from './MapPlot.tsx';
import type {Told} from './MapTip.tsx';
import {usePainted, usePicture} from './usePainted.ts';
import {usePixelRatio} from './usePixelRatio.ts';
import {usePlotKeys} from './usePlotKeys.ts';
import type {Painted} from './usePointer.ts';
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
  /** The last jump after which a map's rows were scrolled. */
  jumped: {current: number};
  cursor: Cursor;
  /** How far the rows are scrolled, in all maps. */
  top: number;
  /** Says the row under the pointer, of all maps, as `cursor` says the step. */
  rowCursor: Cursor;
  onTop: (top: number) => void;
  onPlace: (row: Row, step: number) => void;
  /** A click on a cell; `again` where the step that is selected lies in it. */
  onPick: (row: Row, step: number, again: boolean) => void;
  onZoom: (zoom: Zoom | null) => void;
  /** A double click. */
  onReset: () => void;
}

/** What is beside the rows: the section's tree, the same names for eyes only, or nothing: they are beside another map. */
export type MapLabelling = 'tree' | 'mute' | 'none';

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
  labels: MapLabelling;
  /** Above the rows, as wide as they are. */
  above?: ((layout: Layout) => ComponentChildren) | undefined;
  /** Beside the rows, as high as they are, and what is below it. */
  beside?: ((layout: Layout, first: number, last: number) => ComponentChildren) | undefined;
  besideAxis?: ComponentChildren;
}

/** Padding and border above and below the rows. */
const MAP_FRAME = 8;

export function HeatMap(props: MapProps): JSX.Element {
  const {run, rows, table, step, tallRows, room, cursor, top, labels} = props;
  const plot = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const painted = usePainting(props, useWidth(plot));
  const {layout} = painted;
  const height = mapHeight(rows.length, tallRows, room);
  const {first, last} = rowsInView(layout, top, height);
  const canvas = usePainted(props.section, painted, rows, first, last);
  useScrolled(scroller, top);
  useScrolledToMain(scroller, props, layout, height);
  const keys = usePlotKeys(props, layout, scroller, height);
  const sizes = {
    '--labels': `${labels === 'none' ? 0 : props.labelsWidth}px`,
    '--map': `${height + MAP_FRAME}px`,
  };
  return (
    <div class="one-map" style={sizes}>
      {props.above !== undefined && <div class="above">{props.above(layout)}</div>}
      <div
        class="map"
        ref={scroller}
        onScroll={event => props.onTop(event.currentTarget.scrollTop)}
      >
        {labels !== 'none' && (
          <MapLabels
            {...props}
            layout={layout}
            first={first}
            last={last}
            scroller={scroller}
            height={height}
            mute={labels === 'mute'}
          />
        )}
        <MapPlot {...props} plot={plot} painted={painted} keys={keys}>
          <canvas
            ref={canvas}
            role="img"
            style={{top: `${rowY(layout, first)}px`, height: `${rowY(layout, last - first)}px`}}
            aria-label={
              `${props.label} over ${run.records} recorded steps of ${named(run.name)}` +
              restartWords(run.restarts)
            }
          />
          {layout.rowHeight >= GAP_ROW && (
            <div class="gaps" style={{'--row': `${layout.rowHeight}px`}} />
          )}
          <Restarts layout={layout} restarts={run.restarts} />
          <HoverRow layout={layout} cursor={props.rowCursor} />
          <HoverLine layout={layout} table={table} cursor={cursor} />
          <Crosshair layout={layout} row={props.main} table={table} step={step} />
        </MapPlot>
        {props.beside?.(layout, first, last)}
      </div>
      <div class="below">
        <MapAxis layout={layout} named={labels !== 'none'} />
        {props.besideAxis}
      </div>
      <p class="unseen" role="status">
        {keys.said}
      </p>
    </div>
  );
}

/** Where everything lies, and what is painted there. */
function usePainting(
  {rows, table, all, zoom, tallRows, room, domain, spikes, scheme}: MapProps,
  width: number,
): Painted {
  const ratio = usePixelRatio();
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
    () => stretchesOf(table, layout.low, layout.high, Math.round(layout.width * ratio)),
    [table, layout, ratio],
  );
  const picture = usePicture(table, domain, spikes, scheme);
  return {layout, ratio, stretches, picture};
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
  {main, jumps, jumped, rows}: MapProps,
  layout: Layout,
  height: number,
): void {
  useEffect(() => {
    const node = scroller.current;
    if (node === null || main < 0 || jumps === jumped.current) return;
    // A jump opens the block that the row is in: only then is it known where it is.
    if (rows[main].open === false) return;
    jumped.current = jumps;
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
