import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, type Table} from '../src/api.ts';
import {DIVERGING, MARKS, parseHex, pixel, VIRIDIS, type Special} from '../src/palette.ts';
import {
  codesOf,
  crestRow,
  paint,
  spikeCodesOf,
  stretchesOf,
  type Canvas,
  type Codes,
  type Picture,
} from '../src/raster.ts';
import type {Domain} from '../src/scale.ts';
import {encodeTable, reducedOf, tableOf, type Cell, type Reduced} from './table.ts';

const DOMAIN: Domain = {scale: 'log', low: 1, high: 100};
const LOW = pixel(parseHex(VIRIDIS[0]));
const HIGH = pixel(parseHex(VIRIDIS[9]));

function paper(special: Special): number {
  return pixel(parseHex(MARKS[special].color));
}

function canvasOf(width: number, rowHeight: number): Canvas {
  return {width, rowHeight, patternSize: 1, crest: 1};
}

function pictureOf(codes: Codes, spikes: Codes | null = null): Picture {
  return {codes, spikes, scheme: 'size'};
}

function rowsOf(...rows: number[][]): {columns: number[]}[] {
  return rows.map(columns => ({columns}));
}

/** One line of pixels of a table's only column; patterns show their ink elsewhere in it. */
function line(table: Table, low: number, high: number, width: number): number[] {
  const pixels = new Uint32Array(width * 4);
  const stretches = stretchesOf(table, low, high, width);
  paint(pixels, canvasOf(width, 4), pictureOf(codesOf(table, DOMAIN)), stretches, rowsOf([0]));
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
  assert.deepEqual([...codes([0]), ...codes([1])], [254, 1]);
});

test('each cell is painted in its own rectangle, the rows one below the other', () => {
  const table = tableOf([
    [7, 1, 'missing'],
    [7, NaN, 100],
  ]);
  const pixels = new Uint32Array(8 * 6);
  paint(
    pixels,
    canvasOf(8, 3),
    pictureOf(codesOf(table, DOMAIN)),
    stretchesOf(table, 0, 2, 8),
    rowsOf([1], [2]),
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

test('a row of several variables shows the most alarming of them, and one of none nothing', () => {
  const codes = codesOf(
    tableOf([
      [1, 100, 'missing'],
      [NaN, 1, 0],
      ['missing', 'missing', 'missing'],
    ]),
    DOMAIN,
  );
  const [one, two, three] = [0, 1, 2].map(layer => codes([layer]));
  const all = [0, 1, 2].map(row => Math.max(one[row], two[row], three[row]));
  assert.deepEqual([...codes([0, 1, 2])], all);
  assert.deepEqual([...codes([])], [0, 0, 0]);
  assert.deepEqual([...codes([2, 2])], [0, 1, 0]);
});

test('the codes of a row are worked out once', () => {
  const codes = codesOf(tableOf([[1, 2]]), DOMAIN);
  const columns = [0, 1];
  assert.equal(codes(columns), codes(columns));
  assert.equal(codes([0]), codes([0]));
});

const AROUND: Domain = {scale: 'linear', low: -2, high: 2};

test('of differences the farthest from zero shows, whichever its side', () => {
  const colors = (...cells: Cell[]): number => {
    const table = exact(...cells);
    const pixels = new Uint32Array(1);
    const picture = {codes: codesOf(table, AROUND, 'difference'), spikes: null} as const;
    const stretches = stretchesOf(table, 0, cells.length, 1);
    paint(pixels, canvasOf(1, 1), {...picture, scheme: 'difference'}, stretches, rowsOf([0]));
    return pixels[0];
  };
  const [low, middle, high] = [0, 5, 10].map(at => pixel(parseHex(DIVERGING[at])));
  assert.equal(colors(-2, 1.9, 0), low);
  assert.equal(colors(2, -1.9, 0), high);
  assert.equal(colors(-1e9), low);
  const [red, green, blue] = [0, 8, 16].map(shift => (colors(0) >> shift) & 255);
  const [r, g, b] = [0, 8, 16].map(shift => (middle >> shift) & 255);
  assert.ok(Math.abs(red - r) + Math.abs(green - g) + Math.abs(blue - b) < 6, 'zero is pale');
  assert.equal(colors(2, 'missing'), high);
  assert.notEqual(colors(1), colors(-1));
});

const CALM = tableOf([[1], [1], [1], [1]]);
const SPIKES = new Map([[0, [{row: 2, peak: 100}]]]);

/** The columns of a picture of one row, six pixels high, two pixels to a step. */
function crested(crest: number, table = CALM, spikes = SPIKES): number[][] {
  const pixels = new Uint32Array(8 * 6);
  const picture = pictureOf(codesOf(table, DOMAIN), spikeCodesOf(table, spikes, DOMAIN));
  const canvas = {...canvasOf(8, 6), crest};
  paint(pixels, canvas, picture, stretchesOf(table, 0, 4, 8), rowsOf([0]));
  return [0, 2, 4, 6].map(x => [0, 1, 2, 3, 4, 5].map(y => pixels[y * 8 + x]));
}

test('a spike is the top of its cell, with a line below it, and all of a low one', () => {
  const [red, green, blue] = parseHex(VIRIDIS[0]);
  const line = pixel([red >> 1, green >> 1, blue >> 1]);
  const [before, , spike, after] = crested(2);
  assert.deepEqual(spike, [HIGH, HIGH, line, LOW, LOW, LOW]);
  assert.deepEqual([before, after], [Array(6).fill(LOW), Array(6).fill(LOW)]);
  assert.deepEqual(crested(6)[2], Array(6).fill(HIGH));
});

test('a spike to NaN or infinity has the colour of that', () => {
  const odd = (peak: number): number[] => crested(4, CALM, new Map([[0, [{row: 2, peak}]]]))[2];
  assert.ok(odd(NaN).includes(paper('nan')));
  assert.ok(odd(Infinity).includes(paper('posinf')));
});

test('a spike is not drawn where its pixel shows something more alarming', () => {
  const table = tableOf([[1], [1], [1], [NaN]]);
  const picture = pictureOf(codesOf(table, DOMAIN), spikeCodesOf(table, SPIKES, DOMAIN));
  const [narrow] = stretchesOf(table, 0, 4, 1);
  const wide = stretchesOf(table, 0, 4, 4);
  assert.equal(crestRow(picture, [0], narrow), -1);
  assert.deepEqual(
    wide.map(stretch => crestRow(picture, [0], stretch)),
    [-1, -1, 2, -1],
  );
});
