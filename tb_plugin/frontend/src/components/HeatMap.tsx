/** Layers × steps as pixels, with labels, axis, pointer and the selected place. */

import type {JSX, RefObject} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';

import type {Run, Table} from '../api.ts';
import {formatStep} from '../format.ts';
import {
  mapHeight,
  restartEdges,
  rowAt,
  rowHeight,
  rowsInView,
  rowY,
  stepAt,
  stepX,
  type Layout,
} from '../layout.ts';
import {codesOf, paint, stretchesOf, type Codes, type Stretch} from '../raster.ts';
import type {Domain} from '../scale.ts';
import {mostAlarming, rowOf, rowStart} from '../table.ts';
import type {Zoom} from '../zoom.ts';
import {labelsWidth, MapAxis, MapLabels} from './MapLabels.tsx';
import {MapTip} from './MapTip.tsx';
import {useGestures} from './useGestures.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  section: RefObject<HTMLElement | null>;
  run: Run;
  /** One column per layer of the run. */
  table: Table;
  /** All steps that there are, also where the table is only about a part of them. */
  all: Zoom;
  domain: Domain | null;
  label: string;
  layer: string | null;
  step: number | null;
  zoom: Zoom | null;
  tallRows: boolean;
  jumps: number;
  onPlace: (layer: string, step: number) => void;
  onLayer: (layer: string) => void;
  onZoom: (zoom: Zoom | null) => void;
}

/** Where the pointer is in the plot, and on the page. */
interface Pointer {
  x: number;
  y: number;
  pageX: number;
  pageY: number;
}

/** Padding and border above and below the rows. */
const MAP_FRAME = 8;
const DRAG_PIXELS = 5;
/** Rows as high as this have a line between them. */
const GAP_ROW = 8;
const KEYS = 'With the arrow keys pan, with + and − zoom, with 0 show all.';

export function HeatMap(props: Props): JSX.Element {
  const {run, table, all, zoom, step, tallRows} = props;
  const {layers, restarts} = run;
  const plot = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const {firstStep, lastStep} = zoom ?? all;
  const layout = useMemo<Layout>(
    () => ({
      low: firstStep - 1,
      high: lastStep,
      width,
      rows: layers.length,
      rowHeight: rowHeight(layers.length, tallRows),
    }),
    [firstStep, lastStep, width, layers.length, tallRows],
  );
  const [top, setTop] = useState(0);
  const [pointer, setPointer] = useState<Pointer | null>(null);
  const [start, setStart] = useState<number | null>(null);
  const stretches = useMemo(
    () => stretchesOf(table, layout.low, layout.high, devicePixels(layout.width)),
    [table, layout],
  );
  const {first, last} = rowsInView(layout, top, mapHeight(layers.length, tallRows));
  const canvas = usePainted(props, layout, stretches, first, last);
  const sizes = {
    '--labels': `${labelsWidth(layers)}px`,
    '--map': `${mapHeight(layers.length, tallRows) + MAP_FRAME}px`,
  };
  const selected = layers.findIndex(({name}) => name === props.layer);
  useScrolledTo(scroller, selected, layout, props.jumps);
  const keyed = useGestures(plot, {zoom, all, layout, step, onZoom: props.onZoom});

  const at = (event: PointerEvent): Pointer => {
    const box = plot.current?.getBoundingClientRect();
    return {
      x: event.clientX - (box?.left ?? 0),
      y: event.clientY - (box?.top ?? 0),
      pageX: event.clientX,
      pageY: event.clientY,
    };
  };
  const release = (event: PointerEvent): void => {
    const released = at(event);
    const {x} = released;
    setStart(null);
    if (start === null) return;
    if (Math.abs(x - start) < DRAG_PIXELS) {
      const cell = cellAt(released, layout, table, stretches);
      props.onPlace(layers[cell.layer].name, table.last[cell.row]);
    } else {
      const [from, to] = [Math.min(start, x), Math.max(start, x)].map(edge =>
        rowOf(table, stepAt(layout, edge)),
      );
      props.onZoom({firstStep: rowStart(table, from) + 1, lastStep: table.last[to]});
    }
  };
  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    plot.current?.setPointerCapture(event.pointerId);
    setStart(at(event).x);
  };
  const cell =
    start === null && pointer !== null ? cellAt(pointer, layout, table, stretches) : null;

  return (
    <>
      <div
        class="map"
        ref={scroller}
        style={sizes}
        onScroll={event => setTop(event.currentTarget.scrollTop)}
      >
        <MapLabels
          layers={layers}
          layout={layout}
          first={first}
          last={last}
          selected={selected}
          onLayer={props.onLayer}
        />
        <div
          class="plot"
          ref={plot}
          style={{height: `${rowY(layout, layout.rows)}px`}}
          tabIndex={0}
          role="group"
          aria-label={`Heat map. ${KEYS}`}
          onKeyDown={keyed}
          onPointerDown={press}
          onPointerMove={event => setPointer(at(event))}
          onPointerUp={release}
          onPointerCancel={() => setStart(null)}
          onPointerLeave={() => setPointer(null)}
          onDblClick={() => props.onZoom(null)}
        >
          <canvas
            ref={canvas}
            role="img"
            style={{top: `${rowY(layout, first)}px`, height: `${rowY(layout, last - first)}px`}}
            aria-label={`${props.label} of ${layers.length} layers over ${run.records} recorded steps of ${run.name}${restartWords(restarts)}`}
          />
          {layout.rowHeight >= GAP_ROW && (
            <div class="gaps" style={{'--row': `${layout.rowHeight}px`}} />
          )}
          {restartEdges(layout, restarts).map(left => (
            <div key={left} class="restart" style={{left: `${left}px`}} />
          ))}
          <Crosshair layout={layout} row={selected} table={table} step={step} />
          {start !== null && pointer !== null && Math.abs(pointer.x - start) >= DRAG_PIXELS && (
            <div
              class="drag"
              style={{
                left: `${Math.min(start, pointer.x)}px`,
                width: `${Math.abs(pointer.x - start)}px`,
              }}
            />
          )}
          {cell !== null && pointer !== null && (
            <MapTip
              x={pointer.pageX}
              y={pointer.pageY}
              layer={layers[cell.layer]}
              table={table}
              row={cell.row}
              column={cell.layer}
              label={props.label}
              restarts={restarts}
              summarizedUntil={run.summarizedUntil}
            />
          )}
        </div>
      </div>
      <MapAxis layout={layout} style={sizes} />
    </>
  );
}

function devicePixels(width: number): number {
  return Math.round(width * window.devicePixelRatio);
}

/** Paints the rows in view before the browser shows the frame, and marks the section as drawn. */
function usePainted(
  {section, table, domain}: Props,
  layout: Layout,
  stretches: readonly Stretch[],
  first: number,
  last: number,
): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useRef<ImageData | null>(null);
  const codes = useCodes(table, domain);
  useLayoutEffect(() => {
    const node = canvas.current;
    const context = node?.getContext('2d');
    if (node == null || context == null || layout.width === 0) return;
    const start = performance.now();
    const width = devicePixels(layout.width);
    const height = devicePixels(rowY(layout, last - first));
    if (node.width !== width) node.width = width;
    if (node.height !== height) node.height = height;
    // The memory of the painting before, where it fits: all of it is painted over.
    const kept = image.current;
    const fits = kept?.width === width && kept.height === height;
    const into = fits ? kept : context.createImageData(width, height);
    image.current = into;
    const ratio = window.devicePixelRatio;
    paint(
      new Uint32Array(into.data.buffer),
      {width, rowHeight: layout.rowHeight * ratio, patternSize: Math.round(ratio)},
      codes,
      stretches,
      first,
      last,
    );
    context.putImageData(into, 0, 0);
    performance.measure('optimizer-health:paint', {start, end: performance.now()});
    if (section.current !== null) section.current.dataset.drawn = 'true';
  }, [section, codes, layout, stretches, first, last]);
  return canvas;
}

/** The codes of a table, kept for the time that a zoom shows another one. */
function useCodes(table: Table, domain: Domain | null): Codes {
  const known = useRef(new WeakMap<Table, {domain: Domain | null; codes: Codes}>());
  const held = known.current.get(table);
  if (held?.domain === domain) return held.codes;
  const codes = codesOf(table, domain);
  known.current.set(table, {domain, codes});
  return codes;
}

/** Brings the selected row into view after a jump, where the rows are more than fit. */
function useScrolledTo(
  scroller: RefObject<HTMLElement | null>,
  row: number,
  layout: Layout,
  jumps: number,
): void {
  useEffect(() => {
    const node = scroller.current;
    if (node === null || row < 0 || jumps === 0) return;
    const top = rowY(layout, row);
    if (top < node.scrollTop || top + layout.rowHeight > node.scrollTop + node.clientHeight) {
      node.scrollTop = top - node.clientHeight / 2;
    }
    // Only a jump moves the rows: a reload or a zoom leaves them where they were scrolled to.
  }, [jumps]);
}

/** The cell under the pointer; of the table's rows that share its pixel, the one that shows. */
function cellAt(
  {x, y}: Pointer,
  layout: Layout,
  table: Table,
  stretches: readonly Stretch[],
): {layer: number; row: number} {
  const layer = rowAt(layout, y);
  const pixel = Math.floor(x * window.devicePixelRatio);
  const under = stretches.find(({left, right}) => left <= pixel && pixel < right);
  if (under === undefined) return {layer, row: rowOf(table, stepAt(layout, x))};
  return {layer, row: mostAlarming(table, layer, under.from, under.to)};
}

function Crosshair({
  layout,
  row,
  table,
  step,
}: {
  layout: Layout;
  row: number;
  table: Table;
  step: number | null;
}): JSX.Element {
  const {low, high, width} = layout;
  const column = step === null ? -1 : rowOf(table, step);
  const [from, to] =
    column < 0
      ? [0, 0]
      : [stepX(layout, rowStart(table, column)), stepX(layout, table.last[column])];
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

function restartWords(restarts: readonly number[]): string {
  if (restarts.length === 0) return '';
  const first = restarts.slice(0, 5).map(formatStep).join(', ');
  const more = restarts.length > 5 ? ` and ${restarts.length - 5} more` : '';
  return `; restarted at step ${first}${more}`;
}
