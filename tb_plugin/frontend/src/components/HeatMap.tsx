/** Layers × steps as pixels, with labels, axis, pointer and the selected place. */

import type {JSX, RefObject} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';

import {NOT_RECORDED, type Layer, type Table} from '../api.ts';
import {elide, formatExact, formatStep} from '../format.ts';
import {
  axisColumns,
  columnAt,
  columnsIn,
  columnWidth,
  columnX,
  labelRows,
  mapHeight,
  nearestColumn,
  restartEdges,
  rowAt,
  rowHeight,
  rowY,
  type Layout,
  type Zoom,
} from '../layout.ts';
import {paint, reduce, type Reduced} from '../raster.ts';
import type {Domain} from '../scale.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  section: RefObject<HTMLElement | null>;
  layers: readonly Layer[];
  table: Table;
  domain: Domain | null;
  label: string;
  run: string;
  restarts: readonly number[];
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

const LINE_HEIGHT = 14;
const LABEL_LENGTH = 34;
/** Padding and border above and below the rows. */
const MAP_FRAME = 8;
const DRAG_PIXELS = 5;
/** Rows as high as this have a line between them. */
const GAP_ROW = 8;

export function HeatMap(props: Props): JSX.Element {
  const {layers, table, zoom} = props;
  const plot = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const layout = useMemo<Layout>(
    () => ({
      ...columnsIn(table.steps, zoom),
      width,
      rows: layers.length,
      rowHeight: rowHeight(layers.length, props.tallRows),
    }),
    [table, zoom, width, layers.length, props.tallRows],
  );
  const [pointer, setPointer] = useState<Pointer | null>(null);
  const [start, setStart] = useState<number | null>(null);
  const reduced = useMemo(
    () => reduce(table, layout.first, layout.last, layout.width * window.devicePixelRatio),
    [table, layout],
  );
  const canvas = usePainted(props, layout, reduced);
  const sizes = {
    '--labels': `${labelsWidth(layers)}px`,
    '--map': `${mapHeight(layers.length, props.tallRows) + MAP_FRAME}px`,
  };
  const row = layers.findIndex(({name}) => name === props.layer);
  useScrolledTo(scroller, row, layout, props.jumps);

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
      const cell = cellAt(released, layout, reduced);
      props.onPlace(layers[cell.row].name, table.steps[cell.column]);
    } else {
      const [from, to] = [Math.min(start, x), Math.max(start, x)].map(edge =>
        columnAt(layout, edge),
      );
      props.onZoom({firstStep: table.steps[from], lastStep: table.steps[to]});
    }
  };
  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    plot.current?.setPointerCapture(event.pointerId);
    setStart(at(event).x);
  };

  return (
    <>
      <div class="map" ref={scroller} style={sizes}>
        <Labels layers={layers} layout={layout} selected={row} onLayer={props.onLayer} />
        <div
          class="plot"
          ref={plot}
          style={{height: `${layout.rows * layout.rowHeight}px`}}
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
            aria-label={`${props.label} of ${layers.length} layers over ${table.steps.length} recorded steps of ${props.run}${restartWords(props.restarts)}`}
          />
          {layout.rowHeight >= GAP_ROW && (
            <div class="gaps" style={{'--row': `${layout.rowHeight}px`}} />
          )}
          {restartEdges(layout, table.steps, props.restarts).map(left => (
            <div key={left} class="restart" style={{left: `${left}px`}} />
          ))}
          <Crosshair
            layout={layout}
            row={row}
            column={props.step === null ? -1 : nearestColumn(table.steps, props.step)}
          />
          {start !== null && pointer !== null && Math.abs(pointer.x - start) >= DRAG_PIXELS && (
            <div
              class="drag"
              style={{
                left: `${Math.min(start, pointer.x)}px`,
                width: `${Math.abs(pointer.x - start)}px`,
              }}
            />
          )}
          {start === null && pointer !== null && (
            <Tip pointer={pointer} layout={layout} reduced={reduced} {...props} />
          )}
        </div>
      </div>
      <Axis layout={layout} steps={table.steps} style={sizes} />
    </>
  );
}

/** Paints before the browser shows the frame, and marks the section as drawn. */
function usePainted(
  props: Props,
  layout: Layout,
  reduced: Reduced,
): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const {section, table, domain} = props;
  useLayoutEffect(() => {
    const node = canvas.current;
    const context = node?.getContext('2d');
    if (node == null || context == null || layout.width === 0) return;
    const start = performance.now();
    const ratio = window.devicePixelRatio;
    node.width = Math.round(layout.width * ratio);
    node.height = Math.round(layout.rows * layout.rowHeight * ratio);
    const image = context.createImageData(node.width, node.height);
    const pixels = new Uint32Array(image.data.buffer);
    paint(
      pixels,
      {
        width: node.width,
        height: node.height,
        rowHeight: layout.rowHeight * ratio,
        patternSize: Math.round(ratio),
      },
      table,
      reduced,
      domain,
    );
    context.putImageData(image, 0, 0);
    performance.measure('optimizer-health:paint', {start, end: performance.now()});
    if (section.current !== null) section.current.dataset.drawn = 'true';
  }, [section, table, domain, layout, reduced]);
  return canvas;
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

/** The cell under the pointer; of the steps that share its pixel, the one that shows. */
function cellAt(
  {x, y}: Pointer,
  layout: Layout,
  {columns, winners}: Reduced,
): {row: number; column: number} {
  const row = rowAt(layout, y);
  const at = Math.min(columns - 1, Math.max(0, Math.floor((x / layout.width) * columns)));
  const winner = winners[row * columns + at];
  return {row, column: winner >= 0 ? winner : columnAt(layout, x)};
}

/** Room for the longest label as it is elided. */
function labelsWidth(layers: readonly Layer[]): number {
  const longest = Math.max(0, ...layers.map(({name}) => name.length));
  return 24 + 6.2 * Math.min(LABEL_LENGTH, longest);
}

interface LabelsProps {
  layers: readonly Layer[];
  layout: Layout;
  selected: number;
  onLayer: (layer: string) => void;
}

function Labels({layers, layout, selected, onLayer}: LabelsProps): JSX.Element {
  const rows = useMemo(
    () => labelRows(layers, layout.rowHeight, LINE_HEIGHT),
    [layers, layout.rowHeight],
  );
  const shown = selected < 0 || rows.includes(selected) ? rows : [...rows, selected];
  const height = Math.max(LINE_HEIGHT, layout.rowHeight);
  // Centred on its row, but inside the map.
  const top = (row: number): number => {
    const centred = rowY(layout, row) + (layout.rowHeight - height) / 2;
    return Math.max(0, Math.min(rowY(layout, layout.rows) - height, centred));
  };
  return (
    <div class="labels">
      {shown.map(row => (
        <button
          type="button"
          key={row}
          class={row === selected ? 'selected' : ''}
          aria-pressed={row === selected}
          title={layers[row].name}
          style={{top: `${top(row)}px`, height: `${height}px`}}
          onClick={() => onLayer(layers[row].name)}
        >
          {elide(layers[row].name, LABEL_LENGTH)}
        </button>
      ))}
    </div>
  );
}

function Crosshair({
  layout,
  row,
  column,
}: {
  layout: Layout;
  row: number;
  column: number;
}): JSX.Element {
  const visible = column >= layout.first && column < layout.last;
  return (
    <>
      {row >= 0 && (
        <div
          class="cross-row"
          style={{top: `${rowY(layout, row)}px`, height: `${layout.rowHeight}px`}}
        />
      )}
      {visible && (
        <div
          class="cross-column"
          style={{
            left: `${columnX(layout, column)}px`,
            width: `${Math.max(2, columnWidth(layout))}px`,
          }}
        />
      )}
    </>
  );
}

function Tip(props: Props & {pointer: Pointer; layout: Layout; reduced: Reduced}): JSX.Element {
  const {pointer, layout, reduced, table, layers} = props;
  const {row, column} = cellAt(pointer, layout, reduced);
  const cell = column * table.columns + row;
  const before = column === 0 ? 0 : table.steps[column - 1];
  const restart = props.restarts.find(at => before < at && at <= table.steps[column]);
  const value =
    table.bits[cell] === NOT_RECORDED ? 'not recorded' : formatExact(table.values[cell]);
  const {clientWidth, clientHeight} = document.documentElement;
  const across =
    pointer.pageX < clientWidth / 2
      ? {left: `${pointer.pageX + 14}px`}
      : {right: `${clientWidth - pointer.pageX + 14}px`};
  const down =
    pointer.pageY < clientHeight / 2
      ? {top: `${pointer.pageY + 12}px`}
      : {bottom: `${clientHeight - pointer.pageY + 12}px`};
  const {name, shape} = layers[row];
  return (
    <div class="tip" style={{...across, ...down}}>
      <strong>{name}</strong> {shape.length > 0 && <span>({shape.join(' × ')})</span>}
      <br />
      step {formatStep(table.steps[column])}
      {restart !== undefined && `, restarted at ${formatStep(restart)}`}
      <br />
      {props.label}: <strong>{value}</strong>
    </div>
  );
}

function restartWords(restarts: readonly number[]): string {
  if (restarts.length === 0) return '';
  const first = restarts.slice(0, 5).map(formatStep).join(', ');
  const more = restarts.length > 5 ? ` and ${restarts.length - 5} more` : '';
  return `; restarted at step ${first}${more}`;
}

const TICK_WIDTH = 64;

function Axis({
  layout,
  steps,
  style,
}: {
  layout: Layout;
  steps: Float64Array;
  style: Record<string, string>;
}): JSX.Element {
  return (
    <div class="axis" aria-hidden="true" style={style}>
      <span class="axis-name">step</span>
      <div style={{width: `${layout.width}px`}}>
        {axisColumns(layout, steps, TICK_WIDTH).map(column => (
          <span
            key={column}
            style={{left: `${columnX(layout, column) + columnWidth(layout) / 2}px`}}
          >
            {formatStep(steps[column])}
          </span>
        ))}
      </div>
    </div>
  );
}
