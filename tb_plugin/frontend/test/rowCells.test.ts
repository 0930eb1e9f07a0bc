import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, MARK} from '../src/api.ts';
import {
  comparedWords,
  marksWithin,
  mostAlarmingCell,
  rowWords,
  shortName,
  spikeWords,
} from '../src/rowCells.ts';
import {encodeTable, reducedOf, tableOf} from './table.ts';

const NAMES = ['a', 'b', 'c'];
const TABLE = tableOf([
  [1, 3, 2],
  [1, NaN, Infinity],
  ['missing', 0.5, 'missing'],
  [7, 7, 7],
]);

test('a row of several variables is told as a range, and which is the largest', () => {
  assert.equal(rowWords(TABLE, [0, 1, 2], 0, NAMES), '1 to 3 in 3 variables, largest in b');
  assert.equal(rowWords(TABLE, [0, 1, 2], 3, NAMES), '7 in 3 variables');
  assert.equal(rowWords(TABLE, [0, 1], 2, NAMES), '0.5 in 1 variable');
});

test('what is no number is told first, with where it is', () => {
  assert.equal(rowWords(TABLE, [0, 1, 2], 1, NAMES), 'NaN in b, +∞ in c, 1 in 1 variable');
  const nans = tableOf([[NaN, NaN, NaN]]);
  assert.equal(rowWords(nans, [0, 1, 2], 0, NAMES), 'NaN in a and 2 more');
});

test('a row of one variable is told as its cell, one of none as not recorded', () => {
  assert.equal(rowWords(TABLE, [1], 0, NAMES), '3');
  assert.equal(rowWords(TABLE, [1], 1, NAMES), 'NaN');
  assert.equal(rowWords(TABLE, [], 0, NAMES), 'not recorded');
  assert.equal(rowWords(TABLE, [0, 2], 2, NAMES), 'not recorded');
});

test('of several cells the most alarming is found, of equals the first', () => {
  assert.deepEqual(mostAlarmingCell(TABLE, [0, 1, 2], 0, 2), {row: 1, column: 1});
  assert.deepEqual(mostAlarmingCell(TABLE, [0, 2], 0, 2), {row: 1, column: 2});
  assert.deepEqual(mostAlarmingCell(TABLE, [0, 1, 2], 3, 4), {row: 3, column: 0});
  assert.equal(mostAlarmingCell(TABLE, [], 0, 2), null);
});

test('of differences the farthest from zero is found', () => {
  const table = tableOf([
    [1, -3, 2],
    [2.5, 'missing', 0],
  ]);
  assert.deepEqual(mostAlarmingCell(table, [0, 1, 2], 0, 2, 'difference'), {row: 0, column: 1});
  assert.deepEqual(mostAlarmingCell(table, [0, 1], 1, 2, 'difference'), {row: 1, column: 0});
});

test('a spike is told between the records that it lies between', () => {
  const table = decodeTable(
    encodeTable(
      [500, 510],
      [
        [1, 1],
        [1, 1],
      ],
    ),
  );
  const spikes = new Map([
    [0, [{row: 1, peak: 1e4}]],
    [1, [{row: 1, peak: NaN}]],
  ]);
  assert.equal(spikeWords(table, spikes, [0], 1, NAMES), 'up to 10,000 between steps 500 and 510');
  assert.equal(spikeWords(table, spikes, [0, 1], 1, NAMES), 'NaN between steps 500 and 510 in b');
  assert.equal(spikeWords(table, spikes, [0], 0, NAMES), null);
  assert.equal(spikeWords(table, null, [0], 1, NAMES), null);
  const reduced = reducedOf(8, [
    {low: 1, high: 1},
    {low: 1, high: 1},
  ]);
  assert.equal(spikeWords(reduced, spikes, [0], 1, NAMES), 'up to 10,000 between steps 9 and 16');
});

test('a difference is told as a factor, and what is not in both runs as that', () => {
  const table = tableOf([[1, 'missing', NaN]]);
  const words = (column: number, scale: 'log' | 'linear'): string =>
    comparedWords(table, {row: 0, column}, scale, [
      {name: 'A', marks: 0},
      {name: 'B', marks: 0},
    ]);
  assert.equal(words(0, 'log'), '10 times larger than in B');
  assert.equal(words(0, 'linear'), '+1');
  assert.equal(words(1, 'log'), 'not recorded in both');
  assert.equal(words(2, 'log'), 'NaN');
});

test('it is told in which of the runs there is no number', () => {
  const table = tableOf([[NaN, Infinity]]);
  const words = (column: number, one: number, other: number): string =>
    comparedWords(table, {row: 0, column}, 'log', [
      {name: 'A', marks: one},
      {name: 'B', marks: other},
    ]);
  assert.equal(words(0, MARK.nan, 0), 'NaN only in A');
  assert.equal(words(0, MARK.posinf, MARK.nan), 'NaN only in B');
  assert.equal(words(0, MARK.nan, MARK.nan | MARK.posinf), 'NaN in both');
  assert.equal(words(1, MARK.posinf, 0), '+∞ only in A');
});

test('the marks of several rows are together', () => {
  assert.equal(marksWithin(TABLE, 1, 0, 2), MARK.nan);
  assert.equal(marksWithin(TABLE, 2, 0, 4), MARK.posinf | MARK.missing);
  assert.equal(marksWithin(TABLE, 1, 2, 2), 0);
});

test('a name within its block is short', () => {
  assert.equal(shortName('net/dense/kernel', 'net/dense'), 'kernel');
  assert.equal(shortName('net/dense_1/kernel', 'net/dense'), 'net/dense_1/kernel');
});
