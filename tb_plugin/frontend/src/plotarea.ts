/** Where a chart's plot lies in its box, in CSS pixels, and where steps and values lie in it. Pure. */

import type {Scale} from './api.ts';
import type {StepAxis} from './axis.ts';

/** What the axes and the labels at the ends take. */
export const MARGIN = {left: 58, right: 26, top: 8, bottom: 28} as const;

export interface PlotArea {
  width: number;
  height: number;
  axis: StepAxis;
  scale: Scale;
  range: readonly [low: number, high: number];
}

export function plotWidth({width}: Pick<PlotArea, 'width'>): number {
  return Math.max(1, width - MARGIN.left - MARGIN.right);
}

export function plotHeight({height}: Pick<PlotArea, 'height'>): number {
  return Math.max(1, height - MARGIN.top - MARGIN.bottom);
}

/** The part of the plot's width at which a step lies; null for one that is not in the window. */
export function stepPart({axis}: Pick<PlotArea, 'axis'>, step: number): number | null {
  const place = axis.place(step);
  if (place === null || place < axis.low || place > axis.high) return null;
  return (place - axis.low) / (axis.high - axis.low);
}

/** The part of the plot's height at which a value lies, 0 at the bottom, also beyond it; NaN for none on the scale. */
export function valuePart(
  {scale, range}: Pick<PlotArea, 'scale' | 'range'>,
  value: number,
): number {
  const [low, high] = range;
  if (scale === 'linear') return (value - low) / (high - low);
  return value > 0 ? Math.log(value / low) / Math.log(high / low) : NaN;
}

/** Where a step lies in the box. */
export function stepLeft(area: PlotArea, step: number): number | null {
  const part = stepPart(area, step);
  return part === null ? null : MARGIN.left + part * plotWidth(area);
}

/** Where a value lies in the box. */
export function valueTop(area: PlotArea, value: number): number {
  return MARGIN.top + (1 - valuePart(area, value)) * plotHeight(area);
}
