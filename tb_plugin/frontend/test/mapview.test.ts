import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {Table} from '../src/api.ts';
import {mapSvg} from '../src/mapPicture.ts';
import {
  columnsOf,
  differenceName,
  mapPicture,
  mapPixels,
  rowsIn,
  type MapView,
} from '../src/mapview.ts';
import {MARKS, parseHex} from '../src/palette.ts';
import {SPIKE} from '../src/spikes.ts';
import {rowsOf} from '../src/tree.ts';
import {finding, run} from './runs.ts';
import {tableOf} from './table.ts';
import {xmlProblem} from './xml.ts';

const COLORS = {
  page: '#fff',
  text: '#222222',
  muted: '#666666',
  grid: '#eeeeee',
  accent: '#f57c00',
  critical: '#b3261e',
  warning: '#8a5000',
  info: '#1a5fb4',
};
const NONE = new Set<string>();

/** Three layers over four steps. */
const TABLE: Table = tableOf([
  [1, 10, NaN],
  [1, 10, 'missing'],
  [1, 10, 1],
  [1, 10, 100],
]);

function view(change: Partial<MapView> = {}): MapView {
  const of = change.run ?? run('a');
  return {
    label: 'Gradient norm',
    unit: 'loss per weight',
    scale: 'log',
    domain: {scale: 'log', low: 1, high: 100},
    fitted: false,
    rows: rowsOf(of.layers, false, NONE),
    rowHeight: 10,
    window: {firstStep: 1, lastStep: 4},
    step: null,
    run: of,
    other: null,
    table: TABLE,
    spikes: null,
    width: 40,
    colors: COLORS,
    ...change,
  };
}

/** Red, green, blue and opacity. */
function colorAt(of: MapView, x: number, y: number): number[] {
  const at = 4 * (y * of.width + x);
  return [...mapPixels(of).slice(at, at + 4)];
}

test('the image has the pixels of all rows, and none where nothing was recorded', () => {
  const of = view();
  assert.equal(mapPixels(of).length, 4 * 40 * 30);
  assert.deepEqual(colorAt(of, 35, 24), [...parseHex('#fde725'), 255]);
  assert.equal(colorAt(of, 15, 24)[3], 0);
  const special = [MARKS.nan.color, MARKS.nan.ink].map(color => parseHex(color).join());
  assert.ok(special.includes(colorAt(of, 5, 24).slice(0, 3).join()));
});

test('rows that are high enough have a line of the page between them', () => {
  assert.deepEqual(colorAt(view(), 0, 9), [255, 255, 255, 255]);
  assert.notDeepEqual(colorAt(view({rowHeight: 4}), 0, 3), [255, 255, 255, 255]);
});

test('only the window is in the image', () => {
  const of = view({window: {firstStep: 3, lastStep: 4}});
  assert.deepEqual(colorAt(of, 15, 24), [...parseHex('#440154'), 255]);
});

test('a picture says what it is of, and which steps', () => {
  const picture = mapPicture(view(), 'data:image/png;base64,AAAA');
  assert.equal(picture.title, 'Gradient norm of a');
  assert.equal(picture.unit, 'loss per weight');
  assert.equal(picture.footer, 'a · steps 1–4 · adamax-tb');
  assert.deepEqual([picture.mapWidth, picture.mapHeight], [40, 30]);
  assert.deepEqual(
    picture.labels.map(({at}) => Math.round(at * 30)),
    [5, 25],
  );
  assert.deepEqual(picture.ramp?.ticks[0], {at: 0, label: '1'});
  assert.equal(xmlProblem(mapSvg(picture)), null);
});

test('zero is among the marks of a log scale only', () => {
  const labels = (scale: 'log' | 'linear'): string[] =>
    mapPicture(view({scale}), '').specials.map(({label}) => label);
  assert.deepEqual(labels('log'), ['0', 'NaN', '+∞', '−∞']);
  assert.deepEqual(labels('linear'), ['NaN', '+∞', '−∞']);
});

test('findings, restarts and the step are marked where they are in the window', () => {
  const findings = [finding({firstStep: 2}), finding({rule: 'frozen-layer', firstStep: 9})];
  const of = view({run: run('a', {findings, restarts: [3, 20]}), step: 4});
  const {marks} = mapPicture(of, '');
  assert.deepEqual(
    marks.map(({kind, at, words}) => [kind, at, words]),
    [
      ['restart', 0.5, 'restart'],
      ['finding', 0.375, 'a: nonfinite in a/kernel at step 2'],
      ['step', 0.875, 'step 4'],
    ],
  );
  assert.equal(marks[1].color, COLORS.critical);
});

test('of very many findings the key does not tell every one', () => {
  const findings = Array.from({length: 12}, (_, nth) =>
    finding({rule: `rule-${nth}`, firstStep: 2}),
  );
  const {marks} = mapPicture(view({run: run('a', {findings})}), '');
  assert.equal(marks.length, 12);
  assert.equal(new Set(marks.map(({words}) => words)).size, 9);
});

test('a spike is told only where there is one', () => {
  const spikes = new Map([[0, [{row: 1, peak: 50}]]]);
  const told = mapPicture(view({spikes}), '').notes.join();
  assert.match(told, new RegExp(`spike between two records, at least ${SPIKE} times`));
  assert.deepEqual(mapPicture(view(), '').notes, []);
  assert.deepEqual(colorAt(view({spikes}), 15, 1).slice(0, 3), [
    ...colorAt(view({spikes}), 15, 0).slice(0, 3),
  ]);
  assert.notDeepEqual(colorAt(view({spikes}), 15, 0), colorAt(view({spikes}), 15, 8));
});

test('a difference names both runs, and which way its colours go', () => {
  const domain = {scale: 'linear', low: -1, high: 1} as const;
  const picture = mapPicture(view({other: run('b'), domain}), '');
  assert.equal(picture.title, 'Gradient norm of a against b');
  assert.equal(picture.unit, '');
  assert.deepEqual(
    picture.ramp?.ticks.map(({at, label}) => [at, label]),
    [
      [0, '10 times smaller'],
      [0.5, 'equal'],
      [1, '10 times larger'],
    ],
  );
  assert.equal(picture.ramp?.words, 'in a than in b');
  assert.equal(picture.footer, 'a, b · steps 1–4 · adamax-tb');
});

test('a difference is called by what was done to the numbers', () => {
  assert.equal(
    differenceName('gradient_norm', 'log', run('a'), run('b')),
    'gradient_norm, log10 of a over b',
  );
  assert.equal(differenceName('bias', 'linear', run('a'), run('b')), 'bias, a minus b');
});

test('the rows of a run have the columns of the other one, where it has them', () => {
  const of = run('a');
  const other = run('b', {layers: [of.layers[2], of.layers[0]]});
  const rows = rowsOf(of.layers, false, NONE);
  assert.deepEqual(
    rowsIn(other, of, rows).map(({columns}) => columns),
    [[1], [], [0]],
  );
});

test('the columns of the CSV are the variables, not the rows that hold several', () => {
  assert.deepEqual(
    columnsOf(run('a')).map(({layer, column}) => `${column} ${layer}`),
    ['0 a/kernel', '1 a/bias', '2 b/kernel'],
  );
});

test('a picture says whether its colours fit the window', () => {
  assert.equal(mapPicture(view(), '').ramp?.words, 'log scale');
  const {ramp} = mapPicture(view({fitted: true}), '');
  assert.equal(ramp?.words, 'log scale, fitted to the steps shown');
});
