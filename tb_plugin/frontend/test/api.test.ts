import assert from 'node:assert/strict';
import {test} from 'node:test';

import {column, decodeTable, flightUrl, layerUrl, readOverview, statisticUrl} from '../src/api.ts';
import {encodeTable, tableOf} from './table.ts';

test('a table decodes to its steps and values', () => {
  const table = decodeTable(
    encodeTable(
      [10, 20, 2 ** 40],
      [
        [1, 2],
        [3, 4],
        [5, Infinity],
      ],
    ),
  );
  assert.deepEqual([...table.steps], [10, 20, 2 ** 40]);
  assert.equal(table.columns, 2);
  assert.deepEqual([...table.values], [1, 2, 3, 4, 5, Infinity]);
});

test('a table without steps decodes', () => {
  const table = decodeTable(encodeTable([], []));
  assert.equal(table.steps.length, 0);
  assert.equal(table.values.length, 0);
});

test('a table that is cut off at any byte is refused, and says so', () => {
  const whole = encodeTable(
    [1, 2],
    [
      [1, 2],
      [3, 4],
    ],
  );
  for (let length = 0; length < whole.byteLength; length++) {
    assert.throws(() => decodeTable(whole.slice(0, length)), /cut off/, `${length} bytes`);
  }
});

test('a table with bytes left over is refused', () => {
  const whole = new Uint8Array(encodeTable([1], [[1]]));
  const longer = new Uint8Array(whole.length + 4);
  longer.set(whole);
  assert.throws(() => decodeTable(longer.buffer), /too long/);
});

test('what is not a table is refused', () => {
  const page = new TextEncoder().encode('<!DOCTYPE html><p>Not found</p>');
  assert.throws(() => decodeTable(page.buffer), /not a table/);
});

test('not recorded is told apart from NaN', () => {
  const {values, recorded} = column(tableOf([['missing'], [NaN], [-NaN], [0]]), 0);
  assert.deepEqual([...recorded], [0, 1, 1, 1]);
  assert.deepEqual([...values], [NaN, NaN, NaN, 0]);
});

test('addresses stay below the base of the page and escape names', () => {
  assert.equal(statisticUrl('a/b c&d', 'loss'), './statistic?run=a%2Fb+c%26d&name=loss');
  assert.equal(flightUrl('a/b c&d'), './flight?run=a%2Fb+c%26d');
  assert.equal(layerUrl('r', 'dense/kernel'), './layer?run=r&name=dense%2Fkernel');
});

const RUN = {
  name: 'exploding',
  optimizer: 'AdaMax',
  hyperparameters: {learning_rate: 0.001, amsgrad: false},
  layers: [{name: 'dense/kernel', group: 'dense', shape: [2, 3]}],
  statistics: ['gradient_norm'],
  first_step: 1,
  last_step: 400,
  records: 41,
  restarts: [101, 301],
  restart_count: 5,
  first_loss: null,
  last_loss: 'NaN',
  flight: {first_step: 273, last_step: 400, updates: 128, reason: 'exception'},
  overhead: 0.013,
  loss_scale: null,
  loss_scaled: false,
  skipped_steps: 3,
  verdict: 'critical',
  findings: [
    {
      rule: 'nonfinite',
      severity: 'critical',
      layer: null,
      first_step: 40,
      last_step: 400,
      message: 'm',
      suggestion: 's',
      evidence: {count: 12, ratio: 'Infinity'},
    },
  ],
  notes: [],
};

test('runs are read with the numbers that JSON cannot hold', () => {
  const [run] = readOverview({statistics: [], runs: [RUN], errors: []}).runs;
  assert.equal(run.lastLoss, NaN);
  assert.equal(run.firstLoss, null);
  assert.deepEqual(run.flight, {
    firstStep: 273,
    lastStep: 400,
    updates: 128,
    reason: 'exception',
  });
  assert.deepEqual(
    [run.overhead, run.lossScale, run.lossScaled, run.skippedSteps],
    [0.013, null, false, 3],
  );
  assert.deepEqual(run.restarts, [101, 301]);
  assert.equal(run.restartCount, 5);
  assert.equal(run.findings[0].firstStep, 40);
  assert.equal(run.findings[0].layer, null);
  assert.deepEqual(run.findings[0].evidence, [
    ['count', 12],
    ['ratio', Infinity],
  ]);
  assert.deepEqual(run.hyperparameters, [
    ['learning_rate', 0.001],
    ['amsgrad', 'false'],
  ]);
});

test('an answer that is not as described names the field', () => {
  const without = (name: string): unknown => ({...RUN, [name]: undefined});
  const answer = (run: unknown): unknown => ({statistics: [], runs: [run], errors: []});
  assert.throws(() => readOverview(answer(without('records'))), /records is not a number/);
  assert.throws(() => readOverview(answer(without('layers'))), /layers is not a list/);
  assert.throws(() => readOverview(answer(without('flight'))), /flight is not an object/);
  assert.throws(() => readOverview(answer(without('overhead'))), /overhead is not a number/);
  assert.throws(() => readOverview(answer({...RUN, verdict: 'fine'})), /unknown verdict "fine"/);
  assert.throws(() => readOverview(null), /not an object/);
});
