import assert from 'node:assert/strict';
import {test} from 'vitest';

import {curveOf} from '../src/curves.ts';
import {smoothed, smoothedCurve, smoothingOf} from '../src/smoothing.ts';
import {run} from './runs.ts';
import {tableOf} from './table.ts';

/** Each point as the weighted mean of itself and all before it, one by one. */
function direct(points: readonly (number | null)[], weight: number): (number | null)[] {
  return points.map((value, at) => {
    if (value === null) return null;
    const before = points.slice(0, at + 1).filter(point => point !== null);
    const weights = before.map((_, nth) => weight ** (before.length - 1 - nth));
    const sum = before.reduce((total, point, nth) => total + point * weights[nth], 0);
    return sum / weights.reduce((total, one) => total + one, 0);
  });
}

test('a smoothed line is the debiased exponential moving average', () => {
  const points = [3, 1, null, 4, 1, 5, null, null, 9, 2, 6];
  for (const weight of [0.3, 0.6, 0.99]) {
    smoothed(points, weight).forEach((value, at) => {
      const wanted = direct(points, weight)[at];
      if (value === null || wanted === null) assert.equal(value, wanted);
      else assert.ok(Math.abs(value - wanted) < 1e-12 * Math.abs(wanted), `${weight}, ${at}`);
    });
  }
});

test('the first point stays where it is, and a line without bends, too', () => {
  assert.equal(smoothed([7, 1], 0.99)[0], 7);
  for (const value of smoothed([2, 2, 2, 2], 0.9)) assert.ok(Math.abs((value ?? 0) - 2) < 1e-12);
  assert.deepEqual(smoothed([], 0.5), []);
});

test('without smoothing a curve is the same one; with it its points and band are kept', () => {
  const show = {name: 'x', low: 'low', high: 'high', scale: 'log'} as const;
  const look = {label: 'a', color: '#000000', dash: [], width: 1};
  const table = tableOf([
    [1, 0.5, 2],
    [NaN, 0.5, 2],
    [3, 0.5, 4],
  ]);
  const curve = curveOf(run('a'), look, table, ['x', 'low', 'high'], show);
  assert.ok(curve !== null);
  assert.equal(smoothedCurve(curve, 0), curve);
  const smooth = smoothedCurve(curve, 0.5);
  assert.deepEqual(smooth.raw, [1, null, 3]);
  assert.deepEqual(smooth.values, [1, null, 1.75 / 0.75]);
  assert.deepEqual([smooth.low, smooth.high, smooth.spans], [curve.low, curve.high, curve.spans]);
});

test('what is typed as a weight is kept within its bounds', () => {
  const typed = ['0.5', '0.999', '1', '-1', '', 'x', '0.123'].map(smoothingOf);
  assert.deepEqual(typed, [0.5, 0.99, 0.99, 0, 0, 0, 0.12]);
});
