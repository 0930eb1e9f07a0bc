import assert from 'node:assert/strict';
import {test} from 'node:test';

import {circumstances, headline, place, progress} from '../src/findings.ts';
import {
  initialState,
  missingUrls,
  neededUrls,
  reduceState,
  type Action,
  type State,
} from '../src/state.ts';
import {finding, overview, run, withVerdict} from './runs.ts';
import {tableOf} from './table.ts';

const LOSS_A = './statistic?run=a&name=loss';
const RATE_A = './statistic?run=a&name=learning_rate';
const MAP_A = './statistic?run=a&name=gradient_norm';

function after(...actions: Action[]): State {
  return actions.reduce(reduceState, initialState(false));
}

function loaded(...names: string[]): Action {
  return {type: 'overview', overview: overview(names.map(name => run(name)))};
}

test('the run with the worst verdict is selected first', () => {
  const runs = [
    withVerdict('a', 'healthy'),
    withVerdict('b', 'warning'),
    withVerdict('c', 'critical'),
    withVerdict('d', 'critical'),
  ];
  assert.equal(after({type: 'overview', overview: overview(runs)}).run, 'c');
  assert.equal(after({type: 'overview', overview: overview([])}).run, null);
});

test('the first seven runs are in the curves, and the selected one always', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
  assert.deepEqual([...after(loaded(...names)).shown], names.slice(0, 7));
  assert.ok(after(loaded(...names), {type: 'run', run: 'i'}).shown.has('i'));
});

test('a reload keeps the selection, the zoom and what was ticked', () => {
  const before = after(
    loaded('a', 'b'),
    {type: 'run', run: 'b'},
    {type: 'toggle', run: 'a'},
    {type: 'place', layer: 'b/kernel', step: 30},
    {type: 'zoom', zoom: {firstStep: 10, lastStep: 50}},
    {type: 'statistic', statistic: 'u_mean'},
  );
  const now = reduceState(before, loaded('a', 'b', 'new'));
  for (const key of ['run', 'layer', 'step', 'zoom', 'statistic'] as const)
    assert.deepEqual(now[key], before[key], key);
  assert.deepEqual([...now.shown], ['b', 'new']);
});

test('a reload that lost the selected run takes another', () => {
  const now = after(loaded('a', 'b'), {type: 'run', run: 'b'}, loaded('a'));
  assert.equal(now.run, 'a');
  assert.deepEqual([...now.shown], ['a']);
});

test('a run without the selected layer or statistic falls back', () => {
  const other = run('b', {layers: [], statistics: ['nonfinite']});
  const state = after(
    {type: 'overview', overview: overview([run('a'), other])},
    {type: 'layer', layer: 'a/kernel'},
    {type: 'run', run: 'b'},
  );
  assert.equal(state.layer, null);
  assert.equal(state.statistic, 'nonfinite');
});

test('the page needs one heat map, and per ticked run its loss, rate and the layer', () => {
  const noLoss = run('b', {lastLoss: null});
  const state = after(
    {type: 'overview', overview: overview([run('a'), noLoss])},
    {type: 'layer', layer: 'a/bias'},
  );
  assert.deepEqual(neededUrls(state), [
    MAP_A,
    LOSS_A,
    RATE_A,
    './layer?run=a&name=a%2Fbias',
    './statistic?run=b&name=learning_rate',
    './layer?run=b&name=a%2Fbias',
  ]);
  assert.deepEqual(neededUrls(reduceState(state, {type: 'toggle', run: 'b'})).length, 4);
});

test('a run with a flight record or a loss scale needs that, too', () => {
  const flight = {firstStep: 10, lastStep: 20, updates: 11, reason: 'exception'};
  const flown = run('b', {flight, lossScaled: true});
  const state = after({type: 'overview', overview: overview([run('a'), flown])});
  assert.deepEqual(neededUrls(state).slice(3), [
    './statistic?run=b&name=loss',
    './statistic?run=b&name=learning_rate',
    './statistic?run=b&name=loss_scale',
    './flight?run=b',
  ]);
});

test('a table is asked for once, again after a reload, and shows the old one meanwhile', () => {
  const table = tableOf([[1, 2, 3]]);
  let state = after(loaded('a'));
  assert.deepEqual(missingUrls(state), [MAP_A, LOSS_A, RATE_A]);
  state = reduceState(state, {type: 'requested', urls: missingUrls(state)});
  assert.deepEqual(missingUrls(state), []);
  state = reduceState(state, {type: 'received', url: MAP_A, generation: 1, table});
  assert.equal(state.tables.get(MAP_A)?.table, table);
  state = reduceState(state, loaded('a'));
  assert.deepEqual(missingUrls(state), [MAP_A, LOSS_A, RATE_A]);
  state = reduceState(state, {type: 'requested', urls: [MAP_A]});
  assert.equal(state.tables.get(MAP_A)?.table, table);
});

test('an answer from before a reload is dropped', () => {
  const state = after(
    loaded('a'),
    {type: 'requested', urls: [MAP_A]},
    loaded('a'),
    {type: 'requested', urls: [MAP_A]},
    {type: 'received', url: MAP_A, generation: 1, table: tableOf([[1]])},
  );
  assert.equal(state.tables.get(MAP_A)?.table, null);
});

test('a failed table is asked for again only on retry', () => {
  const failed = after(
    loaded('a'),
    {type: 'requested', urls: [MAP_A, LOSS_A, RATE_A]},
    {type: 'failed', url: MAP_A, generation: 1, error: 'no'},
  );
  assert.equal(failed.tables.get(MAP_A)?.error, 'no');
  assert.deepEqual(missingUrls(failed), []);
  assert.deepEqual(missingUrls(reduceState(failed, {type: 'retry', url: MAP_A})), [MAP_A]);
});

test('a card takes the heat map to its layer, step and statistic, out of a zoom that hides it', () => {
  const zoomed = after(loaded('a'), {type: 'zoom', zoom: {firstStep: 100, lastStep: 200}});
  const state = reduceState(zoomed, {type: 'finding', finding: finding()});
  assert.deepEqual(
    [state.layer, state.step, state.statistic, state.zoom, state.jumps],
    ['a/kernel', 40, 'nonfinite', null, 1],
  );
  const inside = reduceState(zoomed, {type: 'finding', finding: finding({firstStep: 150})});
  assert.deepEqual(inside.zoom, zoomed.zoom);
});

test('a card whose statistics the run lacks leaves the statistic', () => {
  const state = after(loaded('a'), {type: 'statistic', statistic: 'u_mean'});
  assert.equal(
    reduceState(state, {type: 'finding', finding: finding({rule: 'dead-units'})}).statistic,
    'u_mean',
  );
  assert.equal(
    reduceState(state, {type: 'finding', finding: finding({rule: 'a-new-rule'})}).statistic,
    'u_mean',
  );
});

test('a failed first answer is an error, a failed reload keeps the page', () => {
  const failed: Action = {type: 'overview-failed', error: 'gone'};
  assert.equal(after(failed).overview, null);
  assert.equal(after(failed).error, 'gone');
  assert.equal(after(loaded('a'), failed).run, 'a');
  assert.equal(after(failed, loaded('a')).error, null);
});

test('recording and loss scaling are told where there is something to tell', () => {
  assert.deepEqual(circumstances(run('a')), []);
  assert.deepEqual(circumstances(run('a', {lossScale: 1, overhead: 0.0134})), [
    'recording took 1.3 % of the time',
  ]);
  assert.deepEqual(circumstances(run('a', {lossScale: 32768, skippedSteps: 3})), [
    'loss scale 32,768, 3 batches skipped',
  ]);
  assert.deepEqual(circumstances(run('a', {lossScale: 32768})), ['loss scale 32,768']);
  assert.deepEqual(circumstances(run('a', {lossScale: 1, skippedSteps: 1})), ['1 batch skipped']);
});

test('headlines say verdict, number and step', () => {
  const sick = run('a', {verdict: 'critical', findings: [finding(), finding({firstStep: 7})]});
  assert.equal(headline(sick), 'Critical: 2 findings since step 7');
  assert.equal(headline(run('a')), 'Healthy: no finding');
  assert.equal(
    progress(run('a', {records: 41, lastLoss: NaN})),
    'Loss 2 → NaN over 400 steps, 41 of them recorded.',
  );
  assert.equal(
    progress(run('a', {records: 1, lastStep: 1, lastLoss: null})),
    'Loss not recorded at step 1, the only record so far.',
  );
  assert.equal(place(finding()), 'in a/kernel since step 40 (until 400)');
  assert.equal(place(finding({layer: null, lastStep: 40})), 'in the whole run at step 40');
});

test('the card of an update that ruined the weights takes the heat map to the weights', () => {
  const statistics = ['gradient_norm', 'nonfinite', 'weight_norm'];
  const shown = finding({evidence: [['weight_norm', NaN]]});
  const state = after(
    {type: 'overview', overview: overview([run('a', {statistics})])},
    {type: 'finding', finding: shown},
  );
  assert.equal(state.statistic, 'weight_norm');
});
