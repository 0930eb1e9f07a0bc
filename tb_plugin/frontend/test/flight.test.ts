import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  causeMarks,
  flightColumns,
  flightLayer,
  flightMarks,
  flightSentence,
  layerColumn,
} from '../src/flight.ts';
import {finding, run} from './runs.ts';

test('a flight record is told in a sentence', () => {
  const flight = {firstStep: 273, lastStep: 400, updates: 128, reason: 'nonfinite gradient'};
  assert.equal(
    flightSentence(flight),
    'The last 128 updates until a gradient that is not finite was noticed, steps 273–400, every single one.',
  );
  assert.equal(
    flightSentence({firstStep: 1, lastStep: 1, updates: 1, reason: 'exception'}),
    'The last update before an exception, step 1.',
  );
  assert.equal(
    flightSentence({...flight, firstStep: 10, reason: 'interrupt'}),
    '128 updates in several stretches between steps 10 and 400, the last stretch before an interrupt, every single one.',
  );
  assert.match(flightSentence({...flight, reason: 'something new'}), /\(something new\)/);
});

test('of more updates than are kept before a fault it is said why there are so many', () => {
  const flight = {firstStep: 273, lastStep: 400, updates: 128, reason: 'critical finding'};
  const joined = flightSentence({...flight, lastStep: 462, updates: 190});
  assert.match(joined, /^The last 190 updates until a critical finding was noticed, steps 273–462,/);
  assert.match(joined, /one\. Before each fault 128 are kept, .*; records that overlap are joined\.$/);
  assert.doesNotMatch(flightSentence(flight), /joined/);
});

test('a layer called loss is not taken for the loss', () => {
  const layers = [{name: 'loss', group: 'loss', shape: []}];
  const columns = flightColumns(run('a', {layers}));
  assert.deepEqual([columns.indexOf(layerColumn('loss')), columns.indexOf('loss')], [0, 1]);
});

test('without a selected layer the one of the worst finding is shown', () => {
  const warning = finding({severity: 'warning', layer: 'a/bias'});
  const nowhere = [finding({layer: null}), finding({layer: 'gone'})];
  const worse = run('a', {findings: [...nowhere, warning, finding({layer: 'b/kernel'})]});
  assert.equal(flightLayer(null, worse), 'b/kernel');
  assert.equal(flightLayer(null, run('b', {findings: [...nowhere, warning]})), 'a/bias');
  assert.equal(flightLayer('a/kernel', worse), 'a/kernel');
  assert.equal(flightLayer(null, run('c')), null);
});

test('findings that begin in the record are marked, those of one rule and step once', () => {
  const findings = [
    finding({firstStep: 5}),
    finding({firstStep: 5, layer: 'a/bias'}),
    finding({firstStep: 5, layer: 'b/kernel'}),
    finding({firstStep: 6, layer: null, rule: 'exploding-gradient', severity: 'warning'}),
    finding({firstStep: 50}),
  ];
  assert.deepEqual(flightMarks(run('r', {findings}), [4, 5, 6]), [
    {step: 5, severity: 'critical', words: 'r: nonfinite in a/kernel and 2 other layers at step 5'},
    {step: 6, severity: 'warning', words: 'r: exploding-gradient at step 6'},
  ]);
});

test('first causes are marked in the charts of the layers that they concern', () => {
  const findings = [
    finding({firstStep: 5, consequences: [finding({rule: 'dead-units', firstStep: 9})]}),
    finding({firstStep: 6, layer: null, rule: 'exploding-gradient'}),
    finding({firstStep: 7, layer: 'b/kernel'}),
  ];
  const steps = (layers: readonly string[] | null): number[] =>
    causeMarks(run('r', {findings}), layers).map(({step}) => step);
  assert.deepEqual(steps(null), [5, 6, 7]);
  assert.deepEqual(steps(['a/kernel']), [5, 6]);
  assert.deepEqual(steps([]), [6]);
  assert.deepEqual(causeMarks(null, null), []);
});
