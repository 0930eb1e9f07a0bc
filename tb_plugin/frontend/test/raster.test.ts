import assert from 'node:assert/strict';
import {test} from 'node:test';

import {MARKS, parseHex, pixel} from '../src/palette.ts';
import {paint, reduce} from '../src/raster.ts';
import {type Domain} from '../src/scale.ts';
import {tableOf, type Cell} from './table.ts';

function winners(cells: readonly Cell[], pixels: number): number[] {
  return [...reduce(tableOf(cells.map(cell => [cell])), 0, cells.length, pixels).winners];
}

test('a spike of one step shows, wherever it is and however few the pixels', () => {
  const steps = 997;
  for (const pixels of [1, 2, 10, 333, 996, 997, 5000]) {
    for (const spike of [0, 1, 498, 995, 996]) {
      const cells = Array.from({length: steps}, (_, at) => (at === spike ? 1e6 : 1));
      assert.ok(winners(cells, pixels).includes(spike), `step ${spike} in ${pixels} pixels`);
    }
  }
});

test('NaN shows before infinity, infinity before minus infinity, minus infinity before any number', () => {
  assert.deepEqual(winners([1, Infinity, NaN, 5], 1), [2]);
  assert.deepEqual(winners([-Infinity, 3e38, Infinity], 1), [2]);
  assert.deepEqual(winners([1, -Infinity, 3e38], 1), [1]);
  assert.deepEqual(winners([-3, -2, -9], 1), [1]);
});

test('not recorded shows only where nothing else is', () => {
  assert.deepEqual(winners(['missing', 'missing', 0, 'missing'], 2), [-1, 2]);
});

test('with room for all, every step has its own column', () => {
  assert.deepEqual(winners([3, 1, 2], 100), [0, 1, 2]);
});

test('only the steps asked for are reduced', () => {
  const table = tableOf([[9], [1], [2], [9]]);
  assert.deepEqual([...reduce(table, 1, 3, 10).winners], [1, 2]);
  assert.deepEqual([...reduce(table, 2, 2, 10).winners], []);
});

test('each cell is painted in its own rectangle', () => {
  const table = tableOf([
    [1, 'missing'],
    [NaN, 100],
  ]);
  const domain: Domain = {scale: 'log', low: 1, high: 100};
  const pixels = new Uint32Array(8 * 6);
  paint(
    pixels,
    {width: 8, height: 6, rowHeight: 3, patternSize: 1},
    table,
    reduce(table, 0, 2, 8),
    domain,
  );
  const at = (x: number, y: number): number => pixels[y * 8 + x];
  const low = pixel(parseHex('#440154'));
  const high = pixel(parseHex('#fde725'));
  for (const y of [0, 1, 2]) for (const x of [0, 1, 2, 3]) assert.equal(at(x, y), low, `${x},${y}`);
  for (const y of [3, 4, 5]) {
    for (const x of [0, 1, 2, 3]) assert.equal(at(x, y), 0, 'not recorded is transparent');
    for (const x of [4, 5, 6, 7]) assert.equal(at(x, y), high);
  }
  const nan = [4, 5, 6, 7].map(x => at(x, 1));
  const paper = pixel(parseHex(MARKS.nan.color));
  const ink = pixel(parseHex(MARKS.nan.ink));
  assert.deepEqual(nan.toSorted(), [ink, paper, paper, paper].toSorted());
});
