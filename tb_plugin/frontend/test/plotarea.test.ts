import assert from 'node:assert/strict';
import {test} from 'vitest';

import {evenAxis} from '../src/axis.ts';
import {MARGIN, stepLeft, valuePart, valueTop, type PlotArea} from '../src/plotarea.ts';

const AREA: PlotArea = {
  width: MARGIN.left + 100 + MARGIN.right,
  height: MARGIN.top + 50 + MARGIN.bottom,
  axis: evenAxis({firstStep: 10, lastStep: 20}),
  scale: 'log',
  range: [1, 100],
};

test('steps lie between the axes, those outside the window nowhere', () => {
  assert.equal(stepLeft(AREA, 10), MARGIN.left);
  assert.equal(stepLeft(AREA, 15), MARGIN.left + 50);
  assert.equal(stepLeft(AREA, 20), MARGIN.left + 100);
  assert.deepEqual([stepLeft(AREA, 9), stepLeft(AREA, 21)], [null, null]);
});

test('values lie on the scale, and none of zero or below on a log scale', () => {
  assert.equal(valueTop(AREA, 100), MARGIN.top);
  assert.equal(valueTop(AREA, 10), MARGIN.top + 25);
  assert.ok(Number.isNaN(valuePart(AREA, 0)) && Number.isNaN(valuePart(AREA, -1)));
  assert.equal(valuePart({scale: 'linear', range: [0, 4]}, -1), -0.25);
});
