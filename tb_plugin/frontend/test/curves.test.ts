import assert from 'node:assert/strict';
import {test} from 'node:test';

import {chartWords, curveOf, spansOf, spanWords, valueAt, valueRange} from '../src/curves.ts';
import {elide, formatNumber, formatPercent} from '../src/format.ts';
import {run} from './runs.ts';
import {decodeTable} from '../src/api.ts';
import {encodeTable, tableOf} from './table.ts';

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
    {gap: 'nan', firstStep: 2, lastStep: 3, between: false},
    {gap: 'posinf', firstStep: 4, lastStep: 4, between: false},
    {gap: 'posinf', firstStep: 6, lastStep: 6, between: false},
    {gap: 'zero', firstStep: 7, lastStep: 7, between: false},
  ]);
});

test('where every step has its row, a missing step ends a span', () => {
  const table = decodeTable(encodeTable([4, 5, 9], [[NaN], [NaN], [NaN]]));
  const ends = (everyStep: boolean): number[] =>
    spansOf(table, 0, 'log', everyStep).map(({lastStep}) => lastStep);
  assert.deepEqual([ends(true), ends(false)], [[5, 9], [9]]);
});

test('a peak that is no number is told, though every record is one', () => {
  const rows = [
    [1, 1],
    [1, Infinity],
    [1, Infinity],
    [NaN, NaN],
    [0, NaN],
  ];
  const table = decodeTable(encodeTable([10, 20, 30, 40, 50], rows));
  const curve = curveOf(run('a'), '#000', table, NAMES, show);
  assert.ok(curve !== null);
  assert.deepEqual(curve.spans, [
    {gap: 'posinf', firstStep: 10, lastStep: 30, between: true},
    {gap: 'nan', firstStep: 40, lastStep: 40, between: false},
    {gap: 'nan', firstStep: 40, lastStep: 50, between: true},
    {gap: 'zero', firstStep: 50, lastStep: 50, between: false},
  ]);
  assert.equal(spanWords(curve), 'a: +∞ between steps 10 and 30, NaN at step 40, and 2 more');
  assert.deepEqual(
    [5, 10, 20, 35, 40, 50].map(step => valueAt(curve, step)),
    ['–', '1', '1 (to +∞)', '1 (to +∞)', 'NaN', '0 (to NaN)'],
  );
});

test('a value is told with its band, where that says more', () => {
  const at = (...cells: number[]): string => {
    const bands = {...show, name: 'mean', low: 'min', high: 'max'};
    const curve = curveOf(run('a'), '#000', tableOf([cells]), ['mean', 'max', 'min'], bands);
    return curve === null ? '' : valueAt(curve, 1);
  };
  assert.deepEqual(
    [at(2, 3, 1), at(2, 2, 2), at(2, 3), at(2, 2)],
    ['2 (1 to 3)', '2', '2 (to 3)', '2'],
  );
});

test('a chart is told in words, with the highest of its bands', () => {
  const table = tableOf([
    [2, 2],
    [1, 50],
    [NaN, NaN],
  ]);
  const curve = curveOf(run('a'), '#000', table, NAMES, show);
  assert.ok(curve !== null);
  assert.equal(
    chartWords('Gradient norm', [curve]),
    'Gradient norm; a 2 at step 1 to NaN at step 3, highest 50',
  );
  assert.equal(chartWords('Loss', []), 'Loss');
});

test('a part of a whole has two digits, and is never nothing', () => {
  const parts = [0, 1e-5, 0.00099, 0.001, 0.0134, 0.0999, 0.12345, 0.994, 0.997, 1, 1.5];
  assert.deepEqual(parts.map(formatPercent), [
    'under 0.1 %',
    'under 0.1 %',
    'under 0.1 %',
    '0.10 %',
    '1.3 %',
    '10 %',
    '12 %',
    '99 %',
    '100 %',
    '100 %',
    '150 %',
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
