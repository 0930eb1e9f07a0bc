/** The brush over a whole run: what a drag or a key makes of the window, and the loss as a small line. Pure. */

import type {Table} from './api.ts';
import {middleAt} from './curves.ts';
import {stepAt, stepX, type Layout} from './layout.ts';
import {stretchesOf} from './raster.ts';
import {domainOf, positions} from './scale.ts';
import {hasNumber, kindOf} from './table.ts';
import {panned, widthOf, type Zoom} from './zoom.ts';

/** What of the window is held: its first step, its last one, all of it, or nothing: a new one begins. */
export type Grip = 'first' | 'last' | 'window' | 'new';

/** A drag from where it began, in CSS pixels, and the window that there was then. */
export interface Drag {
  grip: Grip;
  start: number;
  zoom: Zoom | null;
}

/** All steps of a run across `width` CSS pixels. */
export function layoutOf(all: Zoom, width: number): Layout {
  return {low: all.firstStep - 1, high: all.lastStep, width, rows: 1, rowHeight: 1};
}

/** Where a window begins and ends; all of the width without one. */
export function edgesOf(zoom: Zoom | null, layout: Layout): [left: number, right: number] {
  if (zoom === null) return [0, layout.width];
  return [stepX(layout, zoom.firstStep - 1), stepX(layout, zoom.lastStep)];
}

/** What a press at x takes hold of: the nearer handle within reach, else the window, else nothing. */
export function gripAt(x: number, zoom: Zoom | null, layout: Layout, reach: number): Grip {
  const [left, right] = edgesOf(zoom, layout);
  const [toLeft, toRight] = [Math.abs(x - left), Math.abs(x - right)];
  // Of a window narrower than its handles, the side that the press is on.
  if (Math.min(toLeft, toRight) <= reach && (right - left >= 3 * reach || x < left || x > right))
    return toLeft < toRight ? 'first' : 'last';
  return zoom !== null && left <= x && x <= right ? 'window' : 'new';
}

/** The window when the pointer is at x; null for all steps. */
export function dragged(
  {grip, start, zoom}: Drag,
  x: number,
  all: Zoom,
  layout: Layout,
): Zoom | null {
  if (grip === 'new') {
    const [one, other] = [stepAt(layout, start), stepAt(layout, x)];
    return checked({firstStep: Math.min(one, other), lastStep: Math.max(one, other)}, all);
  }
  const steps = Math.round(((x - start) / layout.width) * (layout.high - layout.low));
  return moved(grip, zoom, steps, all);
}

/** The window with an end, or all of it, so many steps further; it keeps one step, and stays inside of `all`. */
export function moved(
  grip: Exclude<Grip, 'new'>,
  zoom: Zoom | null,
  steps: number,
  all: Zoom,
): Zoom | null {
  if (grip === 'window') return zoom === null ? null : panned(zoom, all, steps / widthOf(zoom));
  const {firstStep, lastStep} = zoom ?? all;
  return checked(
    grip === 'first'
      ? {firstStep: Math.min(firstStep + steps, lastStep), lastStep}
      : {firstStep, lastStep: Math.max(lastStep + steps, firstStep)},
    all,
  );
}

/** Inside of all steps; null when it is all of them. */
function checked({firstStep, lastStep}: Zoom, all: Zoom): Zoom | null {
  const clamp = (step: number): number => Math.min(all.lastStep, Math.max(all.firstStep, step));
  const [first, last] = [clamp(firstStep), clamp(lastStep)];
  if (first === all.firstStep && last === all.lastStep) return null;
  return {firstStep: first, lastStep: last};
}

const KEY_PART = 0.01;
const FAR_PART = 0.1;

/**
 * How far a key moves what is held, in steps: a hundredth of all, with Shift a tenth; without end for Home and End.
 * Null for a key that means nothing here.
 */
export function stepsOfKey(key: string, far: boolean, all: Zoom): number | null {
  const part = (of: number): number => Math.max(1, Math.round(of * widthOf(all)));
  const own = part(far ? FAR_PART : KEY_PART);
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return -own;
    case 'ArrowRight':
    case 'ArrowUp':
      return own;
    case 'PageDown':
      return -part(FAR_PART);
    case 'PageUp':
      return part(FAR_PART);
    case 'Home':
      return -widthOf(all);
    case 'End':
      return widthOf(all);
    default:
      return null;
  }
}

/** A stretch of the loss, in pixels; heights from 0 at the bottom to 1 at the top, NaN without a number. */
export interface LossStretch {
  left: number;
  right: number;
  low: number;
  mean: number;
  high: number;
  /** Whether NaN or an infinity is among the losses. */
  odd: boolean;
}

/** A table of the loss and its peaks across all steps, on a log scale while every number is above zero. */
export function sparkline(table: Table, all: Zoom, pixels: number): LossStretch[] {
  const positive = table.low.every(value => !(value <= 0 && value > -Infinity));
  const domain = domainOf(table, positive ? 'log' : 'linear');
  const place = domain === null ? () => NaN : positions(domain);
  const stretches = stretchesOf(table, all.firstStep - 1, all.lastStep, pixels);
  return stretches.map(({left, right, from, to}) => {
    let [low, high, sum, count, odd] = [Infinity, -Infinity, 0, 0, false];
    for (let row = from; row < to; row++) {
      const [loss, peak] = [2 * row, 2 * row + 1];
      const kinds = [loss, peak].map(at => kindOf(table, at, 'linear'));
      odd ||= kinds.some(kind => kind !== 'number' && kind !== 'missing');
      if (!hasNumber(table, loss)) continue;
      low = Math.min(low, table.low[loss]);
      high = Math.max(high, table.high[hasNumber(table, peak) ? peak : loss]);
      sum += middleAt(table, loss);
      count++;
    }
    if (count === 0) return {left, right, low: NaN, mean: NaN, high: NaN, odd};
    return {left, right, low: place(low), mean: place(sum / count), high: place(high), odd};
  });
}
