import assert from 'node:assert/strict';
import {test} from 'vitest';

import {MARK, type Table} from '../src/api.ts';
import {besidePeaks} from '../src/table.ts';
import {
  dragged,
  edgesOf,
  gripAt,
  layoutOf,
  moved,
  sparkline,
  stepsOfKey,
  type Grip,
} from '../src/timeline.ts';
import type {Zoom} from '../src/zoom.ts';
import {reducedOf, tableOf, type Cell} from './table.ts';

const ALL: Zoom = {firstStep: 1, lastStep: 1000};
/** Two steps a pixel. */
const LAYOUT = layoutOf(ALL, 500);
const REACH = 7;

function zoom(firstStep: number, lastStep: number): Zoom {
  return {firstStep, lastStep};
}

/** Losses at steps 1, 2, 3 …, and the largest since the record before. */
function lossOf(losses: readonly Cell[], peaks: readonly Cell[] = losses): Table {
  const [values, highest] = [losses, peaks].map(cells => tableOf(cells.map(cell => [cell])));
  return besidePeaks(values, highest);
}

function rounded(value: number): number {
  return Number(value.toFixed(9));
}

function drag(grip: Grip, from: Zoom | null, start: number, x: number): Zoom | null {
  return dragged({grip, start, zoom: from}, x, ALL, LAYOUT);
}

test('a window lies from the end of the step before it to the end of its last step', () => {
  assert.deepEqual(edgesOf(zoom(201, 400), LAYOUT), [100, 200]);
  assert.deepEqual(edgesOf(null, LAYOUT), [0, 500]);
});

test('a press takes the nearer handle in reach, else the window, else begins a new one', () => {
  const grips = (some: Zoom | null, ...at: number[]): Grip[] =>
    at.map(x => gripAt(x, some, LAYOUT, REACH));
  assert.deepEqual(grips(zoom(201, 400), 92, 93, 100, 107, 108, 192, 193, 207, 208), [
    'new',
    'first',
    'first',
    'first',
    'window',
    'window',
    'last',
    'last',
    'new',
  ]);
  assert.deepEqual(grips(null, 0, 7, 8, 250, 492, 493, 500), [
    'first',
    'first',
    'new',
    'new',
    'new',
    'last',
    'last',
  ]);
});

test('a narrow window can still be moved from within and resized from outside', () => {
  const narrow = zoom(201, 204);
  assert.equal(gripAt(101, narrow, LAYOUT, REACH), 'window');
  assert.equal(gripAt(99, narrow, LAYOUT, REACH), 'first');
  assert.equal(gripAt(103, narrow, LAYOUT, REACH), 'last');
});

test('a drag over nothing is a window of the steps it touched, in either direction', () => {
  assert.deepEqual(drag('new', null, 100, 200), zoom(201, 401));
  assert.deepEqual(drag('new', zoom(1, 3), 200, 100), zoom(201, 401));
  assert.deepEqual(drag('new', null, 100, 100.2), zoom(201, 201));
  assert.equal(drag('new', null, -50, 900), null);
});

test('a handle moves its own end by as much as the pointer, wherever on it the press was', () => {
  const own = zoom(201, 400);
  assert.deepEqual(drag('first', own, 104, 114), zoom(221, 400));
  assert.deepEqual(drag('last', own, 197, 177), zoom(201, 360));
  assert.deepEqual(drag('first', null, 2, 52), zoom(101, 1000));
});

test('handles do not pass each other: one step is left', () => {
  const own = zoom(201, 400);
  assert.deepEqual(drag('first', own, 100, 480), zoom(400, 400));
  assert.deepEqual(drag('last', own, 200, 10), zoom(201, 201));
});

test('the window moves with its width, and stops at the first and the last step', () => {
  const own = zoom(201, 400);
  assert.deepEqual(drag('window', own, 150, 175), zoom(251, 450));
  assert.deepEqual(drag('window', own, 150, -400), zoom(1, 200));
  assert.deepEqual(drag('window', own, 150, 9000), zoom(801, 1000));
  assert.equal(drag('window', null, 150, 175), null);
});

test('a window of all steps is no window', () => {
  assert.equal(drag('first', zoom(201, 1000), 100, -5), null);
  assert.equal(moved('last', zoom(1, 900), 100, ALL), null);
  assert.deepEqual(moved('last', zoom(1, 900), 99, ALL), zoom(1, 999));
});

test('a window never leaves the run nor gets empty, whatever is dragged', () => {
  for (const grip of ['first', 'last', 'window', 'new'] as const) {
    for (const from of [null, zoom(1, 1), zoom(500, 501), zoom(990, 1000)]) {
      for (const x of [-1e6, -3, 0, 249, 500, 503, 1e6]) {
        const next = drag(grip, from, 250, x);
        if (next === null) continue;
        assert.ok(1 <= next.firstStep && next.firstStep <= next.lastStep, `${grip} ${x}`);
        assert.ok(next.lastStep <= 1000, `${grip} ${x}`);
      }
    }
  }
});

test('a run of one step has one window, which is all of it', () => {
  const all = zoom(5, 5);
  const layout = layoutOf(all, 300);
  for (const grip of ['first', 'last', 'window', 'new'] as const)
    assert.equal(dragged({grip, start: 10, zoom: null}, 200, all, layout), null);
});

test('an arrow key moves a hundredth of all steps, with Shift a tenth, and one at least', () => {
  assert.equal(stepsOfKey('ArrowRight', false, ALL), 10);
  assert.equal(stepsOfKey('ArrowLeft', false, ALL), -10);
  assert.equal(stepsOfKey('ArrowUp', true, ALL), 100);
  assert.equal(stepsOfKey('ArrowDown', true, ALL), -100);
  assert.equal(stepsOfKey('PageUp', false, ALL), 100);
  assert.equal(stepsOfKey('ArrowRight', false, zoom(1, 20)), 1);
  assert.equal(stepsOfKey('a', false, ALL), null);
});

test('Home and End go as far as there is room', () => {
  const far = (key: string): number => stepsOfKey(key, false, ALL) ?? 0;
  assert.deepEqual(moved('window', zoom(201, 400), far('Home'), ALL), zoom(1, 200));
  assert.deepEqual(moved('first', zoom(201, 400), far('End'), ALL), zoom(400, 400));
  assert.deepEqual(moved('last', zoom(201, 400), far('End'), ALL), zoom(201, 1000));
});

test('the small loss has its largest number at the top and its smallest at the bottom', () => {
  const losses = [1, 100, 10];
  const line = sparkline(lossOf(losses), zoom(1, 3), 3);
  assert.deepEqual(
    line.map(({left, right, low, high}) => [left, right, ...[low, high].map(rounded)]),
    [
      [0, 1, 0, 0],
      [1, 2, 1, 1],
      [2, 3, 0.5, 0.5],
    ],
  );
});

test('a loss that is not always above zero is on a linear scale', () => {
  const line = sparkline(lossOf([-1, 1, 0]), zoom(1, 3), 3);
  assert.deepEqual(
    line.map(({mean}) => mean),
    [0, 1, 0.5],
  );
});

test('records that share a pixel give a band and a mean', () => {
  const [one] = sparkline(lossOf([0, 4, -4, 4]), zoom(1, 4), 1);
  assert.deepEqual([one.low, one.high, one.mean], [0, 1, 0.625]);
});

test('a reduced loss has the mean that the server told', () => {
  const table = reducedOf(4, [
    {low: -1, high: 3, mean: 0},
    {low: 0, high: 0, mean: 0},
  ]);
  assert.equal(sparkline(besidePeaks(table, null), zoom(1, 8), 2)[0].mean, 0.25);
});

test('NaN and infinities are odd, and no number; what is not recorded is neither', () => {
  const line = sparkline(lossOf([1, NaN, 'missing', Infinity, 2]), zoom(1, 5), 5);
  assert.deepEqual(
    line.map(({odd, mean}) => [odd, Number.isNaN(mean)]),
    [
      [false, false],
      [true, true],
      [false, true],
      [true, true],
      [false, false],
    ],
  );
  const marked = sparkline(
    besidePeaks(reducedOf(2, [{low: 1, high: 2, marks: MARK.nan}, {low: 1, high: 1}]), null),
    zoom(1, 4),
    2,
  );
  assert.deepEqual(
    marked.map(({odd}) => odd),
    [true, false],
  );
});

test('a loss between two records is in the small loss, as is what was not finite there', () => {
  const line = sparkline(lossOf([1, 1, 1], [1, 100, Infinity]), zoom(1, 3), 3);
  assert.deepEqual(
    line.map(({low, mean, high, odd}) => [low, mean, rounded(high), odd]),
    [
      [0, 0, 0, false],
      [0, 0, 1, false],
      [0, 0, 0, true],
    ],
  );
});
