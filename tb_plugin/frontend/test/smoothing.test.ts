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
  // To the last digit, of which a chart of nothing else would be made.
  const level = Array.from({length: 200}, () => 0.001);
  for (const weight of [0.3, 0.9, 0.95]) assert.deepEqual(smoothed(level, weight), level);
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
  assert.equal(smoothedCurve(curve, 0, 'log'), curve);
  const smooth = smoothedCurve(curve, 0.5, 'linear');
  assert.deepEqual(smooth.raw, [1, null, 3]);
  assert.deepEqual(smooth.values, [1, null, 1 + 2 / 1.5]);
  assert.deepEqual([smooth.low, smooth.high, smooth.spans], [curve.low, curve.high, curve.spans]);
});

test('what is typed as a weight is kept within its bounds', () => {
  const typed = ['0.5', '0.999', '1', '-1', '', 'x', '0.123'].map(smoothingOf);
  assert.deepEqual(typed, [0.5, 0.99, 0.99, 0, 0, 0, 0.12]);
});

test('on a log scale the logarithms are averaged', () => {
  const [, second] = smoothed([1, 1e-24], 0.5, 'log');
  // The mean of log 1 with a half of the weight and log 1e-24 with all of it.
  assert.ok(second !== null && Math.abs(Math.log10(second) + 16) < 1e-9);
  const points = [3e-5, 1, null, 400, 1e-30];
  const logs = direct(
    points.map(value => value && Math.log(value)),
    0.9,
  );
  smoothed(points, 0.9, 'log').forEach((value, at) => {
    const wanted = logs[at];
    if (value === null || wanted === null) assert.equal(value, wanted);
    else assert.ok(Math.abs(Math.log(value) - wanted) < 1e-9, `${at}`);
  });
  const level = Array.from({length: 200}, () => 0.001);
  assert.deepEqual(smoothed(level, 0.95, 'log'), level);
});

test('a curve is smoothed as its scale asks for', () => {
  const look = {label: 'a', color: '#000000', dash: [], width: 1};
  const show = {name: 'x', low: null, high: null, scale: 'log'} as const;
  const curve = curveOf(run('a'), look, tableOf([[1], [Infinity], [4]]), ['x'], show);
  assert.ok(curve !== null);
  const [one, other] = (['linear', 'log'] as const).map(scale => smoothedCurve(curve, 0.5, scale));
  assert.equal(one.values[2], 3);
  assert.ok(Math.abs((other.values[2] ?? 0) - 4 ** (2 / 3)) < 1e-9);
  assert.deepEqual([other.values[1], other.spans], [null, curve.spans]);
});
