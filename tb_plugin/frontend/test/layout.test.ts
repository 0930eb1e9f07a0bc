import assert from 'node:assert/strict';
import {test} from 'node:test';

import {
  axisColumns,
  columnAt,
  columnsIn,
  columnWidth,
  columnX,
  labelRows,
  mapHeight,
  nearestColumn,
  restartEdges,
  rowAt,
  rowHeight,
  rowY,
  type Layout,
} from '../src/layout.ts';

test('a column and a row are found again from the middle of their pixels', () => {
  for (const [first, last, width] of [
    [0, 1, 700],
    [0, 400, 1023],
    [37, 41, 333],
    [0, 2000, 900],
  ]) {
    const layout: Layout = {first, last, width, rows: 200, rowHeight: 3};
    for (let column = first; column < last; column++) {
      assert.equal(columnAt(layout, columnX(layout, column) + columnWidth(layout) / 2), column);
    }
    for (let row = 0; row < layout.rows; row++)
      assert.equal(rowAt(layout, rowY(layout, row) + 1.5), row);
  }
});

test('what lies outside is the nearest column and row', () => {
  const layout: Layout = {first: 5, last: 9, width: 100, rows: 4, rowHeight: 10};
  assert.deepEqual(
    [-1, 0, 99.9, 100, 400].map(x => columnAt(layout, x)),
    [5, 5, 8, 8, 8],
  );
  assert.deepEqual(
    [-1, 0, 39.9, 40, 400].map(y => rowAt(layout, y)),
    [0, 0, 3, 3, 3],
  );
});

test('the nearest column is the nearest in steps', () => {
  const steps = Float64Array.of(1, 10, 20, 100);
  assert.deepEqual(
    [0, 1, 5, 6, 15, 59, 61, 999].map(step => nearestColumn(steps, step)),
    [0, 0, 0, 1, 2, 2, 3, 3],
  );
  assert.equal(nearestColumn(new Float64Array(0), 3), -1);
});

test('a zoom takes in its steps, and never nothing', () => {
  const steps = Float64Array.of(1, 10, 20, 100);
  assert.deepEqual(columnsIn(steps, null), {first: 0, last: 4});
  assert.deepEqual(columnsIn(steps, {firstStep: 10, lastStep: 20}), {first: 1, last: 3});
  assert.deepEqual(columnsIn(steps, {firstStep: 12, lastStep: 13}), {first: 1, last: 2});
  assert.deepEqual(columnsIn(new Float64Array(0), {firstStep: 1, lastStep: 2}), {
    first: 0,
    last: 0,
  });
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
  assert.deepEqual(labelRows(layers, 3, 14), [0, 6, 11]);
});

test('the axis is labelled at recorded steps near round ones', () => {
  const steps = Float64Array.from({length: 400}, (_, at) => at + 1);
  const layout: Layout = {first: 0, last: 400, width: 400, rows: 1, rowHeight: 20};
  assert.deepEqual(
    axisColumns(layout, steps, 64).map(column => steps[column]),
    [100, 200, 300, 400],
  );
  assert.deepEqual(axisColumns({...layout, last: 1}, steps, 64), [0]);
  assert.deepEqual(axisColumns({...layout, last: 0}, steps, 64), []);
});

test('a restart is marked at the left edge of its first record, where that is in view', () => {
  const steps = Float64Array.of(1, 10, 20, 30, 40);
  const layout = {first: 0, last: 5, width: 500, rows: 1, rowHeight: 10};
  assert.deepEqual(restartEdges(layout, steps, [11, 20, 40, 41]), [200, 400]);
  assert.deepEqual(restartEdges({...layout, first: 3, width: 200}, steps, [11, 40]), [100]);
  assert.deepEqual(restartEdges(layout, steps, []), []);
});

test('restarts closer than two pixels are one mark', () => {
  const steps = Float64Array.from({length: 1000}, (_, index) => index + 1);
  const layout = {first: 0, last: 1000, width: 500, rows: 1, rowHeight: 10};
  assert.deepEqual(restartEdges(layout, steps, [101, 102, 103, 104, 105]), [50, 52]);
});
