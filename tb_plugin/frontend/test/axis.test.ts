import assert from 'node:assert/strict';
import {test} from 'vitest';

import {closedAxis, evenAxis} from '../src/axis.ts';

function steps(...ranges: [first: number, last: number][]): number[] {
  return ranges.flatMap(([first, last]) =>
    Array.from({length: last - first + 1}, (_, at) => first + at),
  );
}

const TWO = steps([101, 164], [1873, 2000]);

test('an even axis gives every step its own place, and never has no width', () => {
  const axis = evenAxis({firstStep: 10, lastStep: 400});
  assert.deepEqual([axis.low, axis.high, axis.place(17), axis.stepAt(17.4)], [10, 400, 17, 17]);
  assert.deepEqual(axis.ticks(4), [100, 200, 300, 400]);
  const single = evenAxis({firstStep: 7, lastStep: 7});
  assert.ok(single.low < 7 && 7 < single.high);
});

test('a closed axis has its steps side by side, and a break where some are left out', () => {
  const axis = closedAxis(TWO, null);
  const places = TWO.map(axis.place);
  for (let at = 1; at < TWO.length; at++) {
    const apart = (places[at] ?? NaN) - (places[at - 1] ?? NaN);
    assert.ok(TWO[at] === 1873 ? apart > 2 && apart < 20 : apart === 1, `${TWO[at]}: ${apart}`);
  }
  assert.equal(axis.place(165), null);
  assert.equal(axis.breaks.length, 1);
  const [{from, to}] = axis.breaks;
  const [left, right] = [axis.place(164), axis.place(1873)];
  assert.ok(left !== null && right !== null && left < from && from < to && to < right);
  assert.deepEqual(closedAxis(steps([1, 5]), null).breaks, []);
});

test('each step of a closed axis is found again at its place and around it', () => {
  const axis = closedAxis(TWO, null);
  for (const step of TWO) {
    const place = axis.place(step) ?? NaN;
    assert.deepEqual(
      [-0.4, 0, 0.4].map(away => axis.stepAt(place + away)),
      [step, step, step],
    );
    assert.ok(axis.low < place && place < axis.high);
  }
});

test('a closed axis follows a zoom that holds two steps or more, else shows all', () => {
  const all = closedAxis(TWO, null);
  const inside = closedAxis(TWO, {firstStep: 1900, lastStep: 1910});
  assert.deepEqual([inside.stepAt(inside.low), inside.stepAt(inside.high - 0.1)], [1900, 1910]);
  assert.deepEqual(inside.breaks, all.breaks); // a line that begins outside may cross none either
  for (const zoom of [
    {firstStep: 300, lastStep: 400},
    {firstStep: 2000, lastStep: 3000},
  ]) {
    const axis = closedAxis(TWO, zoom);
    assert.deepEqual([axis.low, axis.high], [all.low, all.high]);
  }
});

test('the ticks of a closed axis are round steps of every stretch, and do not touch', () => {
  for (const [own, count] of [
    [TWO, 8],
    [TWO, 3],
    [steps([1, 1]), 8],
    [steps([99, 100], [5003, 5004]), 8],
    [steps([273, 400]), 6],
  ] as const) {
    const axis = closedAxis(own, null);
    const ticks = axis.ticks(count);
    assert.ok(ticks.length > 0 && ticks.length <= 2 * count, `${ticks.length}`);
    const apart = (axis.high - axis.low) / count;
    ticks.forEach((tick, at) => {
      assert.equal(axis.place(axis.stepAt(tick)), tick);
      assert.ok(at === 0 || tick - ticks[at - 1] >= apart * 0.6);
    });
  }
  const axis = closedAxis(TWO, null);
  assert.deepEqual(axis.ticks(4).map(axis.stepAt), [150, 1900, 1950, 2000]);
});
