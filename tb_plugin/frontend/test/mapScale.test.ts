import assert from 'node:assert/strict';
import {test} from 'vitest';

import {sharedDomain} from '../src/mapScale.ts';
import {statisticGroups} from '../src/statisticGroups.ts';
import {tableOf} from './table.ts';

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
