import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, layerUrl, type Run, type Table} from '../src/api.ts';
import type {Entry} from '../src/levels.ts';
import {
  drawn,
  layerLines,
  layerLooks,
  linesOf,
  smoothedDrawn,
  SOLID,
  type Drawn,
} from '../src/lines.ts';
import {initialState, type State} from '../src/state.ts';
import {overview, run} from './runs.ts';
import {encodeTable} from './table.ts';

const STATISTICS = ['gradient_norm', 'clipped_gradient_norm'];
const A = run('a', {statistics: STATISTICS});
const B = run('b', {statistics: STATISTICS});
const C = run('c', {statistics: STATISTICS, layers: A.layers.slice(0, 1)});

function state(
  runs: readonly Run[],
  layers: readonly string[],
  change: Partial<State> = {},
): State {
  return {
    ...initialState(false, 1024),
    overview: overview([...runs]),
    order: runs.map(({name}) => name),
    run: runs[0].name,
    shown: new Set(runs.map(({name}) => name)),
    layers,
    ...change,
  };
}

function entry(table: Table): Entry {
  const held = {table, version: '', records: 3, pixels: 512, window: null};
  return {
    whole: {held, asked: null, failed: null},
    detail: {held: null, asked: null, failed: null},
  };
}

test('with one layer a line has the name and the colour of its run', () => {
  const lines = layerLines(state([A, B], ['a/kernel']));
  assert.deepEqual(
    lines.map(({label}) => label),
    ['a', 'b'],
  );
  const [first, second] = linesOf(state([A, B], []), ({name}) => name);
  assert.deepEqual(
    lines.map(({color, dash}) => [color, dash]),
    [
      [first.color, SOLID],
      [second.color, SOLID],
    ],
  );
});

test('with several layers colours tell these apart, and dashes the runs beyond the selected one', () => {
  const lines = layerLines(state([A, B], ['a/kernel', 'b/kernel'], {run: 'b'}));
  assert.deepEqual(
    lines.map(({label}) => label),
    ['a · a/kernel', 'b · a/kernel', 'a · b/kernel', 'b · b/kernel'],
  );
  const [one, two, three, four] = lines;
  assert.equal(one.color, two.color);
  assert.equal(three.color, four.color);
  assert.notEqual(one.color, three.color);
  assert.deepEqual([two.dash, four.dash], [SOLID, SOLID]);
  assert.ok(one.dash.length > 0);
  assert.equal(one.dash, three.dash);
});

test('with one run a layer is called by its name alone, and is solid', () => {
  const lines = layerLines(state([A], ['a/kernel', 'b/kernel']));
  assert.deepEqual(
    lines.map(({label, dash}) => [label, dash]),
    [
      ['a/kernel', SOLID],
      ['b/kernel', SOLID],
    ],
  );
});

test('a run has no line of a layer that it lacks, and what is not shown has none', () => {
  const lines = layerLines(state([A, C], ['b/kernel', 'a/kernel']));
  assert.deepEqual(
    lines.map(({label}) => label),
    ['a · b/kernel', 'a · a/kernel', 'c · a/kernel'],
  );
  const fewer = state([A, B], ['a/kernel'], {shown: new Set(['b'])});
  assert.deepEqual(
    layerLines(fewer).map(({run: of}) => of.name),
    ['b'],
  );
  // The selected run is not drawn: the first that is takes the solid line.
  const [look] = layerLooks({...fewer, layers: ['a/kernel', 'b/kernel']}).runs;
  assert.deepEqual([look.run.name, look.dash], ['b', SOLID]);
});

function drawnOf(...rows: number[][]): Drawn {
  const table = decodeTable(
    encodeTable(
      rows.map((_, at) => at + 1),
      rows,
    ),
  );
  const tables = new Map([[layerUrl('a', 'a/kernel'), entry(table)]]);
  const show = {name: 'gradient_norm', low: null, high: null, scale: 'log'} as const;
  const also = {name: 'clipped_gradient_norm', words: 'after clipping'};
  const lines = layerLines(state([A], ['a/kernel'], {tables}));
  return drawn(lines, {...show, also}, ({statistics}) => statistics);
}

test('the norm after clipping is there where it differs anywhere', () => {
  const clipped = drawnOf([1, 1], [9, 2]);
  assert.deepEqual(
    clipped.curves.map(({label}) => label),
    ['a', 'a · after clipping'],
  );
  assert.deepEqual(clipped.curves[1].values, [1, 2]);
  assert.notDeepEqual(clipped.curves[1].dash, SOLID);
  assert.equal(drawnOf([1, 1], [9, 9]).curves.length, 1);
  // Rounded otherwise is not clipped.
  assert.equal(drawnOf([1, 1 + 1e-6], [9, 9]).curves.length, 1);
});

test('lines are smoothed, over the window as over the whole run', () => {
  const smooth = smoothedDrawn(drawnOf([1, 1], [3, 3]), 0.5);
  for (const [curve] of [smooth.curves, smooth.wholes]) {
    assert.deepEqual(curve.raw, [1, 3]);
    assert.deepEqual(curve.values, [1, 1.75 / 0.75]);
  }
});
