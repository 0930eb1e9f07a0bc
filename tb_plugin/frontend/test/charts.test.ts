import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  describedUnit,
  layerCharts,
  ownScale,
  referenceOf,
  unitWords,
  type Column,
} from '../src/charts.ts';
import {run} from './runs.ts';
import {reducedOf, tableOf, type Cell} from './table.ts';

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

function columnOf(...cells: Cell[]): Column {
  return {table: tableOf(cells.map(cell => [-1, cell])), column: 1};
}

test('the scale is log where every finite number is above zero', () => {
  assert.equal(ownScale([columnOf(2, 0.1, NaN, Infinity, -Infinity, 'missing')]), 'log');
  assert.equal(ownScale([columnOf(3, 3)]), 'log');
  for (const low of [0, -1e-30]) {
    assert.equal(ownScale([columnOf(2, low, 1)]), 'linear');
    assert.equal(ownScale([columnOf(2, 1), columnOf(low)]), 'linear');
  }
  const reduced = (low: number): Column => ({
    table: reducedOf(4, [{low: 1, high: 2}, {low, high: 3}, {marks: 1}]),
    column: 0,
  });
  assert.deepEqual(
    [1e-9, 0].map(low => ownScale([reduced(low)])),
    ['log', 'linear'],
  );
});

test('numbers that span less than is asked for, or that are none, are on a linear scale', () => {
  assert.equal(ownScale([columnOf(100, 1)], 2), 'log');
  assert.equal(ownScale([columnOf(99, 1)], 2), 'linear');
  assert.equal(ownScale([columnOf(1), columnOf(100)], 2), 'log');
  assert.equal(ownScale([columnOf(NaN)]), 'linear');
  assert.equal(ownScale([]), 'linear');
});

test('each unit that is not clear by itself is told once', () => {
  const units = ['loss per weight', '', 'loss per weight', 'weights', 'weight per gradient'];
  assert.deepEqual(
    unitWords(units).map(words => words.split(':')[0]),
    ['loss per weight', 'weight per gradient'],
  );
});
