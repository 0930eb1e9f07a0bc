import assert from 'node:assert/strict';
import {test} from 'vitest';

import {domainOf, linearTicks, positions, valueTicks, type Domain} from '../src/scale.ts';
import {reducedOf, tableOf} from './table.ts';

const of = (...values: number[]) => tableOf([values]);
const values = of(1e-6, 1e-3, 1, NaN, Infinity, -Infinity, 0, -5);
const LOG: Domain = {scale: 'log', low: 1e-6, high: 1};

test('a log domain spans the finite positive values', () => {
  const domain = domainOf(values, 'log');
  assert.deepEqual(domain, {scale: 'log', low: Math.fround(1e-6), high: 1});
});

test('a linear domain spans all finite values', () => {
  assert.deepEqual(domainOf(values, 'linear'), {scale: 'linear', low: -5, high: 1});
});

test('a reduced table has the domain of all its records', () => {
  const table = reducedOf(4, [{low: 0.5, high: 8}, {marks: 1}, {low: 0, high: 4}]);
  assert.deepEqual(domainOf(table, 'log'), {scale: 'log', low: 0.5, high: 8});
  assert.deepEqual(domainOf(table, 'linear'), {scale: 'linear', low: 0, high: 8});
});

test('without a finite value there is no domain', () => {
  assert.equal(domainOf(of(NaN, Infinity, 0), 'log'), null);
  assert.equal(domainOf(tableOf([]), 'linear'), null);
});

test('a single value lies in the middle', () => {
  for (const scale of ['log', 'linear'] as const) {
    const domain = domainOf(of(8, 8), scale);
    assert.ok(domain !== null);
    assert.ok(Math.abs(positions(domain)(8) - 0.5) < 1e-12, scale);
  }
  assert.deepEqual(domainOf(of(0), 'linear'), {scale: 'linear', low: -1, high: 1});
});

test('positions run from 0 at the low end to 1 at the high end, evenly in the logarithm, and are clamped', () => {
  assert.equal(positions(LOG)(1e-6), 0);
  assert.equal(positions(LOG)(1), 1);
  assert.ok(Math.abs(positions(LOG)(1e-3) - 0.5) < 1e-12);
  assert.equal(positions(LOG)(1e9), 1);
  assert.equal(positions(LOG)(1e-38), 0);
});

test('log ticks are powers of ten, exact, and not too many', () => {
  assert.deepEqual(
    valueTicks({scale: 'log', low: 1e-7, high: 1e-3}, 6),
    [1e-7, 1e-6, 1e-5, 1e-4, 1e-3],
  );
  const wide = valueTicks({scale: 'log', low: 1e-30, high: 1e30}, 6);
  assert.ok(wide.length >= 4 && wide.length <= 7, String(wide));
});

test('a narrow log domain still has ticks', () => {
  for (const [low, high] of [
    [2.1, 2.3],
    [0.0008, 0.003],
    [400, 41000],
    [0.9, 1.1],
  ]) {
    const ticks = valueTicks({scale: 'log', low, high}, 5);
    assert.ok(ticks.length >= 2, `${low}–${high}: ${ticks}`);
    assert.ok(
      ticks.every(tick => tick >= low * 0.999 && tick <= high * 1.001),
      `${low}–${high}: ${ticks}`,
    );
  }
});

test('log ticks between two powers of ten are multiples of them', () => {
  assert.deepEqual(valueTicks({scale: 'log', low: 2, high: 20}, 5), [2, 5, 10, 20]);
  assert.deepEqual(valueTicks({scale: 'log', low: 0.9, high: 80}, 5), [1, 3, 10, 30]);
});

test('linear ticks are round', () => {
  assert.deepEqual(linearTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linearTicks(-3, 12, 3), [0, 5, 10]);
  assert.deepEqual(linearTicks(4, 4, 3), [4]);
});
