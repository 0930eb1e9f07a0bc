/** The brush that all charts share: a run's whole loss, what was found in it, and the window of steps that is shown. */

import type {JSX} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';

import type {Finding, Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {middleAt} from '../curves.ts';
import {elide, formatNumber, formatStep} from '../format.ts';
import {stepAt, stepMiddle, type Layout} from '../layout.ts';
import {MARKS} from '../palette.ts';
import {named} from '../plain.ts';
import {
  dragged,
  edgesOf,
  gripAt,
  layoutOf,
  moved,
  sparkline,
  stepsOfKey,
  type Drag,
  type Grip,
  type LossStretch,
} from '../timeline.ts';
import {sameZoom, widthOf, type Zoom} from '../zoom.ts';
import {EventStrip} from './EventStrip.tsx';
import {useCursor} from './useCursor.ts';
import {useGestures} from './useGestures.ts';
import {usePixelRatio} from './usePixelRatio.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  /** The run's name. */
  name: string;
  /** Its loss, and the largest since the record before; null until it is there, or when none is recorded. */
  loss: Table | null;
  /** All its steps. */
  all: Zoom;
  zoom: Zoom | null;
  /** The selected step. */
  step: number | null;
  /** Says the step under the pointer in any chart. */
  cursor: Cursor;
  findings: readonly Finding[];
  restarts: readonly number[];
  color: string;
  dark: boolean;
  onZoom: (zoom: Zoom | null) => void;
  onStep: (step: number) => void;
  onFinding: (finding: Finding) => void;
}

const CLICK_PIXELS = 5;
/** A click waits so long for a second one, which makes it a double click. */
const DOUBLE_MS = 300;
/** How far from its edge a handle is taken hold of: fingers are less exact. */
const REACH = 7;
const TOUCH_REACH = 14;
const NAME_LENGTH = 22;

export function Timeline(props: Props): JSX.Element {
  const {all, zoom, step, onZoom} = props;
  const track = useRef<HTMLDivElement>(null);
  const width = useWidth(track);
  const layout = useMemo(
    () => layoutOf({firstStep: all.firstStep, lastStep: all.lastStep}, width),
    [all.firstStep, all.lastStep, width],
  );
  const {shown, press} = useBrush(track, props, layout);
  const keyed = useGestures(track, {zoom, all, layout, step, onZoom});
  const canvas = useSparkline(props, width);
  const edges = edgesOf(shown, layout).map(x => Math.min(width, Math.max(0, x)));
  const [left, right] = edges;
  return (
    <div class="timeline" role="group" aria-label={`Timeline of ${named(props.name)}`}>
      <div class="timeline-name">
        <span class="timeline-run" title={props.name}>
          {elide(props.name, NAME_LENGTH)}
        </span>
        <Range shown={shown} all={all} onZoom={onZoom} />
      </div>
      <div class="timeline-plot">
        <EventStrip
          layout={layout}
          findings={props.findings}
          restarts={props.restarts}
          onFinding={props.onFinding}
          onStep={props.onStep}
        />
        <div
          ref={track}
          class="track"
          onKeyDown={keyed}
          {...press}
        >
          <canvas ref={canvas} role="img" aria-label={lossWords(props)} />
          {shown !== null && (
            <>
              <div class="unlit" style={{left: 0, width: `${left}px`}} />
              <div class="unlit" style={{left: `${right}px`, right: 0}} />
              <Slider grip="window" shown={shown} edges={edges} all={all} onZoom={onZoom} />
            </>
          )}
          <HoverLine cursor={props.cursor} layout={layout} />
          <StepLine kind="selected" step={step} layout={layout} />
          <Slider grip="first" shown={shown} edges={edges} all={all} onZoom={onZoom} />
          <Slider grip="last" shown={shown} edges={edges} all={all} onZoom={onZoom} />
        </div>
      </div>
    </div>
  );
}

interface Brush {
  /** The window as the drag has it so far. */
  shown: Zoom | null;
  press: Record<
    'onPointerDown' | 'onPointerMove' | 'onPointerUp' | 'onPointerCancel',
    (event: PointerEvent) => void
  > & {onDblClick: () => void};
}

/**
 * Turns presses and drags into windows. A window that is moved or resized is told of at once; a new one when it is
 * drawn, for until then it is too narrow to be meant. A click selects a step when no second one makes it a double click,
 * which shows all.
 */
function useBrush(
  track: {current: HTMLElement | null},
  {all, zoom, onZoom, onStep}: Props,
  layout: Layout,
): Brush {
  const drag = useRef<(Drag & {far: boolean}) | null>(null);
  const clicked = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(clicked.current), []);
  const [drawn, setDrawn] = useState<Zoom | null>(null);
  const at = (event: PointerEvent): number =>
    event.clientX - (track.current?.getBoundingClientRect().left ?? 0);
  const start = (event: PointerEvent): void => {
    if (event.button !== 0 || layout.width === 0) return;
    window.clearTimeout(clicked.current);
    track.current?.setPointerCapture(event.pointerId);
    const reach = event.pointerType === 'touch' ? TOUCH_REACH : REACH;
    const x = at(event);
    drag.current = {grip: gripAt(x, zoom, layout, reach), start: x, zoom, far: false};
  };
  const move = (event: PointerEvent): void => {
    const held = drag.current;
    if (held === null) return;
    const x = at(event);
    held.far ||= Math.abs(x - held.start) >= CLICK_PIXELS;
    if (!held.far) return;
    const next = dragged(held, x, all, layout);
    if (held.grip === 'new') setDrawn(next);
    else if (!sameZoom(next, zoom)) onZoom(next);
  };
  const release = (event: PointerEvent): void => {
    const held = drag.current;
    drag.current = null;
    setDrawn(null);
    if (held === null) return;
    const x = at(event);
    if (held.far) {
      if (held.grip === 'new') onZoom(dragged(held, x, all, layout));
    } else if (held.grip === 'window' || held.grip === 'new') {
      clicked.current = window.setTimeout(() => onStep(stepAt(layout, x)), DOUBLE_MS);
    }
  };
  const cancel = (): void => {
    const held = drag.current;
    drag.current = null;
    setDrawn(null);
    if (held !== null && held.far && !sameZoom(held.zoom, zoom)) onZoom(held.zoom);
  };
  const press = {
    onPointerDown: start,
    onPointerMove: move,
    onPointerUp: release,
    onPointerCancel: cancel,
    onDblClick: () => {
      window.clearTimeout(clicked.current);
      onZoom(null);
    },
  };
  return {shown: drawn ?? zoom, press};
}

function Range({
  shown,
  all,
  onZoom,
}: {
  shown: Zoom | null;
  all: Zoom;
  onZoom: Props['onZoom'];
}): JSX.Element {
  if (shown === null) return <span class="range">all steps: {windowWords(all)}</span>;
  return (
    <span class="range">
      {windowWords(shown)}
      <button type="button" onClick={() => onZoom(null)}>
        show all
      </button>
    </span>
  );
}

function windowWords({firstStep, lastStep}: Zoom): string {
  return firstStep === lastStep
    ? formatStep(firstStep)
    : `${formatStep(firstStep)}–${formatStep(lastStep)}`;
}

const SLIDER_NAMES: Record<Exclude<Grip, 'new'>, string> = {
  first: 'First step shown',
  last: 'Last step shown',
  window: 'Window of steps shown',
};

/** An end of the window, or all of it, for the keyboard; the pointer is the track's. */
function Slider({
  grip,
  shown,
  edges: [left, right],
  all,
  onZoom,
}: {
  grip: Exclude<Grip, 'new'>;
  shown: Zoom | null;
  edges: number[];
  all: Zoom;
  onZoom: Props['onZoom'];
}): JSX.Element {
  const window = shown ?? all;
  const {firstStep, lastStep} = window;
  const [least, now, most] = {
    first: [all.firstStep, firstStep, lastStep],
    last: [firstStep, lastStep, all.lastStep],
    window: [all.firstStep, firstStep, all.lastStep - widthOf(window) + 1],
  }[grip];
  const keyed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = stepsOfKey(event.key, event.shiftKey, all);
    if (steps === null) return;
    event.preventDefault();
    event.stopPropagation();
    const next = moved(grip, shown, steps, all);
    if (!sameZoom(next, shown)) onZoom(next);
  };
  const whole = grip === 'window';
  return (
    <div
      class={whole ? 'window' : `handle ${grip}`}
      role="slider"
      tabIndex={0}
      aria-label={SLIDER_NAMES[grip]}
      aria-orientation="horizontal"
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuenow={now}
      aria-valuetext={
        whole
          ? `steps ${formatStep(firstStep)} to ${formatStep(lastStep)}`
          : `step ${formatStep(now)}`
      }
      style={{
        left: `${grip === 'last' ? right : left}px`,
        ...(whole ? {width: `${Math.max(1, right - left)}px`} : {}),
      }}
      onKeyDown={keyed}
    />
  );
}

/** Alone follows the pointer: the brush around it stays as it is. */
function HoverLine({cursor, layout}: {cursor: Cursor; layout: Layout}): JSX.Element | null {
  return <StepLine kind="hovered" step={useCursor(cursor)} layout={layout} />;
}

function StepLine({
  kind,
  step,
  layout,
}: {
  kind: 'selected' | 'hovered';
  step: number | null;
  layout: Layout;
}): JSX.Element | null {
  if (step === null || step <= layout.low || step > layout.high || layout.width === 0) return null;
  return <div class={`step-line ${kind}`} style={{left: `${stepMiddle(layout, step)}px`}} />;
}

function lossWords({name, loss}: Props): string {
  if (loss === null || loss.last.length === 0) return `No loss of ${named(name)}`;
  const [first, last] = [0, loss.last.length - 1].map(row => middleAt(loss, row * loss.columns));
  const highest = loss.high.reduce(
    (most, value) => (value > most && value < Infinity ? value : most),
    -Infinity,
  );
  const ends = [first, last].filter(Number.isFinite);
  const peak = highest > Math.max(...ends) ? `, highest ${formatNumber(highest)}` : '';
  return `Loss of ${named(name)}: from ${formatNumber(first)} to ${formatNumber(last)}${peak}`;
}

/** Draws the loss over all steps; again only when the loss, its colour or the width changes. */
function useSparkline(
  {loss, all, color, dark}: Props,
  width: number,
): {current: HTMLCanvasElement | null} {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = usePixelRatio();
  const {firstStep, lastStep} = all;
  useLayoutEffect(() => {
    const node = canvas.current;
    const context = node?.getContext('2d');
    if (node == null || context == null || width === 0) return;
    node.width = Math.round(width * ratio);
    node.height = Math.round(node.clientHeight * ratio);
    if (loss === null) return;
    drawLoss(context, sparkline(loss, {firstStep, lastStep}, node.width), color, dark, ratio);
  }, [loss, firstStep, lastStep, color, dark, width, ratio]);
  return canvas;
}

const ODD_HEIGHT = 3;

function drawLoss(
  context: CanvasRenderingContext2D,
  stretches: readonly LossStretch[],
  color: string,
  dark: boolean,
  ratio: number,
): void {
  const {height} = context.canvas;
  const room = height - 2 * (ODD_HEIGHT + 1) * ratio;
  // The lowest loss is a line above the ground, too.
  const y = (part: number): number => height - (ODD_HEIGHT + 1) * ratio - part * room;
  const area = new Path2D();
  const band = new Path2D();
  const line = new Path2D();
  let joined = false;
  for (const {left, right, low, mean, high} of stretches) {
    if (Number.isNaN(mean)) {
      joined = false;
      continue;
    }
    area.rect(left, y(mean), right - left, height - y(mean));
    if (high > low) band.rect(left, y(high), right - left, y(low) - y(high));
    if (joined) line.lineTo((left + right) / 2, y(mean));
    else line.moveTo(left, y(mean));
    joined = true;
  }
  context.fillStyle = color;
  context.globalAlpha = dark ? 0.3 : 0.2;
  context.fill(area);
  context.globalAlpha = 0.35;
  context.fill(band);
  context.globalAlpha = 1;
  context.strokeStyle = color;
  context.lineWidth = 1.25 * ratio;
  context.lineJoin = 'round';
  context.stroke(line);
  context.fillStyle = MARKS.nan.color;
  for (const {left, right, odd} of stretches)
    if (odd) context.fillRect(left, 0, Math.max(2 * ratio, right - left), ODD_HEIGHT * ratio);
}
