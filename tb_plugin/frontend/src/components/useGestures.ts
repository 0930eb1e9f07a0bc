/** Panning and zooming of a plot by wheel and keyboard. */

import type {RefObject} from 'preact';
import {useEffect, useRef} from 'preact/hooks';

import {stepAt, type Layout} from '../layout.ts';
import {panned, sameZoom, scaled, turned, widthOf, type Rest, type Turn, type Zoom} from '../zoom.ts';

interface Gestures {
  zoom: Zoom | null;
  all: Zoom;
  layout: Layout;
  /** The selected step, around which the keyboard zooms while it is in view. */
  step: number | null;
  onZoom: (zoom: Zoom | null) => void;
  /** What Escape does where there is no zoom to leave. */
  onEscape?: () => void;
}

const PAN_PART = 0.1;
const KEY_FACTOR = 1.5;
/** The natural logarithm of how much wider the window gets per pixel of the wheel; a notch has about 100. */
const WHEEL_RATE = 0.003;
const LINE_PIXELS = 16;

/** Listens to the wheel over the plot; returns what is to listen to its keys. */
export function useGestures(
  plot: RefObject<HTMLElement | null>,
  gestures: Gestures,
): (event: KeyboardEvent) => void {
  const latest = useRef(gestures);
  latest.current = gestures;
  useEffect(() => {
    const node = plot.current;
    if (node === null) return;
    let left: Rest = {pan: 0, scale: 0, zoom: null};
    const wheel = (event: WheelEvent): void => {
      const {pan, scale} = turnOf(event);
      if (pan === 0 && scale === 0) return;
      event.preventDefault();
      const {zoom, all, layout, onZoom} = latest.current;
      if (layout.width === 0) return;
      const turn = {pan: pan / layout.width, scale: scale * WHEEL_RATE};
      const x = event.clientX - node.getBoundingClientRect().left;
      const {next, rest} = turned(left, turn, all, zoom, stepAt(layout, x));
      left = rest;
      if (!sameZoom(next, zoom)) onZoom(next);
    };
    // Not passive: the page around must neither scroll nor zoom, too.
    node.addEventListener('wheel', wheel, {passive: false});
    return () => node.removeEventListener('wheel', wheel);
  }, [plot]);
  return event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const {zoom, onZoom, onEscape} = latest.current;
    if (event.key === 'Escape' && zoom === null && onEscape !== undefined) {
      event.preventDefault();
      onEscape();
      return;
    }
    const next = afterKey(event.key, latest.current);
    if (next === undefined) return;
    event.preventDefault();
    if (!sameZoom(next, zoom)) onZoom(next);
  };
}

/** How far a wheel asks to pan or to zoom, in pixels; neither when it is to scroll. */
function turnOf(event: WheelEvent): Turn {
  const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : LINE_PIXELS;
  const {deltaX, deltaY} = event;
  if (event.ctrlKey || event.metaKey) return {pan: 0, scale: deltaY * unit};
  if (event.shiftKey) return {pan: (deltaX === 0 ? deltaY : deltaX) * unit, scale: 0};
  return {pan: Math.abs(deltaX) > Math.abs(deltaY) ? deltaX * unit : 0, scale: 0};
}

/** The window after a key; undefined for a key that means nothing here. */
function afterKey(key: string, {zoom, all, layout, step}: Gestures): Zoom | null | undefined {
  const {low, high} = layout;
  const pan = zoom === null ? 0 : Math.max(PAN_PART, 1 / widthOf(zoom));
  const around = step !== null && low < step && step <= high ? step : (low + 1 + high) / 2;
  switch (key) {
    case 'ArrowLeft':
      return panned(zoom, all, -pan);
    case 'ArrowRight':
      return panned(zoom, all, pan);
    case '+':
    case '=':
      return scaled(zoom, all, 1 / KEY_FACTOR, around);
    case '-':
      return scaled(zoom, all, KEY_FACTOR, around);
    case '0':
    case 'Escape':
      return null;
    default:
      return undefined;
  }
}
