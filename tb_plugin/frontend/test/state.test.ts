import assert from 'node:assert/strict';
import {test} from 'node:test';

import {circumstances, headline, place, progress} from '../src/findings.ts';
import {
  initialState,
  mapPixels,
  missingAsks,
  neededSources,
  reduceState,
  type Action,
  type State,
} from '../src/state.ts';
import type {Run, Table} from '../src/api.ts';
import {errorOf, wholeOf} from '../src/levels.ts';
import {finding, overview, run, withVerdict} from './runs.ts';
import {reducedOf, tableOf} from './table.ts';

const LOSS_A = './statistic?run=a&name=loss';
const RATE_A = './statistic?run=a&name=learning_rate';
const MAP_A = './statistic?run=a&name=gradient_norm';

function after(...actions: Action[]): State {
  return actions.reduce(reduceState, initialState(false, 1024));
}

function neededUrls(state: State): string[] {
  return neededSources(state).map(({url}) => url);
}

function missingUrls(state: State): string[] {
  return missingAsks(state).map(({url}) => url);
}

/** All that is missing, asked for. */
function asking(state: State): State {
  return reduceState(state, {type: 'asked', asks: missingAsks(state)});
}

/** The answer to the question about a source that is on its way. */
function received(state: State, url: string, table: Table): State {
  const ask = state.tables.get(url)?.whole.asked;
  assert.ok(ask != null);
  return reduceState(state, {type: 'received', ask, table});
}

function grown(records: number, change: Partial<Run> = {}): Action {
  const grownRun = run('a', {records, lastStep: records, ...change});
  return {type: 'overview', overview: overview([grownRun])};
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

test('runs that are found while the log directory is read do not keep earlier ones out', () => {
  const loading = {loadedBytes: 1, totalBytes: 2};
  const later = ['d', 'e', 'f', 'g', 'h', 'i', 'j'].map(name => run(name));
  const all = ['a', 'b', 'c'].map(name => run(name));
  const state = after(
    {type: 'overview', overview: overview(later, {loading})},
    {type: 'overview', overview: overview([...all, ...later])},
  );
  assert.deepEqual([...state.shown], ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
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

test('a table is asked for once, and not again while its run stays as it is', () => {
  const table = tableOf([[1, 2, 3]]);
  let state = after(loaded('a'));
  assert.deepEqual(missingUrls(state), [
    `${MAP_A}&pixels=1024`,
    `${LOSS_A}&pixels=512`,
    `${RATE_A}&pixels=512`,
  ]);
  state = asking(state);
  assert.deepEqual(missingUrls(state), []);
  state = received(state, MAP_A, table);
  assert.equal(wholeOf(state.tables.get(MAP_A)), table);
  state = reduceState(state, loaded('a', 'b'));
  assert.ok(missingUrls(state).every(url => url.includes('run=b')));
  assert.equal(wholeOf(state.tables.get(MAP_A)), table);
});

test('of a run that grew only the new part is asked for', () => {
  let state = asking(after(grown(3)));
  for (const url of [MAP_A, LOSS_A, RATE_A]) state = received(state, url, tableOf([[1], [1], [1]]));
  state = reduceState(state, grown(5));
  assert.deepEqual(
    missingUrls(state),
    [MAP_A, LOSS_A, RATE_A].map(url => `${url}&first=3`),
  );
});

test('of a run of a new generation, or after a restart of the server, all is asked for', () => {
  const held = received(asking(after(grown(3))), MAP_A, tableOf([[1], [1], [1]]));
  for (const change of [{generation: 2}, {origin: 'later'}]) {
    const state = reduceState(held, grown(3, change));
    assert.ok(missingUrls(state).includes(`${MAP_A}&pixels=1024`));
    assert.notEqual(wholeOf(state.tables.get(MAP_A)), null);
  }
});

test('the same overview again changes nothing', () => {
  const action = loaded('a');
  const state = after(action);
  assert.equal(reduceState(state, action), state);
  const failed = reduceState(state, {type: 'overview-failed', error: 'gone'});
  assert.equal(reduceState(failed, action).error, null);
});

test('an answer that nobody waits for any more is dropped', () => {
  const state = asking(after(loaded('a')));
  const ask = state.tables.get(MAP_A)?.whole.asked;
  assert.ok(ask != null);
  const newer = asking(reduceState(state, grown(400, {generation: 2})));
  assert.equal(reduceState(newer, {type: 'received', ask, table: tableOf([[1]])}), newer);
  const gone = reduceState(state, {type: 'overview', overview: overview([])});
  assert.equal(reduceState(gone, {type: 'failed', ask, error: 'no'}), gone);
});

test('a failed table is asked for again only on retry', () => {
  const asked = asking(after(loaded('a')));
  const ask = asked.tables.get(MAP_A)?.whole.asked;
  assert.ok(ask != null);
  const failed = reduceState(asked, {type: 'failed', ask, error: 'no'});
  assert.equal(errorOf(failed.tables.get(MAP_A)), 'no');
  assert.deepEqual(missingUrls(failed), []);
  const again = reduceState(failed, {type: 'retry', url: MAP_A});
  assert.deepEqual(missingUrls(again), [`${MAP_A}&pixels=1024`]);
});

test('the tables of what was looked at last stay, older ones go', () => {
  const statistics = Array.from({length: 12}, (_, at) => `s${at}`);
  let state = asking(after({type: 'overview', overview: overview([run('a', {statistics})])}));
  for (const statistic of statistics)
    state = asking(reduceState(state, {type: 'statistic', statistic}));
  const kept = [...state.tables.keys()].filter(url => /name=s\d/.test(url));
  assert.deepEqual(
    kept.map(url => url.slice(-3).replace('=', '')),
    ['s5', 's6', 's7', 's8', 's9', 's10', 's11'],
  );
  const begunAgain = run('a', {statistics, generation: 2});
  state = reduceState(state, {type: 'overview', overview: overview([begunAgain])});
  for (const statistic of ['s5', 's0'])
    state = asking(reduceState(state, {type: 'statistic', statistic}));
  const names = [...state.tables.keys()].map(url => url.split('name=')[1]);
  assert.ok(names.includes('s5') && !names.includes('s6'), 's5 was fetched again');
});

test('a zoom asks for details of what is shown', () => {
  const rows = Array.from({length: 700}, () => ({low: 1, high: 1}));
  let state = asking(after(grown(700 * 32)));
  for (const url of [MAP_A, LOSS_A, RATE_A]) state = received(state, url, reducedOf(32, rows));
  assert.deepEqual(missingUrls(state), []);
  state = reduceState(state, {type: 'zoom', zoom: {firstStep: 1001, lastStep: 1100}});
  const part = 'first=951&last=1150';
  assert.deepEqual(missingUrls(state), [
    `${MAP_A}&${part}&pixels=2048`,
    `${LOSS_A}&${part}&pixels=1024`,
    `${RATE_A}&${part}&pixels=1024`,
  ]);
  assert.deepEqual(missingUrls(asking(state)), []);
});

test('the heat map wants as many rows as a page has pixels, one of two numbers', () => {
  assert.deepEqual([800, 1536, 1537, 5000].map(mapPixels), [1024, 1024, 2048, 2048]);
  const wide = reduceState(after(loaded('a')), {type: 'pixels', pixels: 2048});
  assert.equal(missingUrls(wide)[0], `${MAP_A}&pixels=2048`);
});

test('until all runs are judged the worst one is shown, unless the user chose one', () => {
  const judging = [withVerdict('a', 'pending'), withVerdict('b', 'pending')];
  const judged = [withVerdict('a', 'healthy'), withVerdict('b', 'critical')];
  const later = [withVerdict('a', 'critical'), withVerdict('b', 'healthy')];
  const of = (runs: Run[]): Action => ({type: 'overview', overview: overview(runs)});
  assert.equal(after(of(judging)).run, 'a');
  assert.equal(after(of(judging), of(judged)).run, 'b');
  assert.equal(after(of(judging), of(judged), of(later)).run, 'b');
  assert.equal(after(of(judging), {type: 'layer', layer: 'a/bias'}, of(judged)).run, 'a');
  const loading = {loadedBytes: 1, totalBytes: 2};
  const half = {type: 'overview', overview: overview(judged, {loading})} as const;
  assert.equal(after(half, of(later)).run, 'a');
});

test('a zoom beyond the end of a run that began anew is given up', () => {
  const zoom = {firstStep: 100, lastStep: 200};
  const state = after(grown(400), {type: 'zoom', zoom});
  assert.deepEqual(reduceState(state, grown(150)).zoom, zoom);
  assert.equal(reduceState(state, grown(50, {generation: 2})).zoom, null);
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

test('a verdict that is about less than the run says so', () => {
  assert.deepEqual(circumstances(run('a', {judgedStep: 300})), ['judged up to step 300']);
  assert.deepEqual(circumstances(run('a', {judgedStep: 390})), []);
});

test('headlines say verdict, number and step', () => {
  const sick = run('a', {verdict: 'critical', findings: [finding(), finding({firstStep: 7})]});
  assert.equal(headline(sick), 'Critical: 2 findings since step 7');
  assert.equal(headline(run('a')), 'Healthy: no finding');
  assert.equal(headline(withVerdict('a', 'pending')), 'Not judged yet');
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
