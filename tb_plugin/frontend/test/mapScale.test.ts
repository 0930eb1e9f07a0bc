import assert from 'node:assert/strict';
import {test} from 'vitest';

import {MARK} from '../src/api.ts';
import {rowsWithin, sameDomain, sharedDomain} from '../src/mapScale.ts';
import {statisticGroups} from '../src/statisticGroups.ts';
import {reducedOf, tableOf} from './table.ts';

test('a scale holds the values of all tables', () => {
  const [one, other] = [tableOf([[1, 10]]), tableOf([[0.1, NaN, 5]])];
  const {low, high} = sharedDomain([one, other], 'log') ?? {};
  assert.deepEqual([low, high], [Math.fround(0.1), 10]);
});

test('tables without a finite number have no part in it', () => {
  const nothing = tableOf([[NaN, Infinity, 'missing']]);
  assert.equal(sharedDomain([nothing, nothing], 'log'), null);
  assert.equal(sharedDomain([], 'linear'), null);
  assert.deepEqual(sharedDomain([nothing, tableOf([[2, 4]])], 'linear'), {
    scale: 'linear',
    low: 2,
    high: 4,
  });
});

test('every statistic is in one group, and a group without any is left out', () => {
  const named = (name: string) =>
    ({name, label: '', description: '', unit: '', scale: 'log'}) as const;
  const groups = statisticGroups(
    ['weight_norm', 'u_mean', 'gradient_norm', 'update_rms', 'nonfinite', 'momentum_rms'].map(
      named,
    ),
  );
  assert.deepEqual(
    groups.map(({label, statistics}) => [label, ...statistics.map(({name}) => name)]),
    [
      ['Gradient', 'gradient_norm', 'nonfinite'],
      ['Moments', 'u_mean', 'momentum_rms'],
      ['Update', 'update_rms'],
      ['Weights and units', 'weight_norm'],
    ],
  );
  assert.deepEqual(statisticGroups([]), []);
});

test('a window has the rows that are seen in it, also those that are only partly there', () => {
  const table = reducedOf(10, [{high: 1}, {high: 2}, {high: 3}, {high: 4}]);
  const within = (firstStep: number, lastStep: number): number[] => [
    ...rowsWithin(table, {firstStep, lastStep}).high,
  ];
  assert.deepEqual(within(1, 40), [1, 2, 3, 4]);
  assert.deepEqual(within(11, 20), [2]);
  assert.deepEqual(within(10, 21), [1, 2, 3]);
  assert.deepEqual(within(15, 15), [2]);
  assert.deepEqual(within(41, 90), []);
  assert.deepEqual([...rowsWithin(tableOf([]), {firstStep: 1, lastStep: 9}).high], []);
});

test('what is in a window is a table like the whole, and its colours span no more', () => {
  const exact = rowsWithin(tableOf([[1, 100], [2, NaN], [3, 50]]), {firstStep: 2, lastStep: 3});
  assert.equal(exact.low, exact.high);
  assert.deepEqual([...exact.last], [2, 3]);
  assert.deepEqual(sharedDomain([exact], 'log'), {scale: 'log', low: 2, high: 50});
  const reduced = reducedOf(2, [{low: 1, high: 9, marks: 0}, {low: 3, high: 4, marks: MARK.nan}]);
  const {low, high, marks} = rowsWithin(reduced, {firstStep: 3, lastStep: 4});
  assert.deepEqual([[...low], [...high], [...(marks ?? [])]], [[3], [4], [MARK.nan]]);
});

test('spans are the same when they hold the same', () => {
  const span = {scale: 'log', low: 1, high: 2} as const;
  assert.ok(sameDomain(span, {...span}) && sameDomain(null, null));
  assert.ok(!sameDomain(span, {...span, high: 3}) && !sameDomain(span, null));
});

test('room is made around a single value only where no table has another', () => {
  const [constant, other] = [tableOf([[5], [5]]), tableOf([[4], [6]])];
  assert.deepEqual(sharedDomain([constant, other], 'log'), {scale: 'log', low: 4, high: 6});
  assert.deepEqual(sharedDomain([constant, constant], 'log'), {scale: 'log', low: 0.5, high: 50});
});
