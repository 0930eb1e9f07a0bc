import assert from 'node:assert/strict';
import {test} from 'vitest';

import {describedUnit, layerCharts, referenceOf} from '../src/charts.ts';
import {run} from './runs.ts';

const ADAMAX = run('a', {
  statistics: ['gradient_norm', 'm_rms', 'u_min', 'u_mean', 'u_max', 'dead_units'],
});
const SGD = run('s', {statistics: ['gradient_norm', 'momentum_rms']});

function names(...given: Parameters<typeof layerCharts>): string[] {
  return layerCharts(...given).map(({name}) => name);
}

test('a layer has no chart of what none of the runs records', () => {
  assert.deepEqual(names('gradient_norm', [ADAMAX]), [
    'gradient_norm',
    'm_rms',
    'u_mean',
    'dead_units',
  ]);
  assert.deepEqual(names('gradient_norm', [SGD]), ['gradient_norm', 'momentum_rms']);
  assert.deepEqual(names('gradient_norm', [ADAMAX, SGD]), [
    'gradient_norm',
    'm_rms',
    'momentum_rms',
    'u_mean',
    'dead_units',
  ]);
  assert.deepEqual(names('gradient_norm', []), []);
});

test('the selected statistic has a chart once, where a run records it', () => {
  const rich = run('a', {statistics: ['gradient_norm', 'u_mean', 'u_zeros']});
  assert.deepEqual(names('u_zeros', [rich]), ['gradient_norm', 'u_mean', 'u_zeros']);
  assert.deepEqual(names('u_mean', [rich]), ['gradient_norm', 'u_mean']);
  assert.deepEqual(names('u_zeros', [SGD]), ['gradient_norm', 'momentum_rms']);
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

test('the usual range of update over weight is there for every run, the noise floor only for AdaMax', () => {
  const adamax = (beta: number): ReturnType<typeof run> =>
    run('a', {optimizer: 'AdaMax', hyperparameters: [['beta_2', beta]]});
  const usual = referenceOf('update_ratio', [SGD]);
  assert.ok(usual !== null && usual.from < usual.to);
  assert.match(usual.words, /usual range, 0\.0002 to 0\.03/);
  assert.equal(referenceOf('saturation', [adamax(Math.fround(0.999))])?.from, 0.068);
  assert.equal(referenceOf('saturation', [adamax(0.99)]), null);
  assert.equal(referenceOf('saturation', [adamax(0.999), run('b', {optimizer: 'Adam'})]), null);
  assert.equal(referenceOf('gradient_norm', [SGD]), null);
  assert.equal(referenceOf('update_ratio', []), null);
});

test('a unit that is not clear by itself is explained', () => {
  assert.match(describedUnit('L2 norm.', 'loss per weight'), /change of the loss per change of a/);
  assert.equal(describedUnit('Dead.', 'fraction'), 'Dead.');
});
