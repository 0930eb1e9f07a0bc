import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  axisSteps,
  labelled,
  labelRows,
  labelTop,
  mapHeight,
  nearestColumn,
  restartEdges,
  rowAt,
  rowHeight,
  rowsInView,
  rowY,
  scrolledTo,
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
  assert.ok(mapHeight(200, true, 'stacked') < mapHeight(200, true));
});

test('rows have room for their labels wherever the map has it', () => {
  assert.deepEqual(
    [44, 45].map(rows => labelled(rows)),
    [true, false],
  );
  assert.deepEqual(
    [25, 26].map(rows => labelled(rows, 'stacked')),
    [true, false],
  );
});

/** Twelve variables, each second of which leads. */
const rows = Array.from({length: 12}, (_, at) => ({
  kind: 'variable' as const,
  depth: 0,
  leads: at % 2 === 0,
}));

test('every row is labelled where there is room', () => {
  assert.deepEqual(labelRows(rows, 14, 14), [...rows.keys()]);
});

test('labels never overlap, and only the first of each layer has one where there is not room for all', () => {
  assert.deepEqual(labelRows(rows, 8, 14), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(labelRows(rows, 3, 14), [0, 6]);
});

test('blocks are labelled before layers, the outer before the inner', () => {
  const block = {kind: 'block' as const, leads: true};
  const inside = rows.map((row, at) => (at === 4 ? {...block, depth: 0} : row));
  assert.deepEqual(labelRows(inside, 3, 14), [4, 10]);
  const nested = inside.map((row, at) => (at === 2 ? {...block, depth: 1} : row));
  assert.deepEqual(labelRows(nested, 3, 14), [4, 10]);
});

test('a thousand labels never overlap either', () => {
  const many = Array.from({length: 1000}, () => ({
    kind: 'layer' as const,
    depth: 0,
    leads: true,
  }));
  const labelled = labelRows(many, 3, 14);
  const tops = labelled.map(row => labelTop(row, 1000, 3, 14));
  assert.ok(tops.slice(1).every((top, at) => top - tops[at] >= 14));
  assert.ok(labelled.length >= 198);
  assert.deepEqual([tops[0], labelTop(999, 1000, 3, 14)], [-3, 2989]);
});

test('a row that is in view is not scrolled to, another as little as it takes', () => {
  const layout: Layout = {low: 0, high: 9, width: 100, rows: 100, rowHeight: 10};
  assert.deepEqual(
    [10, 15, 29, 9, 30, 99].map(row => scrolledTo(layout, row, 100, 200)),
    [100, 100, 100, 90, 110, 800],
  );
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
