import assert from 'node:assert/strict';
import {test} from 'node:test';

import {
  axisSteps,
  labelRows,
  labelTop,
  mapHeight,
  nearestColumn,
  restartEdges,
  rowAt,
  rowHeight,
  rowsInView,
  rowY,
  stepAt,
  stepMiddle,
  stepsOf,
  stepX,
  type Layout,
} from '../src/layout.ts';
import {reducedOf, tableOf} from './table.ts';

test('a step and a row are found again from the middle of their pixels', () => {
  for (const [low, high, width] of [
    [0, 1, 700],
    [0, 400, 1023],
    [37, 41, 333],
    [0, 2000, 900],
  ]) {
    const layout: Layout = {low, high, width, rows: 200, rowHeight: 3};
    for (let step = low + 1; step <= high; step++)
      assert.equal(stepAt(layout, stepMiddle(layout, step)), step);
    for (let row = 0; row < layout.rows; row++)
      assert.equal(rowAt(layout, rowY(layout, row) + 1.5), row);
    assert.deepEqual([stepX(layout, low), stepX(layout, high)], [0, width]);
  }
});

test('what lies outside is the nearest step and row', () => {
  const layout: Layout = {low: 5, high: 9, width: 100, rows: 4, rowHeight: 10};
  assert.deepEqual(
    [-1, 0, 99.9, 100, 400].map(x => stepAt(layout, x)),
    [6, 6, 9, 9, 9],
  );
  assert.deepEqual(
    [-1, 0, 39.9, 40, 400].map(y => rowAt(layout, y)),
    [0, 0, 3, 3, 3],
  );
});

test('the nearest entry is the nearest in steps', () => {
  const steps = Float64Array.of(1, 10, 20, 100);
  assert.deepEqual(
    [0, 1, 5, 6, 15, 59, 61, 999].map(step => nearestColumn(steps, step)),
    [0, 0, 0, 1, 2, 2, 3, 3],
  );
  assert.equal(nearestColumn(new Float64Array(0), 3), -1);
});

test('all steps of a table are those that its rows cover', () => {
  assert.deepEqual(stepsOf(reducedOf(4, [{}, {}])), {firstStep: 1, lastStep: 8});
  assert.deepEqual(stepsOf(tableOf([[1], [1]])), {firstStep: 1, lastStep: 2});
  assert.deepEqual(stepsOf(tableOf([])), {firstStep: 1, lastStep: 1});
});

test('the rows in view are drawn, and some around them, however far it is scrolled', () => {
  const layout: Layout = {low: 0, high: 9, width: 100, rows: 1000, rowHeight: 3};
  for (const top of [0, 1, 500, 1777, 2380, 9999]) {
    const {first, last} = rowsInView(layout, top, 620);
    assert.ok(first <= Math.max(0, top / 3 - 15) && last <= 1000, `${top}: ${first}–${last}`);
    assert.ok(last >= Math.min(1000, (top + 620) / 3 + 15) && last - first < 280);
  }
  const few = {...layout, rows: 12, rowHeight: 20};
  assert.deepEqual(rowsInView(few, 0, 240), {first: 0, last: 12});
});

test('rows are as high as they can be, and never invisible', () => {
  assert.deepEqual(
    [0, 1, 12, 30, 200, 5000].map(rows => rowHeight(rows, false)),
    [20, 20, 20, 16, 3, 3],
  );
  assert.equal(rowHeight(200, true), 14);
  assert.deepEqual(
    [mapHeight(12, false), mapHeight(200, false), mapHeight(200, true)],
    [240, 600, 620],
  );
});

const layers = Array.from({length: 12}, (_, at) => ({
  name: `v${at}`,
  group: `g${at >> 1}`,
  shape: [],
}));

test('every row is labelled where there is room', () => {
  assert.deepEqual(labelRows(layers, 14, 14), [...layers.keys()]);
});

test('labels never overlap, and the first of each layer goes first', () => {
  assert.deepEqual(labelRows(layers, 8, 14), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(labelRows(layers, 3, 14), [0, 6]);
});

test('a thousand labels never overlap either', () => {
  const many = Array.from({length: 1000}, (_, at) => ({name: '', group: `${at}`, shape: []}));
  const rows = labelRows(many, 3, 14);
  const tops = rows.map(row => labelTop(row, 1000, 3, 14));
  assert.ok(tops.slice(1).every((top, at) => top - tops[at] >= 14));
  assert.ok(rows.length >= 198);
  assert.deepEqual([tops[0], labelTop(999, 1000, 3, 14)], [-3, 2989]);
});

test('the axis is labelled at round steps', () => {
  const layout: Layout = {low: 0, high: 400, width: 400, rows: 1, rowHeight: 20};
  assert.deepEqual(axisSteps(layout, 64), [100, 200, 300]);
  assert.deepEqual(axisSteps({...layout, high: 1}, 64), [1]);
  assert.deepEqual(axisSteps({...layout, low: 39, high: 40}, 64), [40]);
  assert.deepEqual(
    axisSteps({...layout, low: 12_399, high: 12_404}, 64),
    [12_400, 12_401, 12_402, 12_403, 12_404],
  );
});

test('a restart is marked where the step before it ends, where that is in view', () => {
  const layout: Layout = {low: 0, high: 50, width: 500, rows: 1, rowHeight: 10};
  assert.deepEqual(restartEdges(layout, [11, 20, 40, 51]), [100, 190, 390]);
  assert.deepEqual(restartEdges({...layout, low: 30, width: 200}, [11, 41]), [100]);
  assert.deepEqual(restartEdges(layout, []), []);
});

test('restarts closer than two pixels are one mark', () => {
  const layout: Layout = {low: 0, high: 1000, width: 500, rows: 1, rowHeight: 10};
  assert.deepEqual(restartEdges(layout, [101, 102, 103, 104, 105]), [50, 52]);
});
