/** Panning and zooming of a plot by wheel and keyboard. */

import type {RefObject} from 'preact';
import {useEffect, useRef} from 'preact/hooks';

import {stepAt, type Layout} from '../layout.ts';
import {panned, sameZoom, scaled, widthOf, type Zoom} from '../zoom.ts';

interface Gestures {
  zoom: Zoom | null;
  all: Zoom;
  layout: Layout;
  /** The selected step, around which the keyboard zooms while it is in view. */
  step: number | null;
  onZoom: (zoom: Zoom | null) => void;
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
    // What has not moved the window by a step yet: a slow swipe over few steps adds up.
    let turned = {pan: 0, scale: 0};
    const wheel = (event: WheelEvent): void => {
      const {pan, scale} = turnOf(event);
      if (pan === 0 && scale === 0) return;
      event.preventDefault();
      const {zoom, all, layout, onZoom} = latest.current;
      turned = {pan: turned.pan + pan, scale: turned.scale + scale};
      const x = event.clientX - node.getBoundingClientRect().left;
      const next =
        scale === 0
          ? panned(zoom, all, turned.pan / layout.width)
          : scaled(zoom, all, Math.exp(turned.scale * WHEEL_RATE), stepAt(layout, x));
      if (sameZoom(next, zoom)) return;
      turned = {pan: 0, scale: 0};
      onZoom(next);
    };
    // Not passive: the page around must neither scroll nor zoom, too.
    node.addEventListener('wheel', wheel, {passive: false});
    return () => node.removeEventListener('wheel', wheel);
  }, [plot]);
  return event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const {zoom, onZoom} = latest.current;
    const next = afterKey(event.key, latest.current);
    if (next === undefined) return;
    event.preventDefault();
    if (!sameZoom(next, zoom)) onZoom(next);
  };
}

/** How far a wheel asks to pan or to zoom, in pixels; neither when it is to scroll. */
function turnOf(event: WheelEvent): {pan: number; scale: number} {
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
