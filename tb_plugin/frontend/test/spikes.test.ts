import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, type Table} from '../src/api.ts';
import {spikesOf} from '../src/spikes.ts';
import {encodeTable, reducedOf, tableOf, type Cell} from './table.ts';

function column(...cells: Cell[]): Table {
  return tableOf(cells.map(cell => [cell]));
}

/** The rows of the spikes of the only column, and how high they are. */
function found(values: Table, peaks: Table): [row: number, peak: number][] {
  return (spikesOf(values, peaks)?.get(0) ?? []).map(({row, peak}) => [row, peak]);
}

test('a peak ten times as high as its record and the one before is a spike', () => {
  assert.deepEqual(found(column(1, 1, 1), column(1, 10, 9.9)), [[1, 10]]);
  assert.deepEqual(found(column(10, 1, 1), column(10, 99, 1)), []);
  assert.deepEqual(found(column(1, 10, 1), column(1, 99, 1)), []);
  assert.deepEqual(found(column(1), column(10)), [[0, 10]]);
});

test('a step up that stays is no spike', () => {
  assert.deepEqual(found(column(1, 100, 100), column(1, 100, 101)), []);
});

test('a peak that is no number is a spike where the record is one', () => {
  assert.deepEqual(found(column(1, 1), column(NaN, Infinity)), [
    [0, NaN],
    [1, Infinity],
  ]);
  assert.deepEqual(found(column(NaN, Infinity, 'missing'), column(NaN, Infinity, 1)), []);
});

test('what is no number before a spike hides nothing', () => {
  assert.deepEqual(found(column(NaN, 1, 'missing', 1), column(NaN, 50, 'missing', 50)), [
    [1, 50],
    [3, 50],
  ]);
});

test('over records of zero every peak stands out, but one of zero', () => {
  assert.deepEqual(found(column(0, 0, 0), column(0, 1e-9, 0)), [[1, Math.fround(1e-9)]]);
});

test('there is none where nothing stands out, or peaks are missing', () => {
  assert.equal(spikesOf(column(1, 1), column(1, 1)), null);
  assert.equal(spikesOf(column(1, 1), column('missing', 'missing')), null);
  assert.equal(spikesOf(column(1), tableOf([[9, 9]])), null);
});

test('spikes are told by column', () => {
  const spikes = spikesOf(
    tableOf([
      [1, 1],
      [1, 1],
    ]),
    tableOf([
      [1, 90],
      [80, 1],
    ]),
  );
  assert.deepEqual(
    [...(spikes ?? [])],
    [
      [1, [{row: 0, peak: 90}]],
      [0, [{row: 1, peak: 80}]],
    ],
  );
});

test('a reduced row has the highest of the peaks among its steps', () => {
  const values = reducedOf(2, [
    {low: 1, high: 1},
    {low: 1, high: 2},
    {low: 1, high: 1, marks: 1},
  ]);
  const peaks = column(1, 40, 15, 1, 1, 99);
  assert.deepEqual(found(values, peaks), [[0, 40]]);
  const reduced = reducedOf(2, [
    {high: 90, low: 1},
    {high: 2, low: 1, marks: 2},
    {high: 1, low: 1},
  ]);
  assert.deepEqual(found(values, reduced), [
    [0, 90],
    [1, Infinity],
  ]);
});

test('peaks belong to the record that they came before, also when one of the tables has grown', () => {
  const values = decodeTable(encodeTable([10, 20, 30], [[1], [1], [1]]));
  const peaks = decodeTable(encodeTable([20, 30, 40], [[90], [1], [90]]));
  assert.deepEqual(found(values, peaks), [[1, 90]]);
});

test('peaks that are coarser than the table say nothing', () => {
  assert.equal(
    spikesOf(
      column(1, 1, 1, 1),
      reducedOf(2, [
        {high: 90, low: 1},
        {high: 90, low: 1},
      ]),
    ),
    null,
  );
});
