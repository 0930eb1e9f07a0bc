import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  decodeTable,
  flightUrl,
  layerUrl,
  statisticUrl,
  type Run,
  type Table,
} from '../src/api.ts';
import type {Entry} from '../src/levels.ts';
import {
  drawn,
  flightLine,
  layerLines,
  layerLooks,
  linesOf,
  LOSS_COLUMNS,
  lossLines,
  lossScale,
  MANY,
  smoothedDrawn,
  SOLID,
  unbanded,
  wholeLoss,
  type Drawn,
} from '../src/lines.ts';
import {initialState, type State} from '../src/state.ts';
import {overview, run} from './runs.ts';
import {encodeTable, tableOf} from './table.ts';

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
  const smooth = smoothedDrawn(drawnOf([1, 1], [3, 3]), 0.5, 'linear');
  for (const [curve] of [smooth.curves, smooth.wholes]) {
    assert.deepEqual(curve.raw, [1, 3]);
    assert.deepEqual(curve.values, [1, 1 + 2 / 1.5]);
  }
});

test('very many lines have no bands, and few keep theirs', () => {
  const {curves, wholes} = drawnOf([1, 1], [3, 3]);
  const banded = {...curves[0], low: [0, 0], high: [2, 9]};
  const many = (count: number): Drawn =>
    unbanded({
      curves: Array.from({length: count}, () => banded),
      wholes: Array.from({length: count}, () => ({...wholes[0], high: [9]})),
    });
  assert.deepEqual(many(MANY).curves[0], banded);
  for (const {low, high} of [...many(MANY + 1).curves, ...many(MANY + 1).wholes])
    assert.deepEqual([low, high], [null, null]);
});

test('the selected run has the thickest line, and it is drawn over the others', () => {
  const tables = new Map(['a', 'b'].map(name => [name, entry(tableOf([[1]]))]));
  const lines = linesOf(state([A, B], [], {tables}), ({name}) => name);
  assert.ok(lines[0].width > lines[1].width);
  const show = {name: 'loss', low: null, high: null, scale: 'log'} as const;
  const {curves, wholes} = drawn(lines, show, () => ['loss']);
  for (const each of [curves, wholes])
    assert.deepEqual(
      each.map(({run: of}) => of),
      ['b', 'a'],
    );
  const [alone] = linesOf(state([A], []), ({name}) => name);
  assert.equal(alone.width, lines[1].width);
  const layered = layerLines(state([A, B], ['a/kernel', 'b/kernel'], {run: 'b'}));
  assert.ok(layered[1].width > layered[0].width);
});

test('of very many layers only the first ones are drawn', () => {
  const layers = Array.from({length: 120}, (_, nth) => ({name: `${nth}`, group: '', shape: [1]}));
  const names = layers.map(({name}) => name);
  const [one, other] = ['a', 'b'].map(name => run(name, {layers}));
  assert.equal(layerLines(state([one], names)).length, 96);
  const both = layerLines(state([one, other], names));
  assert.equal(both.length, 96);
  assert.equal(both.at(-1)?.layer, '47');
});

const FLIGHT = {firstStep: 1, lastStep: 2, updates: 2, reason: 'exception'};

test('the flight record is the selected run’s, ticked or not, once its table fits the layers', () => {
  const [a, b] = ['a', 'b'].map(name => run(name, {flight: FLIGHT}));
  const of = (columns: number, change: Partial<State> = {}): ReturnType<typeof flightLine> => {
    const table = tableOf([Array.from({length: columns}, () => 1)]);
    const tables = new Map([[flightUrl('b'), entry(table)]]);
    return flightLine(state([a, b], [], {run: 'b', tables, ...change}));
  };
  assert.equal(of(4)?.run.name, 'b');
  assert.equal(of(4)?.table?.columns, 4);
  assert.equal(of(3)?.table, null);
  assert.equal(of(4, {shown: new Set(['a'])})?.table?.columns, 4);
  assert.equal(of(4, {run: 'a'})?.table, null);
  assert.equal(flightLine(state([A], [])), null);
});

test('a loss of zero or less, also in the flight record, makes the scale of the loss linear', () => {
  const one = run('a', {flight: FLIGHT, layers: []});
  const scale = (loss: number, other: number, flown: number, change: Partial<State> = {}) => {
    const tables = new Map([
      [statisticUrl('a', 'loss'), entry(tableOf([[2], [loss]]))],
      [statisticUrl('b', 'loss'), entry(tableOf([[other]]))],
      [flightUrl('a'), entry(tableOf([[flown]]))],
    ]);
    return lossScale(state([one, B], [], {tables, ...change}));
  };
  assert.equal(scale(1, 1, 1), 'log');
  assert.equal(scale(0, 1, 1), 'linear');
  assert.equal(scale(1, -1, 1), 'linear');
  assert.equal(scale(1, 1, -1), 'linear');
  assert.equal(scale(1, -1, 1, {shown: new Set(['a'])}), 'log');
  assert.equal(scale(1, -1, 1, {scales: new Map([['loss', 'log']])}), 'log');
});

test('the loss of a run has the largest loss since the record before as its upper edge', () => {
  const loss = (values: number[]): Entry => entry(tableOf(values.map(value => [value])));
  const tables = new Map([
    ['./statistic?run=a&name=loss', loss([1, 2])],
    ['./statistic?run=a&name=loss_peak', loss([1, 1e20])],
  ]);
  const peaky = state([A], [], {tables});
  const lines = lossLines(peaky);
  const show = {name: 'loss', low: null, high: 'loss_peak', scale: 'log'} as const;
  const [curve] = drawn(lines, show, () => LOSS_COLUMNS).curves;
  assert.deepEqual(curve.values, [1, 2]);
  assert.deepEqual(curve.high, [1, Math.fround(1e20)]);
  assert.equal(lossLines(peaky)[0].table, lines[0].table);
  assert.equal(wholeLoss(peaky, A), lines[0].whole);
});
