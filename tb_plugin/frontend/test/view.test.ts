import assert from 'node:assert/strict';
import {test} from 'vitest';

import {initialState, reduceState, type Action, type State} from '../src/state.ts';
import {choicesOf, sharedViewOf, viewOf} from '../src/view.ts';
import {finding, overview, run} from './runs.ts';

const ODD = ['a,b', 'c\\', 'd\\,e', 'f&g=h%20', 'ü–∞', ' ', 'run 2/x'];

function opened(runs = [run('one'), run('two')]): State {
  return reduceState(initialState(false, 1024), {type: 'overview', overview: overview(runs)});
}

function after(state: State, ...actions: Action[]): State {
  return actions.reduce(reduceState, state);
}

/** A page that is opened with the address of another one's view. */
function shared(state: State, runs = [run('one'), run('two')]): State {
  const start = reduceState(initialState(false, 1024), {
    type: 'view',
    choices: choicesOf(viewOf(state)),
  });
  return reduceState(start, {type: 'overview', overview: overview(runs)});
}

test('a page that nobody touched has no address of its own', () => {
  assert.deepEqual(viewOf(opened()), {});
});

test('whoever opens the address of a view sees that view', () => {
  const key = 'nonfinite a/kernel';
  const state = after(
    opened(),
    {type: 'run', run: 'two'},
    {type: 'toggle', run: 'one'},
    {type: 'statistic', statistic: 'u_mean'},
    {type: 'place', layers: ['a/kernel', 'b/kernel'], step: 40},
    {type: 'zoom', zoom: {firstStep: 20, lastStep: 60}},
    {type: 'together', together: true},
    {type: 'collapse', collapsed: new Set()},
    {type: 'compare', run: 'one'},
    {type: 'difference', difference: true},
    {type: 'smoothing', smoothing: 0.6},
    {type: 'fit', fitted: true},
    {type: 'scale', name: 'update_ratio', scale: 'linear'},
    {type: 'scale', name: 'loss', scale: 'linear'},
    {type: 'tall-rows', tall: true},
    {type: 'all-findings', all: true},
    {type: 'open', key, open: true},
    {type: 'filter', filter: 'o'},
    {type: 'sort', sort: null},
    {type: 'pin', run: 'two'},
  );
  const other = shared(state);
  const names = Object.keys(viewOf(state));
  assert.equal(names.length, 19);
  assert.deepEqual(viewOf(other), viewOf(state));
  for (const name of ['run', 'statistic', 'layers', 'step', 'zoom', 'together'] as const)
    assert.deepEqual(other[name], state[name], name);
  for (const name of ['compared', 'difference', 'smoothing', 'fitted', 'scales', 'tallRows'] as const)
    assert.deepEqual(other[name], state[name], name);
  for (const name of ['shown', 'collapsed', 'open', 'table', 'allFindings'] as const)
    assert.deepEqual(other[name], state[name], name);
});

test('a name may hold whatever separates names in an address', () => {
  const runs = ODD.map(name => run(name));
  const some = ODD.slice(0, 5);
  const state = after(
    opened(runs),
    {type: 'show', runs: ODD, shown: false},
    {type: 'show', runs: some, shown: true},
    {type: 'collapse', collapsed: new Set(ODD)},
  );
  assert.deepEqual([...choicesOf(viewOf(state)).shown ?? []], some);
  assert.deepEqual([...choicesOf(viewOf(state)).collapsed ?? []], ODD);
});

test('no finding open is told from the usual', () => {
  const runs = [run('one', {verdict: 'critical', findings: [finding()]})];
  const state = after(opened(runs), {type: 'open', key: 'nonfinite a/kernel', open: false});
  assert.deepEqual(state.open, new Set());
  assert.deepEqual(shared(state, runs).open, new Set());
  assert.equal(opened(runs).open, null);
});

test('an address that makes no sense is the usual view', () => {
  const nonsense = {step: 'x', steps: '9-4', smoothing: '7', sort: 'colour', scales: 'loss:cubic,', xyz: '1'};
  const choices = choicesOf(nonsense);
  assert.deepEqual(choices.zoom, null);
  assert.deepEqual(choicesOf({steps: '1-1e300'}).zoom, null);
  assert.deepEqual(choicesOf({steps: '0-0'}).zoom, null);
  for (const step of ['0', '-3', '1.5', '', 'undefined', '1e300'])
    assert.equal(choicesOf({step}).step, undefined, step);
  assert.deepEqual(choicesOf({layers: 'a,b,a'}).layers, ['a', 'b']);
  assert.equal(choices.step, undefined);
  assert.equal(choices.smoothing, undefined);
  assert.deepEqual(choices.table?.sort, {by: 'verdict', down: false});
  assert.equal(choices.scales?.size, 0);
});

test('a run that the address names is waited for while the log directory is read', () => {
  const loading = {loadedBytes: 1, totalBytes: 2};
  const start = reduceState(initialState(false, 1024), {type: 'view', choices: {run: 'two', shown: new Set(['two'])}});
  const early = reduceState(start, {
    type: 'overview',
    overview: overview([run('one', {verdict: 'critical'})], {loading}),
  });
  assert.equal(early.run, 'two');
  const later = reduceState(early, {type: 'overview', overview: overview([run('one'), run('two')])});
  assert.equal(later.run, 'two');
  assert.deepEqual([...later.shown], ['two']);
  const gone = reduceState(early, {type: 'overview', overview: overview([run('one')])});
  assert.equal(gone.run, 'one');
});

test('whoever is sent a view sees its run and ticked runs, though others are the usual ones there', () => {
  const [one, two] = [run('one', {verdict: 'critical'}), run('two')];
  const state = opened([two, run('x')]);
  assert.equal(state.run, 'two');
  const start = reduceState(initialState(false, 1024), {
    type: 'view',
    choices: choicesOf(sharedViewOf(state)),
  });
  const others = Array.from({length: 9}, (_, at) => run(`a${at}`));
  const there = reduceState(start, {
    type: 'overview',
    overview: overview([one, ...others, two, run('x')]),
  });
  assert.equal(there.run, 'two');
  assert.deepEqual([...there.shown], ['two', 'x']);
  assert.deepEqual(viewOf(state), {});
});
