import assert from 'node:assert/strict';
import {test} from 'vitest';

import {csvNumber, csvText, curvesCsv, mapCsv} from '../src/csv.ts';
import {reducedOf, tableOf} from './table.ts';

const ALL = {firstStep: 1, lastStep: 1e9};
const LOSS = {run: 'a', layer: '', statistic: 'loss', column: 0, low: null, high: null};

function linesOf(csv: string): string[] {
  assert.ok(csv.endsWith('\r\n') && !/[^\r]\n/.test(csv));
  return csv.slice(0, -2).split('\r\n');
}

test('numbers are as adamax_tb/export.py has them', () => {
  const told: [number, string][] = [
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [1e-5, '0.00001'],
    [-1.5e-7, '-1.5e-7'],
    [Math.fround(0.1), '0.1'],
    [99999992, '99999990.0'],
    [1e12, '1000000000000.0'],
    [Math.fround(1e13), '1e+13'],
    [Math.fround(3.4028235e38), '3.4028235e+38'],
    [NaN, 'NaN'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
  ];
  for (const [value, text] of told) assert.equal(csvNumber(Math.fround(value)), text);
});

test('every float32 reads back to itself, from no digit more than it takes', () => {
  const view = new DataView(new ArrayBuffer(4));
  for (let bits = 1; bits < 2 ** 32; bits += 429497) {
    view.setUint32(0, bits);
    const value = view.getFloat32(0);
    if (!Number.isFinite(value)) continue;
    const text = csvNumber(value);
    assert.ok(Object.is(Math.fround(Number(text)), value), text);
    const digits = text
      .replace(/e.*/, '')
      .replace(/[-.]/g, '')
      .replace(/^0+|0+$/g, '').length;
    if (digits < 2) continue;
    assert.notEqual(Math.fround(Number(value.toPrecision(digits - 1))), value, text);
  }
});

test('a name that a spreadsheet would take for a formula is none any more', () => {
  assert.deepEqual(['=1+1', '+1', '-x', '@a', '＝1', '\ta', '\rb', '\nc', 'a=b', "'q"].map(csvText), [
    "'=1+1",
    "'+1",
    "'-x",
    "'@a",
    "'＝1",
    "'\ta",
    '"\'\rb"',
    '"\'\nc"',
    'a=b',
    "'q",
  ]);
  assert.deepEqual(['a,b', 'say "x"', 'a\nb', ''].map(csvText), [
    '"a,b"',
    '"say ""x"""',
    '"a\nb"',
    '',
  ]);
});

test('no formula begins where another sign divides cells', () => {
  const names = ['a;=1+1', 'a\t-b', 'a\n@c', 'a;b', 'a,-b', 'a;;＝d', ';\t=e', '\t=f'];
  assert.deepEqual(names.map(csvText), [
    "a;'=1+1",
    "a\t'-b",
    `"a\n'@c"`,
    'a;b',
    '"a,-b"',
    "a;;'＝d",
    ";\t'=e",
    "'\t'=f",
  ]);
});

test('an exact curve has a row per record: value, low and high are the same', () => {
  const table = tableOf([[1], [NaN], [Infinity], [-Infinity], ['missing']]);
  assert.deepEqual(linesOf(curvesCsv([{...LOSS, table}], ALL)), [
    'run,layer,statistic,first_step,last_step,value,low,high,among',
    'a,,loss,1,1,1.0,1.0,1.0,',
    'a,,loss,2,2,NaN,NaN,NaN,NaN',
    'a,,loss,3,3,inf,inf,inf,inf',
    'a,,loss,4,4,-inf,-inf,-inf,-inf',
    'a,,loss,5,5,,,,missing',
  ]);
});

test('a row of several records has their mean, smallest and largest, and names what is no number', () => {
  const table = reducedOf(10, [
    {low: 1, mean: 2.5, high: 4},
    {low: 1, mean: 2, high: 3, marks: 1 + 2 + 8},
    {marks: 1 + 4},
    {marks: 8},
  ]);
  assert.deepEqual(linesOf(curvesCsv([{...LOSS, table}], ALL)).slice(1), [
    'a,,loss,1,10,2.5,1.0,4.0,',
    'a,,loss,11,20,2.0,1.0,3.0,NaN inf missing',
    'a,,loss,21,30,NaN,NaN,NaN,NaN -inf',
    'a,,loss,31,40,,,,missing',
  ]);
});

test('there is no mean where the table has none and the records differ', () => {
  const table = reducedOf(2, [
    {low: 1, high: 3},
    {low: 2, high: 2},
  ]);
  assert.deepEqual(linesOf(curvesCsv([{...LOSS, table}], ALL)).slice(1), [
    'a,,loss,1,2,,1.0,3.0,',
    'a,,loss,3,4,2.0,2.0,2.0,',
  ]);
});

test('a band has its edges from columns of their own', () => {
  const table = tableOf([[2, 1, Infinity]]);
  const curve = {run: 'a', layer: 'dense', statistic: 'u_mean', table, column: 0};
  const csv = curvesCsv([{...curve, low: 1, high: 2}], ALL);
  assert.equal(linesOf(csv)[1], 'a,dense,u_mean,1,1,2.0,1.0,inf,inf');
});

test('only rows that the window touches are told, of each curve', () => {
  const table = reducedOf(
    10,
    [1, 2, 3, 4].map(value => ({low: value, mean: value, high: value})),
  );
  const curves = [
    {...LOSS, table},
    {...LOSS, run: 'b', table},
  ];
  const told = linesOf(curvesCsv(curves, {firstStep: 20, lastStep: 21})).slice(1);
  assert.deepEqual(
    told.map(line => line.split(',').slice(0, 5).join()),
    ['a,,loss,11,20', 'a,,loss,21,30', 'b,,loss,11,20', 'b,,loss,21,30'],
  );
  assert.equal(linesOf(curvesCsv(curves, {firstStep: 41, lastStep: 99})).length, 1);
});

function layersOf(...names: string[]): {layer: string; column: number}[] {
  return names.map((layer, column) => ({layer, column}));
}

test('a heat map goes layer after layer, and tells NaN among numbers', () => {
  const exact = tableOf([
    [1, 2],
    [3, 'missing'],
  ]);
  assert.deepEqual(linesOf(mapCsv('=run', layersOf('x,y', 'b'), 'gradient_norm', exact, ALL)), [
    'run,layer,statistic,first_step,last_step,low,high,among',
    `'=run,"x,y",gradient_norm,1,1,1.0,1.0,`,
    `'=run,"x,y",gradient_norm,2,2,3.0,3.0,`,
    `'=run,b,gradient_norm,1,1,2.0,2.0,`,
    `'=run,b,gradient_norm,2,2,,,missing`,
  ]);
  const reduced = reducedOf(4, [{low: 1, high: 2, marks: 1}]);
  assert.equal(linesOf(mapCsv('r', layersOf('a'), 's', reduced, ALL))[1], 'r,a,s,1,4,1.0,2.0,NaN');
});

test('without rows or layers there is the head alone', () => {
  assert.equal(curvesCsv([], ALL).split('\r\n').length, 2);
  assert.equal(mapCsv('r', [], 's', tableOf([]), ALL).split('\r\n').length, 2);
});
