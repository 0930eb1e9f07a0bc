import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable} from '../src/api.ts';
import {curveOf, type Curve} from '../src/curves.ts';
import {
  briefEntries,
  entriesAt,
  isLow,
  nearestEntries,
  nextRecord,
  shortLabels,
  shortNames,
  spokenWords,
  stepAfterKey,
} from '../src/readout.ts';
import {run} from './runs.ts';
import {encodeTable} from './table.ts';

function curve(label: string, steps: readonly number[], values: readonly number[]): Curve {
  const table = decodeTable(
    encodeTable(
      steps,
      values.map(value => [value]),
    ),
  );
  const look = {label, color: '#000000', dash: [], width: 1};
  const show = {name: 'x', low: null, high: null, scale: 'linear'} as const;
  const made = curveOf(run(label), look, table, ['x'], show, `net/${label}/kernel`);
  assert.ok(made !== null);
  return made;
}

const A = curve('a', [10, 20, 30], [1, 2, 3]);
const B = curve('b', [10, 20, 30, 40, 50], [5, NaN, 1, 1, 1]);
const labels = (entries: readonly {curve: Curve}[]): string[] =>
  entries.map(entry => entry.curve.label);

test('lines are told from the highest to the lowest, those without a number last', () => {
  assert.deepEqual(labels(entriesAt([A, B], 10, false)), ['b', 'a']);
  assert.deepEqual(labels(entriesAt([B, A], 25, false)), ['a', 'b']);
});

test('a line that ended, or has not begun, says nothing of a step', () => {
  assert.deepEqual(labels(entriesAt([A, B], 38, false)), ['a', 'b']);
  assert.deepEqual(labels(entriesAt([A, B], 41, false)), ['b']);
  assert.deepEqual(labels(entriesAt([A, B], 5, false)), []);
  assert.deepEqual(labels(entriesAt([A, B], 25, true)), []);
  assert.deepEqual(labels(entriesAt([A, B], 40, true)), ['b']);
});

test('of many lines those nearest to the pointer are told, in their order', () => {
  const many = Array.from({length: 20}, (_, nth) => curve(`${nth}`, [1], [nth]));
  const entries = entriesAt(many, 1, false);
  const told = nearestEntries(entries, 3, 100, value => 10 * value);
  assert.deepEqual(labels(told.entries), ['11', '10', '9']);
  assert.equal(told.nearest?.curve.label, '10');
  assert.equal(told.more, 17);
  const elsewhere = nearestEntries(entries, 3, null, value => value);
  assert.deepEqual([labels(elsewhere.entries), elsewhere.nearest], [['19', '18', '17'], null]);
});

test('a line without a number is not the nearest', () => {
  const [gone] = entriesAt([B], 20, false);
  assert.equal(nearestEntries([gone], 3, 0, value => value).nearest, null);
});

test('keys go from record to record of all lines', () => {
  assert.equal(nextRecord([A, B], 30, 1), 40);
  assert.equal(nextRecord([A, B], 50, 1), null);
  assert.equal(nextRecord([A, B], 21, -1), 20);
  assert.deepEqual(
    ['ArrowLeft', 'ArrowRight', 'Home', 'End', '+'].map(key => stepAfterKey(key, [A, B], 20)),
    [10, 30, 10, 50, undefined],
  );
});

test('a step is spoken with all its values', () => {
  assert.equal(spokenWords([A, B], 20, false), 'step 20; a 2; b NaN');
});

test('names are told by what tells them apart', () => {
  const short = (...names: string[]): string[] => [...shortNames(names).values()];
  assert.deepEqual(short('net/a/kernel', 'net/b/kernel'), ['a', 'b']);
  assert.deepEqual(short('net/a/kernel', 'net/a/bias'), ['kernel', 'bias']);
  assert.deepEqual(short('net/kernel', 'net/b/kernel'), ['kernel', 'b/kernel']);
  assert.deepEqual(short('net/a', 'net/a'), ['net/a']);
  assert.deepEqual(short('a', 'a/b'), ['a', 'a/b']);
  const long = {...A, label: 'a · net/a/kernel'};
  assert.deepEqual([...shortLabels([long, B]).values()], ['a · a', 'b']);
});

test('a line of words tells the first three values', () => {
  const many = Array.from({length: 4}, (_, nth) => curve(`${nth}`, [1], [nth]));
  const {entries, more} = briefEntries(many, 1, false);
  assert.deepEqual(
    entries.map(({curve: {label}, words}) => [label, words]),
    [
      ['0', '0'],
      ['1', '1'],
      ['2', '2'],
    ],
  );
  assert.equal(more, true);
  assert.equal(briefEntries(many.slice(1), 1, false).more, false);
  assert.deepEqual(briefEntries([A], 25, true), {entries: [], more: false});
  const thick = {...many[3], width: 2};
  assert.deepEqual(labels(briefEntries([...many.slice(0, 3), thick], 1, false).entries), [
    '3',
    '0',
    '1',
  ]);
  const banded = {...A, high: [9, 9, 9], raw: [7, 7, 7]};
  assert.equal(briefEntries([banded], 10, false).entries[0].words, '1');
});

test('a box of words goes where it hides fewer points', () => {
  const area = {height: 136}; // 100 of them for the plot, from 8 on
  assert.equal(isLow([20], 30, area), true);
  assert.equal(isLow([60], 30, area), false);
  assert.equal(isLow([100], 30, area), false);
  assert.equal(isLow([20, 100], 30, area), false);
  assert.equal(isLow([20, 25, 100], 30, area), true);
  assert.equal(isLow([20, NaN, 500], 30, area), true);
});
