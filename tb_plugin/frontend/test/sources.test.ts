import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  initialState,
  mapPixels,
  reduceState,
  type Action,
  type State,
} from '../src/state.ts';
import {missingAsks, neededSources} from '../src/sources.ts';
import type {Run, Table} from '../src/api.ts';
import {errorOf, wholeOf} from '../src/levels.ts';
import {overview, run} from './runs.ts';
import {reducedOf, tableOf} from './table.ts';

const LOSS_A = './statistic?run=a&name=loss';
const LOSS_PEAK_A = './statistic?run=a&name=loss_peak';
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

test('the page needs one heat map, and per ticked run its loss, rate and the layer', () => {
  const noLoss = run('b', {lastLoss: null});
  const state = after(
    {type: 'overview', overview: overview([run('a'), noLoss])},
    {type: 'layers', layers: ['a/bias']},
  );
  assert.deepEqual(neededUrls(state), [
    MAP_A,
    LOSS_A,
    LOSS_PEAK_A,
    RATE_A,
    './layer?run=a&name=a%2Fbias',
    './statistic?run=b&name=learning_rate',
    './layer?run=b&name=a%2Fbias',
  ]);
  assert.deepEqual(neededUrls(reduceState(state, {type: 'toggle', run: 'b'})).length, 5);
});

test('a run with a flight record or a loss scale needs that, too', () => {
  const flight = {firstStep: 10, lastStep: 20, updates: 11, reason: 'exception'};
  const flown = run('b', {flight, lossScaled: true});
  const state = after({type: 'overview', overview: overview([run('a'), flown])});
  assert.deepEqual(neededUrls(state).slice(4), [
    './statistic?run=b&name=loss',
    './statistic?run=b&name=loss_peak',
    './statistic?run=b&name=learning_rate',
    './statistic?run=b&name=loss_scale',
  ]);
  const selected = reduceState(state, {type: 'run', run: 'b'});
  assert.equal(neededUrls(selected).at(-1), './flight?run=b');
});

test('a table is asked for once, and not again while its run stays as it is', () => {
  const table = tableOf([[1, 2, 3]]);
  let state = after(loaded('a'));
  assert.deepEqual(missingUrls(state), [
    `${MAP_A}&pixels=1024`,
    `${LOSS_A}&pixels=512`,
    `${LOSS_PEAK_A}&pixels=512`,
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
  for (const url of [MAP_A, LOSS_A, LOSS_PEAK_A, RATE_A]) state = received(state, url, tableOf([[1], [1], [1]]));
  state = reduceState(state, grown(5));
  assert.deepEqual(
    missingUrls(state),
    [MAP_A, LOSS_A, LOSS_PEAK_A, RATE_A].map(url => `${url}&first=3`),
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
    ['s3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11'],
  );
  const begunAgain = run('a', {statistics, generation: 2});
  state = reduceState(state, {type: 'overview', overview: overview([begunAgain])});
  for (const statistic of ['s3', 's0'])
    state = asking(reduceState(state, {type: 'statistic', statistic}));
  const names = [...state.tables.keys()].map(url => url.split('name=')[1]);
  assert.ok(names.includes('s3') && !names.includes('s4'), 's3 was fetched again');
});

test('a zoom asks for details of what is shown', () => {
  const rows = Array.from({length: 700}, () => ({low: 1, high: 1}));
  let state = asking(after(grown(700 * 32)));
  for (const url of [MAP_A, LOSS_A, LOSS_PEAK_A, RATE_A]) state = received(state, url, reducedOf(32, rows));
  assert.deepEqual(missingUrls(state), []);
  state = reduceState(state, {type: 'zoom', zoom: {firstStep: 1001, lastStep: 1100}});
  const part = 'first=951&last=1150';
  assert.deepEqual(missingUrls(state), [
    `${MAP_A}&${part}&pixels=2048`,
    `${LOSS_A}&${part}&pixels=1024`,
    `${LOSS_PEAK_A}&${part}&pixels=1024`,
    `${RATE_A}&${part}&pixels=1024`,
  ]);
  assert.deepEqual(missingUrls(asking(state)), []);
});

test('the heat map wants as many rows as a page has pixels, one of two numbers', () => {
  assert.deepEqual([800, 1536, 1537, 5000].map(mapPixels), [1024, 1024, 2048, 2048]);
  const wide = reduceState(after(loaded('a')), {type: 'pixels', pixels: 2048});
  assert.equal(missingUrls(wide)[0], `${MAP_A}&pixels=2048`);
});

test('a statistic with peaks between two records needs these, and a compared run the same', () => {
  const statistics = ['gradient_norm', 'gradient_norm_peak', 'u_mean'];
  const state = after(
    {type: 'overview', overview: overview([run('a', {statistics}), run('b', {statistics})])},
    {type: 'compare', run: 'b'},
    {type: 'show', runs: ['a', 'b'], shown: false},
  );
  assert.deepEqual(neededUrls(state), [
    MAP_A,
    `${MAP_A}_peak`,
    './statistic?run=b&name=gradient_norm',
    './statistic?run=b&name=gradient_norm_peak',
    LOSS_A,
    LOSS_PEAK_A,
  ]);
  const other = reduceState(state, {type: 'statistic', statistic: 'u_mean'});
  assert.equal(neededUrls(other).length, 4);
});

test('every layer that is overlaid is needed once', () => {
  const layers = ['a/bias', 'b/kernel'];
  const state = after(loaded('a', 'b'), {type: 'layers', layers});
  const urls = neededUrls(state).filter(url => url.includes('/layer?'));
  assert.equal(urls.length, 4);
  assert.equal(new Set(urls).size, 4);
});

test('no more layers are fetched than can be drawn, however many are selected', () => {
  const names = Array.from({length: 300}, (_, at) => `l${at}/kernel`);
  const layers = names.map(name => ({name, group: name.split('/')[0], shape: [2, 2]}));
  const runs = ['a', 'b', 'c', 'd'].map(name => run(name, {layers}));
  const state = after({type: 'overview', overview: overview(runs)}, {type: 'layers', layers: names});
  const urls = neededUrls(state).filter(url => url.includes('/layer?'));
  assert.equal(urls.length, 96);
  assert.ok(urls.includes('./layer?run=d&name=l23%2Fkernel'));
  assert.equal(state.layers.length, 300);
});

test('a question that was broken off is asked again', () => {
  const asked = asking(after(loaded('a')));
  const ask = asked.tables.get(MAP_A)?.whole.asked;
  assert.ok(ask != null);
  const dropped = reduceState(asked, {type: 'dropped', ask});
  assert.deepEqual(missingUrls(dropped), [`${MAP_A}&pixels=1024`]);
  const newer = asking(reduceState(asked, grown(400, {generation: 2})));
  assert.equal(reduceState(newer, {type: 'dropped', ask}), newer);
});
