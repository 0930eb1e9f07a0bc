import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, MARK, type Table} from '../src/api.ts';
import {differenceDomain, differenceTable, differenceWords} from '../src/difference.ts';
import {codesOf} from '../src/raster.ts';
import {domainOf, type Domain} from '../src/scale.ts';
import {cellWords, kindOf, marksAt} from '../src/table.ts';
import {encodeTable, reducedOf, tableOf, type Cell} from './table.ts';

/** The differences of one column, cell after cell: numbers, or the kind of what is none. */
function cells(one: Table, other: Table, scale: 'log' | 'linear'): (number | string)[] {
  const table = differenceTable(one, other, [0], scale);
  return [...table.high].map((value, at) => {
    const kind = kindOf(table, at, 'linear');
    return kind === 'number' ? Number(value.toPrecision(5)) : kind;
  });
}

function column(...values: Cell[]): Table {
  return tableOf(values.map(value => [value]));
}

test('a difference is the power of ten between the two, and on a linear scale what is left', () => {
  assert.deepEqual(cells(column(100, 2, 3), column(1, 4, 3), 'log'), [2, -0.30103, 0]);
  assert.deepEqual(cells(column(100, 2, -3), column(1, 4, 3), 'linear'), [99, -2, -6]);
});

test('powers of ten between float32 numbers are whole', () => {
  const {high} = differenceTable(column(1000, 1e-3), column(1, 1000), [0], 'log');
  assert.deepEqual([...high], [3, -6]);
});

test('the logarithm is that of the mathematics, to what a float32 holds, also at the ends of the range', () => {
  const sizes = [1e-45, 1e-39, 1e-20, 0.3, 0.999, 1, 1.001, 1.999, 2, 77, 3.4e38];
  const pairs = sizes.flatMap(one => sizes.map(other => [one, other]));
  const ones = column(...pairs.map(([one]) => one));
  const others = column(...pairs.map(([, other]) => other));
  const {high} = differenceTable(ones, others, [0], 'log');
  high.forEach((value, at) => {
    const right = Math.log10(ones.high[at] / others.high[at]);
    // Half a unit in the last place of a float32, and 5e-8 for the ratio and the table.
    assert.ok(Math.abs(value - right) <= 5e-8 + 6e-8 * Math.abs(right), `${pairs[at]}: ${value}`);
  });
});

test('NaN and infinities of either run are the mark, NaN before +∞ before −∞', () => {
  const one = column(NaN, 1, Infinity, 1, -Infinity, 1, NaN, -Infinity);
  const other = column(1, NaN, 1, Infinity, 1, -Infinity, Infinity, Infinity);
  const kinds = ['nan', 'nan', 'posinf', 'posinf', 'neginf', 'neginf', 'nan', 'posinf'];
  assert.deepEqual(cells(one, other, 'log'), kinds);
  assert.deepEqual(cells(one, other, 'linear'), kinds);
});

test('what either run did not record is not recorded, also against a NaN', () => {
  const one = column('missing', 1, 'missing', NaN);
  const other = column(1, 'missing', NaN, 'missing');
  assert.deepEqual(cells(one, other, 'log'), Array(4).fill('missing'));
});

test('steps and columns that only one run has are not recorded', () => {
  const one = tableOf([
    [1, 5],
    [1, 5],
    [1, 5],
  ]);
  const other = decodeTable(encodeTable([2], [[7, 0.1]]));
  const table = differenceTable(one, other, [1, -1], 'log');
  const kinds = [...table.high].map((_, at) => kindOf(table, at, 'linear'));
  assert.deepEqual(kinds, ['missing', 'missing', 'number', 'missing', 'missing', 'missing']);
  assert.ok(Math.abs(table.high[2] - 1) < 1e-6);
});

test('a run without records differs nowhere', () => {
  const none = decodeTable(encodeTable([], []));
  assert.deepEqual(cells(column(1, 2), none, 'log'), ['missing', 'missing']);
  assert.equal(differenceTable(none, column(1), [], 'log').high.length, 0);
  assert.equal(differenceDomain(differenceTable(column(1), none, [0], 'log')), null);
});

test('a row stands against all rows of the other run that overlap its steps', () => {
  const coarse = decodeTable(encodeTable([10, 20, 30], [[1], [1], [1]]));
  const fine = decodeTable(
    encodeTable(
      [5, 10, 15, 20, 25, 30],
      [[10], [1], [1], [100], [0.1], [0.01]],
    ),
  );
  assert.deepEqual(cells(coarse, fine, 'log'), [-1, -2, 1]);
  assert.deepEqual(cells(fine, coarse, 'log'), [1, 0, 0, 2, -1, -2]);
});

test('zero against a number is as far off as the most extreme other cell, and against zero equal', () => {
  const one = column(0, 5, 0, 1000, -2);
  const other = column(5, 0, 0, 1, 0);
  assert.deepEqual(cells(one, other, 'log'), [-3, 3, 0, 3, 0]);
  const lone = cells(column(0, 1), column(1, 1), 'log');
  assert.deepEqual(lone, [-0.3, 0]);
});

test('a reduced table keeps the numbers beside its marks, and what is partly not recorded', () => {
  const one = reducedOf(4, [
    {low: 1, high: 10, marks: MARK.nan},
    {marks: MARK.posinf},
    {marks: MARK.missing},
    {low: 1, high: 1, marks: MARK.missing},
  ]);
  const other = reducedOf(4, Array(4).fill({low: 1, high: 100}));
  const table = differenceTable(one, other, [0], 'log');
  assert.equal(table.per, 4);
  assert.equal(table.high[0], -1);
  assert.deepEqual(
    [0, 1, 2, 3].map(at => kindOf(table, at, 'linear')),
    ['nan', 'posinf', 'missing', 'number'],
  );
  assert.equal(marksAt(table, 3), MARK.missing);
  assert.equal(cellWords(table, 2), 'not recorded');
});

test('a reduced run against an exact one has the marks of both', () => {
  const reduced = reducedOf(2, [{low: 1, high: 10}, {low: 1, high: 10, marks: MARK.neginf}]);
  const exact = column(1, NaN, 1, 1);
  const table = differenceTable(reduced, exact, [0], 'log');
  assert.deepEqual([...table.high], [1, 1]);
  assert.deepEqual([kindOf(table, 0, 'linear'), kindOf(table, 1, 'linear')], ['nan', 'neginf']);
  assert.deepEqual(cells(exact, reduced, 'log'), [-1, 'nan', 'neginf', 'neginf']);
});

test('the result is a table whose planes share memory as those of the decoder do', () => {
  const table = differenceTable(column(1, NaN), column(2, 1), [0], 'log');
  assert.equal(table.low, table.high);
  assert.equal(table.bits.buffer, table.high.buffer);
  assert.equal(table.first, table.last);
  assert.equal(table.marks, null);
  assert.equal(table.mean, null);
});

test('the heat map takes a difference: the larger it is the more it alarms, and NaN alarms most', () => {
  const table = differenceTable(column(1, 100, NaN), column(1, 1, 1), [0], 'log');
  const codes = codesOf(table, differenceDomain(table), 'difference');
  const [equal, larger, nan] = codes([0]);
  assert.ok(0 < equal && equal < larger && larger < nan, `${equal} ${larger} ${nan}`);
  assert.notEqual(domainOf(table, 'linear'), null);
});

test('the colours span the same to both sides, and more than noise', () => {
  const domain = (one: Table, other: Table): Domain | null =>
    differenceDomain(differenceTable(one, other, [0], 'log'));
  assert.deepEqual(domain(column(1, 1000), column(10, 1)), {scale: 'linear', low: -3, high: 3});
  assert.deepEqual(domain(column(1.01), column(1)), {scale: 'linear', low: -0.3, high: 0.3});
  assert.equal(domain(column(NaN), column(1)), null);
  assert.equal(domain(column(100, Infinity), column(1, 1))?.high, 2);
  const linear = differenceTable(column(0.03), column(0.02), [0], 'linear');
  assert.equal(differenceDomain(linear, 0.05)?.high, 0.05);
});

test('differences are said as factors against the other run, or with their sign', () => {
  const words = (value: number, scale: 'log' | 'linear'): string =>
    differenceWords(value, scale, 'b');
  assert.equal(words(Math.log10(4.2), 'log'), '4.2 times larger than in b');
  assert.equal(words(-Math.log10(4), 'log'), '4.0 times smaller than in b');
  assert.equal(words(Math.log10(0.0123), 'log'), '81 times smaller than in b');
  assert.equal(words(0, 'log'), 'equal');
  assert.equal(words(0.001, 'log'), 'equal');
  assert.equal(words(-0.001, 'log'), 'equal');
  assert.equal(words(0.2, 'linear'), '+0.2');
  assert.equal(words(-0.2, 'linear'), '−0.2');
  assert.equal(words(0, 'linear'), 'equal');
  assert.equal(words(NaN, 'log'), 'NaN');
  assert.equal(words(6, 'log'), '1e+06 times larger than in b');
});
