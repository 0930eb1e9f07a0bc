import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, MARK, type Table} from '../src/api.ts';
import {besidePeaks, cellWords, continued, kindOf, mostAlarming, rowOf, rowStart} from '../src/table.ts';
import {encodeReduced, encodeTable, reducedOf, tableOf, type Cell, type Reduced} from './table.ts';

test('every kind of an exact cell is told apart', () => {
  const cells: Cell[] = ['missing', NaN, -NaN, Infinity, -Infinity, 0, -1, 1e-40];
  const table = tableOf([cells]);
  const kinds = (scale: 'log' | 'linear'): string[] =>
    cells.map((_, at) => kindOf(table, at, scale));
  const odd = ['missing', 'nan', 'nan', 'posinf', 'neginf'];
  assert.deepEqual(kinds('log'), [...odd, 'zero', 'zero', 'number']);
  assert.deepEqual(kinds('linear'), [...odd, 'number', 'number', 'number']);
});

test('a reduced cell is the most alarming of what it stands for', () => {
  const cells: Reduced[] = [
    {low: 1, high: 2, marks: 15},
    {low: 1, high: 2, marks: 2 + 4},
    {low: 1, high: 2, marks: 4 + 8},
    {low: 1, high: 2, marks: 8},
    {low: -1, high: 0},
    {marks: 8},
    {marks: 1 + 8},
  ];
  const table = reducedOf(4, cells);
  assert.deepEqual(
    cells.map((_, at) => kindOf(table, at, 'log')),
    ['nan', 'posinf', 'neginf', 'number', 'zero', 'missing', 'nan'],
  );
});

function winner(...cells: Cell[]): number {
  return mostAlarming(tableOf(cells.map(cell => [cell])), 0, 0, cells.length);
}

test('NaN is more alarming than infinity, that than minus infinity, that than any number', () => {
  assert.equal(winner(1, Infinity, NaN, 5), 2);
  assert.equal(winner(-Infinity, 3e38, Infinity), 2);
  assert.equal(winner(1, -Infinity, 3e38), 1);
  assert.equal(winner(-3, -2, -9), 1);
  assert.equal(winner('missing', 0, 'missing'), 1);
  assert.equal(winner('missing', 'missing'), 0);
});

test('a cell is told in words, to the last digit', () => {
  const exact = tableOf([['missing', NaN, -Infinity, 0.1234567]]);
  assert.deepEqual(
    [0, 1, 2, 3].map(at => cellWords(exact, at)),
    ['not recorded', 'NaN', '−∞', '0.1234567'],
  );
  const reduced = reducedOf(8, [
    {low: 0.1234567, high: 2},
    {low: 3, high: 3},
    {low: 1, high: 2, marks: 1 + 2},
    {marks: 1 + 4 + 8},
    {marks: 8},
    {low: 1, high: 2, marks: 8},
  ]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map(at => cellWords(reduced, at)),
    [
      '0.1234567 to 2',
      '3',
      '1 to 2, with NaN and +∞ among them',
      'NaN and −∞, partly not recorded',
      'not recorded',
      '1 to 2, partly not recorded',
    ],
  );
});

test('each row begins where the one before ends, the first as far before as its records are apart', () => {
  const every = (...steps: number[]): Table => decodeTable(encodeTable(steps, []));
  assert.deepEqual(
    [0, 1, 2].map(row => rowStart(every(10, 20, 35), row)),
    [0, 10, 20],
  );
  assert.equal(rowStart(every(7, 8), 0), 6);
  assert.equal(rowStart(every(1, 10), 0), 0);
  assert.equal(rowStart(every(400), 0), 399);
  assert.equal(rowStart(reducedOf(4, [{}, {}]), 0), 0);
});

test('a step is in the row that ends with it or after it', () => {
  const table = reducedOf(4, [{}, {}, {}]);
  assert.deepEqual(
    [0, 1, 4, 5, 12, 13].map(step => rowOf(table, step)),
    [0, 0, 0, 1, 2, 2],
  );
  assert.equal(rowOf(tableOf([]), 3), -1);
});

const EXACT = decodeTable(encodeTable([10, 20], [[1], ['missing']]));

test('an exact table is continued, its last row replaced', () => {
  const tail = decodeTable(encodeTable([20, 30], [[NaN], ['missing']]));
  const whole = continued(EXACT, tail);
  assert.ok(whole !== null);
  assert.deepEqual([...whole.first], [10, 20, 30]);
  assert.deepEqual([...whole.high], [1, NaN, NaN]);
  assert.deepEqual(
    [0, 1, 2].map(at => kindOf(whole, at, 'log')),
    ['number', 'nan', 'missing'],
  );
  assert.deepEqual([whole.last, whole.low], [whole.first, whole.high]);
});

test('a reduced table is continued with all its planes, marks where only one of the two has them', () => {
  const begun = decodeTable(
    encodeReduced(
      4,
      [
        [1, 4],
        [5, 6],
      ],
      [[{low: 1, high: 2, mean: 1.5}], [{low: 3, high: 3, mean: 3}]],
    ),
  );
  const tail = decodeTable(
    encodeReduced(
      4,
      [
        [5, 8],
        [9, 9],
      ],
      [[{low: 3, high: 9, mean: 4, marks: 1}], [{low: 0, high: 0, mean: 0}]],
    ),
  );
  const whole = continued(begun, tail);
  assert.deepEqual(
    [[...(whole?.first ?? [])], [...(whole?.last ?? [])]],
    [
      [1, 5, 9],
      [4, 8, 9],
    ],
  );
  assert.deepEqual([...(whole?.high ?? [])], [2, 9, 0]);
  assert.deepEqual([...(whole?.low ?? [])], [1, 3, 0]);
  assert.deepEqual([...(whole?.mean ?? [])], [1.5, 4, 0]);
  assert.deepEqual([...(whole?.marks ?? [])], [0, 1, 0]);
});

test('what does not begin with the last row, or is of another kind, continues nothing', () => {
  const reduced = reducedOf(4, [{}, {}]);
  const tail = (...steps: number[]): Table =>
    decodeTable(
      encodeTable(
        steps,
        steps.map(() => [1]),
      ),
    );
  assert.equal(continued(EXACT, tail(10, 20)), null);
  assert.equal(continued(EXACT, tail(30)), null);
  assert.equal(continued(EXACT, tail()), null);
  assert.equal(continued(EXACT, reduced), null);
  assert.equal(continued(EXACT, decodeTable(encodeTable([20], [[1, 2]]))), null);
  assert.equal(continued(tableOf([]), tail(1)), null);
  assert.equal(continued(reduced, reducedOf(8, [{}])), null);
});

test('peaks stand beside the values that they are of, and the value itself where there is no larger one', () => {
  const cells: Cell[] = [1, 1, 1, NaN, 'missing', 1];
  const peaks: Cell[] = [5, 'missing', NaN, 3, 2, 0.5];
  const both = besidePeaks(column(cells), column(peaks));
  assert.equal(both.columns, 2);
  assert.deepEqual([...both.high], [1, 5, 1, 1, 1, NaN, NaN, NaN, NaN, 2, 1, 1]);
  assert.deepEqual(kindOf(both, 8, 'linear'), 'missing');
  assert.deepEqual([...besidePeaks(column([1, 2]), null).high], [1, 1, 2, 2]);
});

test('peaks that were answered in other rows are told by their steps', () => {
  const values = reducedOf(4, [{low: 1, high: 2, mean: 1.5}, {low: 1, high: 3, mean: 2}]);
  const peaks = reducedOf(4, [{low: 1, high: 9}]);
  const both = besidePeaks(values, peaks);
  assert.deepEqual([...both.high], [2, 9, 3, 3]);
  assert.deepEqual(both.mean === null ? null : [...both.mean].filter((_, at) => at % 2 === 0), [1.5, 2]);
  const finer = reducedOf(2, [{low: 1, high: 1}, {low: 1, high: 9}, {low: 1, high: 4}]);
  assert.deepEqual([...besidePeaks(values, finer).high], [2, 9, 3, 4]);
  const coarser = reducedOf(8, [{low: 1, high: 9}]);
  assert.deepEqual([...besidePeaks(values, coarser).high], [2, 9, 3, 9]);
  const exact = besidePeaks(values, decodeTable(encodeTable([2, 7], [[9], [Infinity]])));
  assert.deepEqual([...exact.high], [2, 9, 3, Infinity]);
  assert.deepEqual([0, 1, 2, 3].map(at => kindOf(exact, at, 'linear')), ['number', 'number', 'number', 'posinf']);
  const single = decodeTable(encodeTable([1, 2, 5], [[1], [1], [1]]));
  const rows = [{low: 1, high: 9}, {low: 1, high: 2, marks: MARK.posinf}];
  assert.deepEqual([...besidePeaks(single, reducedOf(4, rows)).high], [1, 9, 1, 9, 1, Infinity]);
  const later = decodeTable(encodeReduced(4, [[9, 12]], [[{low: 1, high: 9}]]));
  assert.deepEqual([...besidePeaks(values, later).high], [2, 2, 3, 3]);
  const odd = besidePeaks(values, reducedOf(4, [{low: 1, high: 2, marks: MARK.posinf}]));
  assert.deepEqual(odd.marks === null ? null : [...odd.marks], [0, MARK.posinf, 0, 0]);
});

function column(cells: readonly Cell[]): Table {
  return tableOf(cells.map(cell => [cell]));
}
