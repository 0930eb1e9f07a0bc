/** The heat map's cells with what follows the pointer and the keys over them. What is under these is drawn elsewhere. */

import type {ComponentChildren, JSX, RefObject} from 'preact';
import {useLayoutEffect, useRef} from 'preact/hooks';

import {rowY, stepMiddle, type Layout} from '../layout.ts';
import {named} from '../plain.ts';
import {rowOf} from '../table.ts';
import type {MapProps} from './HeatMap.tsx';
import {MapTip} from './MapTip.tsx';
import {useGestures} from './useGestures.ts';
import type {PlotKeys} from './usePlotKeys.ts';
import {usePointer, type Painted} from './usePointer.ts';

const KEYS =
  'Up and down select a layer, Shift with left and right a step. Left and right pan, + and − zoom, 0 shows all. Escape leaves the zoom, then clears the selection.';

interface Props extends MapProps {
  plot: RefObject<HTMLDivElement | null>;
  painted: Painted;
  keys: PlotKeys;
  children: ComponentChildren;
}

/** Alone is drawn anew with each move of the pointer: its children stay the same elements. */
export function MapPlot(props: Props): JSX.Element {
  const {plot, painted, keys, run, table, top, children} = props;
  const {layout} = painted;
  const {cell, pointer, dragged, leave, handlers} = usePointer(plot, props, painted);
  const {zoom, all, step, onZoom, onEscape} = props;
  const gestures = useGestures(plot, {zoom, all, layout, step, onZoom, onEscape});
  const moved = useMoved();
  useLayoutEffect(() => {
    // Other cells come under the pointer, of which it tells when it moves.
    if (pointer !== null) leave();
  }, [top]);
  return (
    <div
      class="plot"
      ref={plot}
      style={{height: `${rowY(layout, layout.rows)}px`}}
      tabIndex={0}
      role="group"
      aria-label={`Heat map of ${named(run.name)}. ${KEYS}`}
      onKeyDown={event => {
        if (!keys.keyed(event)) gestures(event);
      }}
      onBlur={keys.hide}
      {...handlers}
      onPointerMove={event => {
        if (moved(event)) keys.hide();
        handlers.onPointerMove(event);
      }}
      onDblClick={props.onReset}
    >
      {children}
      {dragged !== null && (
        <div
          class="drag"
          style={{left: `${dragged.from}px`, width: `${dragged.to - dragged.from}px`}}
        />
      )}
      {keys.shows ? (
        <KeyTip {...props} layout={layout} />
      ) : (
        cell !== null &&
        pointer !== null && (
          <MapTip
            x={pointer.pageX}
            y={pointer.pageY}
            run={run}
            table={table}
            of={cell.of}
            row={cell.row}
            told={props.tell(cell.of, cell.row)}
          />
        )
      )}
    </div>
  );
}

/** Says whether the pointer itself has moved: a browser tells of moves, too, when what is below it has. */
function useMoved(): (event: PointerEvent) => boolean {
  const last = useRef({x: NaN, y: NaN});
  return ({clientX: x, clientY: y}) => {
    const same = last.current.x === x && last.current.y === y;
    last.current = {x, y};
    return !same;
  };
}

/** What the selected cell holds, beside it. */
function KeyTip(props: MapProps & {plot: Props['plot']; layout: Layout}): JSX.Element | null {
  const {plot, layout, run, rows, table, main, step} = props;
  const box = plot.current?.getBoundingClientRect();
  const row = step === null ? -1 : rowOf(table, step);
  if (box === undefined || main < 0 || step === null || row < 0) return null;
  const of = rows[main];
  const x = Math.min(layout.width, Math.max(0, stepMiddle(layout, step)));
  return (
    <MapTip
      x={box.left + x}
      y={box.top + rowY(layout, main) + layout.rowHeight / 2}
      run={run}
      table={table}
      of={of}
      row={row}
      told={props.tell(of, row)}
    />
  );
}
