import assert from 'node:assert/strict';
import {test} from 'node:test';

import {decodeTable, type Table} from '../src/api.ts';
import {MARKS, parseHex, pixel, VIRIDIS, type Special} from '../src/palette.ts';
import {codesOf, paint, stretchesOf} from '../src/raster.ts';
import type {Domain} from '../src/scale.ts';
import {encodeTable, reducedOf, tableOf, type Cell, type Reduced} from './table.ts';

const DOMAIN: Domain = {scale: 'log', low: 1, high: 100};
const LOW = pixel(parseHex(VIRIDIS[0]));
const HIGH = pixel(parseHex(VIRIDIS[9]));

function paper(special: Special): number {
  return pixel(parseHex(MARKS[special].color));
}

/** One line of pixels of a table's only column; patterns show their ink elsewhere in it. */
function line(table: Table, low: number, high: number, width: number): number[] {
  const pixels = new Uint32Array(width * 4);
  const stretches = stretchesOf(table, low, high, width);
  paint(pixels, {width, rowHeight: 4, patternSize: 1}, codesOf(table, DOMAIN), stretches, 0, 1);
  const papers = new Set([paper('zero'), paper('nan'), paper('posinf'), paper('neginf')]);
  const rows = [0, 1, 2, 3].map(y => [...pixels.subarray(y * width, (y + 1) * width)]);
  return rows[0].map((color, x) => rows.map(row => row[x]).find(own => papers.has(own)) ?? color);
}

function exact(...cells: Cell[]): Table {
  return tableOf(cells.map(cell => [cell]));
}

test('a spike of one step shows, wherever it is and however few the pixels', () => {
  const steps = 997;
  for (const width of [1, 2, 10, 333, 996, 997, 5000]) {
    for (const spike of [0, 1, 498, 995, 996]) {
      const cells = Array.from({length: steps}, (_, at) => (at === spike ? 100 : 1));
      const colors = line(exact(...cells), 0, steps, width);
      assert.ok(colors.includes(HIGH), `step ${spike + 1} in ${width} pixels`);
    }
  }
});

test('a row of one record has a pixel beside rows of thousands', () => {
  const cells: Reduced[] = [{low: 1, high: 1}, {marks: 1}, {low: 1, high: 1}];
  const table = {
    ...reducedOf(1, cells),
    first: Float64Array.of(1, 10_001, 10_002),
    last: Float64Array.of(10_000, 10_001, 20_000),
  };
  for (const width of [3, 10, 500]) {
    const colors = line(table, 0, 20_000, width);
    assert.equal(colors.filter(color => color === paper('nan')).length, 1, `${width}`);
    assert.equal(colors[0], LOW);
  }
});

test('of the cells that share a pixel the most alarming shows', () => {
  const one = (...cells: Cell[]): number => line(exact(...cells), 0, cells.length, 1)[0];
  assert.equal(one(1, Infinity, NaN, 5), paper('nan'));
  assert.equal(one(-Infinity, 100, Infinity), paper('posinf'));
  assert.equal(one(1, -Infinity, 100), paper('neginf'));
  assert.equal(one(0, 1, 'missing'), LOW);
  assert.equal(one('missing', 0), paper('zero'));
  assert.equal(one('missing', 'missing'), 0);
});

test('a reduced cell shows its marks before its largest number', () => {
  const one = (cell: Reduced): number => line(reducedOf(8, [cell]), 0, 8, 1)[0];
  assert.equal(one({low: 1, high: 100, marks: 1}), paper('nan'));
  assert.equal(one({low: 1, high: 100, marks: 2}), paper('posinf'));
  assert.equal(one({low: 1, high: 100, marks: 4}), paper('neginf'));
  assert.equal(one({low: 1, high: 100, marks: 8}), HIGH);
  assert.equal(one({low: -1, high: 0}), paper('zero'));
  assert.equal(one({marks: 8}), 0);
});

test('a row is as wide as the steps since the row before, and only what is in view is drawn', () => {
  const table = decodeTable(encodeTable([10, 20, 60], [[1], [100], [1]]));
  const widths = (low: number, high: number, width: number): number[][] =>
    stretchesOf(table, low, high, width).map(({left, right, from}) => [from, left, right]);
  assert.deepEqual(widths(0, 60, 60), [
    [0, 0, 10],
    [1, 10, 20],
    [2, 20, 60],
  ]);
  assert.deepEqual(widths(15, 25, 100), [
    [1, 0, 50],
    [2, 50, 100],
  ]);
  assert.deepEqual(widths(40, 80, 40), [[2, 0, 20]]);
  assert.deepEqual(widths(60, 80, 40), []);
  assert.deepEqual(widths(0, 60, 0), []);
});

test('every pixel between the first and the last step has a row', () => {
  for (const width of [7, 100, 1001]) {
    const stretches = stretchesOf(exact(...Array(40).fill(1)), 0, 40, width);
    assert.equal(stretches[0].left, 0);
    assert.equal(stretches[stretches.length - 1].right, width);
    stretches.slice(1).forEach(({left, from}, at) => {
      assert.equal(left, stretches[at].right);
      assert.ok(from >= stretches[at].from);
    });
  }
});

test('colours follow the domain from end to end, with and without one', () => {
  assert.deepEqual(line(exact(1, 100, 1e9, 1e-9), 0, 4, 4), [LOW, HIGH, HIGH, LOW]);
  const codes = codesOf(tableOf([[NaN, 0]]), null);
  assert.deepEqual([...codes(0), ...codes(1)], [254, 1]);
});

test('each cell is painted in its own rectangle, also when the first rows are scrolled away', () => {
  const table = tableOf([
    [7, 1, 'missing'],
    [7, NaN, 100],
  ]);
  const pixels = new Uint32Array(8 * 6);
  paint(
    pixels,
    {width: 8, rowHeight: 3, patternSize: 1},
    codesOf(table, DOMAIN),
    stretchesOf(table, 0, 2, 8),
    1,
    3,
  );
  const at = (x: number, y: number): number => pixels[y * 8 + x];
  for (const y of [0, 1, 2]) for (const x of [0, 1, 2, 3]) assert.equal(at(x, y), LOW, `${x},${y}`);
  for (const y of [3, 4, 5]) {
    for (const x of [0, 1, 2, 3]) assert.equal(at(x, y), 0, 'not recorded is transparent');
    for (const x of [4, 5, 6, 7]) assert.equal(at(x, y), HIGH);
  }
  const nan = [4, 5, 6, 7].map(x => at(x, 1));
  const ink = pixel(parseHex(MARKS.nan.ink));
  assert.deepEqual(nan.toSorted(), [ink, ...Array(3).fill(paper('nan'))].toSorted());
});
