import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {Run} from '../src/api.ts';
import {muteKey} from '../src/muting.ts';
import {allSteps, runColors} from '../src/selection.ts';
import {initialState, openFindings, reduceState, type Action, type State} from '../src/state.ts';
import {finding, overview, run, withVerdict} from './runs.ts';

function after(...actions: Action[]): State {
  return actions.reduce(reduceState, initialState(false, 1024));
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
    {type: 'place', layers: ['b/kernel'], step: 30},
    {type: 'zoom', zoom: {firstStep: 10, lastStep: 50}},
    {type: 'statistic', statistic: 'u_mean'},
  );
  const now = reduceState(before, loaded('a', 'b', 'new'));
  for (const key of ['run', 'layers', 'step', 'zoom', 'statistic'] as const)
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
    {type: 'layers', layers: ['a/kernel']},
    {type: 'run', run: 'b'},
  );
  assert.deepEqual(state.layers, []);
  assert.equal(state.statistic, 'nonfinite');
});

test('the same overview again changes nothing', () => {
  const action = loaded('a');
  const state = after(action);
  assert.equal(reduceState(state, action), state);
  const failed = reduceState(state, {type: 'overview-failed', error: 'gone'});
  assert.equal(reduceState(failed, action).error, null);
});

test('until all runs are judged the worst one is shown, unless the user chose one', () => {
  const judging = [withVerdict('a', 'pending'), withVerdict('b', 'pending')];
  const judged = [withVerdict('a', 'healthy'), withVerdict('b', 'critical')];
  const later = [withVerdict('a', 'critical'), withVerdict('b', 'healthy')];
  const of = (runs: Run[]): Action => ({type: 'overview', overview: overview(runs)});
  assert.equal(after(of(judging)).run, 'a');
  assert.equal(after(of(judging), of(judged)).run, 'b');
  assert.equal(after(of(judging), of(judged), of(later)).run, 'b');
  assert.equal(after(of(judging), {type: 'layers', layers: ['a/bias']}, of(judged)).run, 'a');
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
    [state.layers, state.step, state.statistic, state.zoom, state.jumps],
    [['a/kernel'], 40, 'nonfinite', null, 1],
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

test('the card of an update that ruined the weights takes the heat map to the weights', () => {
  const statistics = ['gradient_norm', 'nonfinite', 'weight_norm'];
  const shown = finding({evidence: [['weight_norm', NaN]]});
  const state = after(
    {type: 'overview', overview: overview([run('a', {statistics})])},
    {type: 'finding', finding: shown},
  );
  assert.equal(state.statistic, 'weight_norm');
});

test('another run keeps the layers, the step and the window as far as it has them', () => {
  const short = run('b', {lastStep: 50, layers: run('a').layers.slice(0, 1)});
  const state = after(
    {type: 'overview', overview: overview([run('a'), short])},
    {type: 'place', layers: ['a/bias', 'a/kernel'], step: 40},
    {type: 'zoom', zoom: {firstStep: 10, lastStep: 60}},
    {type: 'run', run: 'b'},
  );
  assert.deepEqual([state.layers, state.step], [['a/kernel'], 40]);
  assert.deepEqual(state.zoom, {firstStep: 10, lastStep: 60});
  const late = after(
    {type: 'overview', overview: overview([run('a'), short])},
    {type: 'place', layers: ['a/bias'], step: 70},
    {type: 'zoom', zoom: {firstStep: 60, lastStep: 90}},
    {type: 'run', run: 'b'},
  );
  assert.deepEqual([late.layers, late.step, late.zoom], [[], null, null]);
});

test('a run keeps its colour when others come before it or go', () => {
  const first = after(loaded('b', 'd'));
  const colors = runColors(first);
  const grownList = reduceState(first, loaded('a', 'b', 'c', 'd'));
  assert.equal(runColors(grownList).get('b'), colors.get('b'));
  assert.equal(runColors(grownList).get('d'), colors.get('d'));
  assert.deepEqual(grownList.order, ['b', 'd', 'a', 'c']);
  assert.deepEqual(reduceState(grownList, loaded('d')).order, ['b', 'd', 'a', 'c']);
});

test("runs have the places that TensorBoard's own colours give them", () => {
  const told = overview([run('a'), run('b')]);
  assert.deepEqual(after({type: 'overview', overview: told, order: ['b', 'x', 'a']}).order, [
    'b',
    'x',
    'a',
  ]);
});

test('layers are overlaid and taken away again, all of a block at once', () => {
  const start = after(loaded('a'), {type: 'layers', layers: ['a/kernel']});
  const both = reduceState(start, {type: 'toggle-layers', layers: ['a/kernel', 'a/bias']});
  assert.deepEqual(both.layers, ['a/kernel', 'a/bias']);
  assert.deepEqual(
    reduceState(both, {type: 'toggle-layers', layers: ['a/kernel', 'a/bias']}).layers,
    [],
  );
});

const SICK = run('a', {
  verdict: 'critical',
  findings: [finding(), finding({rule: 'dead-units', severity: 'warning', firstStep: 50})],
});

test('a muted finding is not told, and the verdict is that of the others', () => {
  const start = after({type: 'overview', overview: overview([SICK, run('b')])});
  const mute = (at: number, muted: boolean): Action => ({
    type: 'mute',
    keys: [muteKey(SICK, SICK.findings[at])],
    muted,
  });
  const less = reduceState(start, mute(0, true));
  assert.deepEqual(
    less.overview?.runs.map(({verdict, findings}) => [verdict, findings.length]),
    [
      ['warning', 1],
      ['healthy', 0],
    ],
  );
  assert.equal(less.overview?.runs[1], start.overview?.runs[1]);
  const none = reduceState(less, mute(1, true));
  assert.equal(none.overview?.runs[0].verdict, 'muted');
  assert.equal(reduceState(none, mute(0, false)).overview?.runs[0].verdict, 'critical');
  const again = run('a', {...SICK, started: 99});
  const anew = reduceState(none, {type: 'overview', overview: overview([again])});
  assert.equal(anew.overview?.runs[0].verdict, 'critical', 'another run of that name');
});

test('the first finding is open until one is opened or closed', () => {
  const start = after({type: 'overview', overview: overview([SICK])});
  assert.deepEqual([...openFindings(start)], ['nonfinite a/kernel']);
  const key = 'dead-units a/kernel';
  const more = reduceState(start, {type: 'open', key, open: true});
  assert.deepEqual([...openFindings(more)], ['nonfinite a/kernel', key]);
});

test('no difference is shown of a run that nothing is compared with', () => {
  const state = after(
    loaded('a', 'b'),
    {type: 'compare', run: 'b'},
    {type: 'difference', difference: true},
    {type: 'compare', run: null},
  );
  assert.deepEqual([state.compared, state.difference], [null, false]);
});

test('a run that is only looked at is drawn while it is, one that is ticked stays', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
  const looked = after(loaded(...names), {type: 'run', run: 'h'}, {type: 'run', run: 'i'});
  assert.deepEqual([...looked.shown], ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'i']);
  const ticked = after(
    loaded(...names),
    {type: 'run', run: 'h'},
    {type: 'show', runs: ['h'], shown: true},
    {type: 'run', run: 'i'},
    {type: 'run', run: 'a'},
    {type: 'run', run: 'b'},
  );
  assert.deepEqual([...ticked.shown], ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  const again = after(
    loaded(...names),
    {type: 'run', run: 'h'},
    {type: 'toggle', run: 'h'},
    {type: 'toggle', run: 'h'},
    {type: 'run', run: 'a'},
  );
  assert.ok(again.shown.has('h'));
});

test('a moment without any run loses nothing that was chosen', () => {
  const chosen = after(
    loaded('a', 'b', 'c'),
    {type: 'run', run: 'b'},
    {type: 'toggle', run: 'a'},
    {type: 'layers', layers: ['a/bias']},
  );
  const back = [loaded(), loaded('a', 'b', 'c')].reduce(reduceState, chosen);
  assert.deepEqual([back.run, back.layers], ['b', ['a/bias']]);
  assert.deepEqual([...back.shown], [...chosen.shown]);
});

test('another run begins with its own findings open, and its own blocks', () => {
  const other = run('b', {layers: [{name: 'x/kernel', group: 'x', shape: [2]}]});
  const state = after(
    {type: 'overview', overview: overview([run('a'), run('c'), other])},
    {type: 'run', run: 'a'},
    {type: 'open', key: 'nonfinite', open: true},
    {type: 'collapse', collapsed: new Set(['blocks/'])},
    {type: 'run', run: 'c'},
  );
  assert.equal(state.open, null);
  assert.deepEqual([...(state.collapsed ?? [])], ['blocks/'], 'the same layers');
  assert.equal(reduceState(state, {type: 'run', run: 'b'}).collapsed, null);
});

test('charts show the steps of the selected run, and of the one beside it', () => {
  const long = run('b', {lastStep: 9000});
  const state = after({type: 'overview', overview: overview([run('a'), long])});
  assert.deepEqual(allSteps(state), {firstStep: 1, lastStep: 400});
  const both = reduceState(state, {type: 'compare', run: 'b'});
  assert.deepEqual(allSteps(both), {firstStep: 1, lastStep: 9000});
});

test('a window or a step before the first one of a run is given up', () => {
  const late = run('b', {firstStep: 1000, lastStep: 2000});
  const state = after(
    {type: 'overview', overview: overview([run('a'), late])},
    {type: 'place', layers: [], step: 40},
    {type: 'zoom', zoom: {firstStep: 10, lastStep: 50}},
    {type: 'run', run: 'b'},
  );
  assert.deepEqual([state.step, state.zoom], [null, null]);
});
