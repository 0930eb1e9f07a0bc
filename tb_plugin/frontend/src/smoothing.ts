/** Smoothing of lines, as TensorBoard does it: an exponential moving average, row after row. Pure. */

import type {Scale} from './api.ts';
import type {Curve, Points} from './curves.ts';

/** The most that TensorBoard's own slider offers. */
export const MOST_SMOOTHING = 0.99;

/**
 * The debiased exponential moving average: the mean of a point and all before it, each weighing `weight` times what the
 * next one does. What is no point is passed over and stays none. On a log scale it is the geometric mean: as far as the
 * eye sees there, 1 and 1e-24 are as far from their middle.
 *
 * @param weight 0 leaves the points as they are; below 1.
 */
export function smoothed(points: Points, weight: number, scale: Scale = 'linear'): Points {
  const first = points.find(value => value !== null) ?? 1;
  let [mean, weights] = [0, 0];
  return points.map(value => {
    if (value === null) return null;
    weights = weight * weights + 1;
    // What stays the same stays so to the last digit: a chart would show what rounding makes of it.
    mean += ((scale === 'log' ? Math.log(value / first) : value) - mean) / weights;
    return scale === 'log' ? first * Math.exp(mean) : mean;
  });
}

/** The curve with a smoothed line; its own one stays as `raw`, and its band as it is. */
export function smoothedCurve(curve: Curve, weight: number, scale: Scale): Curve {
  if (weight === 0) return curve;
  return {...curve, raw: curve.values, values: smoothed(curve.values, weight, scale)};
}

/** What was typed or slid as a weight: within its bounds, to two digits; 0 for what is no number. */
export function smoothingOf(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) return 0;
  return Math.round(100 * Math.min(MOST_SMOOTHING, Math.max(0, value))) / 100;
}
