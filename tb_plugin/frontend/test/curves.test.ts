import assert from 'node:assert/strict';
import {test} from 'node:test';

import {curveOf, spansOf, spanWords, valueRange} from '../src/curves.ts';
import {formatNumber, elide} from '../src/format.ts';
import {run} from './runs.ts';
import {tableOf} from './table.ts';

const NAMES = ['gradient_norm', 'gradient_norm_peak'];
const show = {name: 'gradient_norm', low: null, high: 'gradient_norm_peak', scale: 'log'} as const;

test('what is no point of a log line is a gap: NaN, infinity, zero, not recorded', () => {
  const table = tableOf([
    [2, 3],
    [NaN, 3],
    [Infinity, 3],
    [0, 3],
    ['missing', 3],
    [4, 5],
  ]);
  const curve = curveOf(run('a'), '#000', table, NAMES, show);
  assert.deepEqual(curve?.values, [2, null, null, null, null, 4]);
  assert.deepEqual(curve?.high, [3, 3, 3, 3, 3, 5]);
});

test('zero is a point of a linear line', () => {
  const curve = curveOf(run('a'), '#000', tableOf([[0, 0]]), NAMES, {...show, scale: 'linear'});
  assert.deepEqual(curve?.values, [0]);
});

test('a run that lacks the statistic has no curve, and one that lacks the edge no band', () => {
  assert.equal(curveOf(run('a'), '#000', tableOf([[1]]), ['loss'], show), null);
  assert.equal(curveOf(run('a'), '#000', tableOf([[1]]), ['gradient_norm'], show)?.high, null);
});

test('gaps of one kind that follow each other are one span; not recorded is none', () => {
  const table = tableOf([[1], [NaN], [NaN], [Infinity], ['missing'], [Infinity], [0]]);
  assert.deepEqual(spansOf(table, 0, 'log'), [
    {gap: 'nan', firstStep: 2, lastStep: 3},
    {gap: 'posinf', firstStep: 4, lastStep: 4},
    {gap: 'posinf', firstStep: 6, lastStep: 6},
    {gap: 'zero', firstStep: 7, lastStep: 7},
  ]);
});

test('spans are told in words', () => {
  const curve = curveOf(
    run('a'),
    '#000',
    tableOf([
      [1, 1],
      [NaN, 1],
      [NaN, 1],
      [Infinity, 1],
      [0, 1],
    ]),
    NAMES,
    show,
  );
  assert.ok(curve !== null);
  assert.equal(spanWords(curve), 'a: NaN at steps 2–3, +∞ at step 4, and 1 more');
});

test('a range holds all lines, differs at its ends, and stays positive on a log scale', () => {
  for (const scale of ['log', 'linear'] as const) {
    for (const rows of [
      [[1, 1]],
      [[1e-30, 1e30]],
      [[NaN, NaN]],
      [
        [3, 3],
        [3, 3],
      ],
    ]) {
      const curve = curveOf(run('a'), '#000', tableOf(rows), NAMES, {...show, scale});
      assert.ok(curve !== null);
      const [low, high] = valueRange([curve], scale);
      assert.ok(
        low < high && Number.isFinite(low) && Number.isFinite(high),
        `${scale} ${rows}: ${low}–${high}`,
      );
      assert.ok(scale === 'linear' || low > 0);
      for (const value of curve.values)
        assert.ok(value === null || (low <= value && value <= high));
    }
  }
});

test('numbers are short and names keep their ends', () => {
  const texts = [0, 1, 1200, 0.0123456, 1.23e-7, 1e9, 123456.7, NaN, Infinity, -Infinity].map(
    formatNumber,
  );
  assert.deepEqual(texts, [
    '0',
    '1',
    '1,200',
    '0.01235',
    '1.23e-7',
    '1e9',
    '123,500',
    'NaN',
    '∞',
    '−∞',
  ]);
  assert.equal(elide('encoder/block_12/attention/query/kernel', 20), 'encoder…query/kernel');
  assert.equal(elide('dense/kernel', 20), 'dense/kernel');
});
