import assert from 'node:assert/strict';
import {test} from 'node:test';

import {layerCharts} from '../src/charts.ts';
import {run} from './runs.ts';

const ADAMAX = run('a', {
  statistics: ['gradient_norm', 'm_rms', 'u_min', 'u_mean', 'u_max', 'dead_units'],
});
const SGD = run('s', {statistics: ['gradient_norm', 'momentum_rms']});

function names(...given: Parameters<typeof layerCharts>): string[] {
  return layerCharts(...given).map(({name}) => name);
}

test('a layer has no chart of what none of the runs records', () => {
  assert.deepEqual(names('gradient_norm', [ADAMAX]), ['gradient_norm', 'm_rms', 'u_mean']);
  assert.deepEqual(names('gradient_norm', [SGD]), ['gradient_norm', 'momentum_rms']);
  assert.deepEqual(names('gradient_norm', [ADAMAX, SGD]), [
    'gradient_norm',
    'm_rms',
    'momentum_rms',
    'u_mean',
  ]);
  assert.deepEqual(names('gradient_norm', []), []);
});

test('the selected statistic has a chart once, where a run records it', () => {
  assert.deepEqual(names('dead_units', [ADAMAX]), [
    'gradient_norm',
    'm_rms',
    'u_mean',
    'dead_units',
  ]);
  assert.deepEqual(names('u_mean', [ADAMAX]), ['gradient_norm', 'm_rms', 'u_mean']);
  assert.deepEqual(names('dead_units', [SGD]), ['gradient_norm', 'momentum_rms']);
});

test('whatever has a band says what it is', () => {
  for (const statistics of ['u', 'v', 'accumulator'].map(name => [`${name}_mean`])) {
    const [chart] = layerCharts('gradient_norm', [run('a', {statistics})]);
    const [letter] = statistics[0].split('_');
    assert.deepEqual([chart.low, chart.high], [`${letter}_min`, `${letter}_max`]);
    assert.match(chart.band ?? '', /smallest/);
  }
  const [norm] = layerCharts('gradient_norm', [ADAMAX]);
  assert.equal(norm.high, 'gradient_norm_peak');
  assert.match(norm.band ?? '', /largest of all steps since the record before/);
});
