import assert from 'node:assert/strict';
import {test} from 'vitest';

import {panned, sameZoom, scaled, turned, widened, type Rest, type Zoom} from '../src/zoom.ts';

const ALL: Zoom = {firstStep: 1, lastStep: 1000};

function zoom(firstStep: number, lastStep: number): Zoom {
  return {firstStep, lastStep};
}

test('a pan keeps the width and stops at the first and the last step', () => {
  assert.deepEqual(panned(zoom(101, 200), ALL, 0.1), zoom(111, 210));
  assert.deepEqual(panned(zoom(101, 200), ALL, -0.5), zoom(51, 150));
  assert.deepEqual(panned(zoom(11, 110), ALL, -3), zoom(1, 100));
  assert.deepEqual(panned(zoom(850, 949), ALL, 9), zoom(901, 1000));
  assert.equal(panned(null, ALL, 0.1), null);
});

test('a zoom keeps the step under the pointer where it is', () => {
  const half = scaled(null, ALL, 0.5, 501);
  assert.deepEqual(half, zoom(251, 750));
  assert.deepEqual(scaled(zoom(101, 200), ALL, 0.5, 101), zoom(101, 150));
  assert.deepEqual(scaled(zoom(101, 200), ALL, 0.1, 200), zoom(190, 199));
});

test('a zoom out stops at all there is, which is no zoom', () => {
  assert.deepEqual(scaled(zoom(1, 100), ALL, 2, 50), zoom(1, 200));
  assert.deepEqual(scaled(zoom(950, 1000), ALL, 4, 960), zoom(797, 1000));
  assert.equal(scaled(zoom(100, 900), ALL, 2, 500), null);
  assert.equal(panned(zoom(1, 1000), ALL, 0.1), null);
  assert.equal(scaled(null, ALL, 2, 500), null);
});

test('a zoom in stops at one step', () => {
  assert.deepEqual(scaled(zoom(7, 8), ALL, 0.1, 8), zoom(8, 8));
  assert.deepEqual(scaled(zoom(8, 8), ALL, 0.5, 8), zoom(8, 8));
  assert.deepEqual(scaled(zoom(8, 8), ALL, 1.5, 8), zoom(8, 9));
});

test('a window never leaves the run, whatever is asked for', () => {
  for (const factor of [0.01, 0.7, 1, 1.3, 50]) {
    for (const around of [-5, 1, 333, 1000, 4000]) {
      const next = scaled(zoom(300, 400), ALL, factor, around);
      assert.ok(next === null || (next.firstStep >= 1 && next.lastStep <= 1000));
      assert.ok(next === null || next.firstStep <= next.lastStep);
    }
  }
});

test('a window is widened by half on each side, but not below the first step', () => {
  assert.deepEqual(widened(zoom(101, 200)), zoom(51, 250));
  assert.deepEqual(widened(zoom(10, 109)), zoom(1, 159));
});

test('windows are the same when their ends are', () => {
  assert.ok(sameZoom(null, null) && sameZoom(zoom(1, 2), zoom(1, 2)));
  assert.ok(!sameZoom(null, ALL) && !sameZoom(zoom(1, 2), zoom(1, 3)));
});

/** Turns a wheel again and again, from a window on. */
function turns(from: Zoom | null, all: Zoom, ...some: {pan?: number; scale?: number}[]): Zoom | null {
  let rest: Rest = {pan: 0, scale: 0, zoom: from};
  return some.reduce<Zoom | null>((at, turn) => {
    const after = turned(rest, {pan: 0, scale: 0, ...turn}, all, at, 5);
    rest = after.rest;
    return after.next;
  }, from);
}

test('a slow swipe over few steps adds up to one', () => {
  const few = zoom(11, 14);
  const slow = Array<{pan: number}>(3).fill({pan: 0.05});
  assert.deepEqual(turns(few, ALL, slow[0]), few);
  assert.deepEqual(turns(few, ALL, ...slow), zoom(12, 15));
  const narrow = Array<{scale: number}>(4).fill({scale: -0.05});
  assert.deepEqual(turns(zoom(3, 6), ALL, ...narrow), zoom(4, 6));
});

test('what there is no room for is not made up for later', () => {
  const out = Array<{scale: number}>(10).fill({scale: 0.3});
  assert.deepEqual(turns(null, ALL, ...out, {scale: -0.3}), turns(null, ALL, {scale: -0.3}));
  const swipes = Array<{pan: number}>(9).fill({pan: 0.2});
  const zoomed = turns(null, ALL, {scale: -1});
  assert.deepEqual(turns(null, ALL, ...swipes, {scale: -1}), zoomed);
  assert.deepEqual(turns(null, ALL, ...swipes, {scale: -1}, {pan: 0.0001}), zoomed);
  const step = zoom(5, 5);
  const inwards = Array<{scale: number}>(9).fill({scale: -0.3});
  assert.deepEqual(turns(step, ALL, ...inwards, {scale: 0.7}), turns(step, ALL, {scale: 0.7}));
  const edge = zoom(1, 10);
  const left = Array<{pan: number}>(5).fill({pan: -0.3});
  assert.deepEqual(turns(edge, ALL, ...left, {pan: 0.1}), zoom(2, 11));
});

test('what is left over from another window is forgotten', () => {
  const rest = {pan: 0.12, scale: 0, zoom: zoom(11, 14)};
  const turn = {pan: 0.05, scale: 0};
  assert.deepEqual(turned(rest, turn, ALL, zoom(11, 14), 5).next, zoom(12, 15));
  assert.deepEqual(turned(rest, turn, ALL, zoom(21, 24), 5).next, zoom(21, 24));
});
