import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, MARK, type Table} from '../src/api.ts';
import {
  isPlaced,
  profileAt,
  profileDomain,
  PROFILE_MARGIN,
  profileTicks,
  profileWords,
  profileX,
  sideOf,
  type ProfileRow,
} from '../src/profile.ts';
import type {Domain} from '../src/scale.ts';
import {encodeReduced, encodeTable, tableOf, type Cell} from './table.ts';

const LOG: Domain = {scale: 'log', low: 1e-8, high: 1};

function rows(...names: string[]): ProfileRow[] {
  return names.map((name, column) => ({columns: [column], main: !name.endsWith('bias'), name}));
}

function columnsOf(some: readonly ProfileRow[]): (readonly number[])[] {
  return some.map(({columns}) => columns);
}

/** The words about one record at step 240. */
function wordsOf(cells: Cell[], names: string[], scale: 'log' | 'linear' = 'log'): string {
  const table = decodeTable(encodeTable([240], [cells]));
  const all = rows(...names);
  return profileWords('Gradient norm', table, profileAt(table, 240, columnsOf(all)), all, scale);
}

test('a row has the largest and the smallest number of its columns, whatever their order', () => {
  const table = tableOf([
    [9, 9, 9, 9],
    [3, 1, 2, 7],
  ]);
  const {at, high, low} = profileAt(table, 2, [[0, 1, 2], [3], [2, 0]]);
  assert.equal(at, 1);
  assert.deepEqual([...high], [3, 7, 3]);
  assert.deepEqual([...low], [1, 7, 2]);
});

test('the profile is of the record that covers the step, and of the last one beyond it', () => {
  const table = decodeTable(encodeTable([10, 20, 30], [[1], [2], [3]]));
  const at = (step: number): number => profileAt(table, step, [[0]]).high[0];
  assert.deepEqual([at(1), at(10), at(11), at(20), at(21), at(99)], [1, 1, 2, 2, 3, 3]);
});

test('numbers stay beside what is no number among the columns of a row', () => {
  const table = tableOf([[NaN, 4, Infinity, 'missing', -Infinity, 0]]);
  const profile = profileAt(table, 1, [[0, 1], [2, 1], [3], [4], [5], [0, 2]]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map(row => sideOf(profile, row, 'log')),
    ['nan', 'posinf', null, 'neginf', 'zero', 'nan'],
  );
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map(row => isPlaced(profile, row, 'log')),
    [true, true, false, false, false, false],
  );
  assert.equal(profile.high[0], 4);
  assert.equal(profile.marks[2], MARK.missing);
  assert.equal(sideOf(profile, 4, 'linear'), null);
  assert.ok(isPlaced(profile, 4, 'linear'));
});

test('a reduced row has its band and its marks', () => {
  const cells = [{low: 1, high: 8, marks: MARK.nan}, {low: -2, high: 3}];
  const table = decodeTable(encodeReduced(8, [[1, 8]], [cells]));
  const {high, low, marks} = profileAt(table, 4, [[0], [0, 1]]);
  assert.deepEqual([...high, ...low, ...marks], [8, 8, 1, -2, 1, 1]);
});

test('without records or columns a row is not recorded', () => {
  const none: Table = decodeTable(encodeTable([], []));
  const profile = profileAt(none, 3, [[0], []]);
  assert.equal(profile.at, -1);
  assert.deepEqual([...profile.marks], [MARK.missing, MARK.missing]);
  assert.ok(Number.isNaN(profile.high[0]));
  assert.equal(profileAt(tableOf([[1]]), 1, [[]]).marks[0], MARK.missing);
});

test('values lie where the colours have them, with room for marks on both sides', () => {
  const x = profileX(LOG, 100 + 2 * PROFILE_MARGIN);
  const places = [1e-8, 1e-4, 1, 1e9, 1e-30].map(value => Math.round(x(value) - PROFILE_MARGIN));
  assert.deepEqual(places, [0, 50, 100, 100, 0]);
});

test('the labels of the axis never overlap nor stick out, however narrow it is', () => {
  const domains: Domain[] = [
    LOG,
    {scale: 'log', low: 0.2, high: 90},
    {scale: 'linear', low: -0.3, high: 0.3},
    {scale: 'linear', low: 123456, high: 123457},
  ];
  for (const domain of domains) {
    for (const width of [20, 60, 90, 120, 200]) {
      const ticks = profileTicks(domain, width);
      assert.ok(ticks.length > 0 && ticks.length <= 3, `${ticks.length}`);
      ticks.slice(1).forEach((tick, at) => {
        const half = ((tick.words.length + ticks[at].words.length) * 5.6) / 2;
        assert.ok(tick.labelX - ticks[at].labelX >= half, `${domain.low} in ${width}`);
      });
      const [first] = ticks;
      const last = ticks[ticks.length - 1];
      if (width < 60) continue;
      assert.ok(first.labelX >= (first.words.length * 5.6) / 2);
      assert.ok(last.labelX <= width - (last.words.length * 5.6) / 2);
    }
  }
  assert.deepEqual(
    profileTicks(LOG, 140).map(({words}) => words),
    ['1e-06', '0.001', '1'],
  );
});

test('a vanishing gradient is said as a factor, and biases are not what it is measured by', () => {
  assert.equal(
    wordsOf([0.5, 3.4e-7, 2, 1.2, 9], ['a/bias', 'a/kernel', 'b/kernel', 'c/kernel', 'c/bias']),
    'Gradient norm over depth at step 240: 3.4e-07 in a/kernel, 1.2 in c/kernel; ' +
      'falls by a factor of 3.5e+06 from the last layer to the first',
  );
});

test('a profile that rises, stays, or has one value says so', () => {
  assert.match(wordsOf([8, 2], ['a', 'b']), /: 8 in a, 2 in b; rises by a factor of 4 from/);
  assert.match(wordsOf([1.01, 1], ['a', 'b']), /about the same from the last layer to the first$/);
  assert.match(wordsOf([0.1, 0.3], ['a', 'b'], 'linear'), /falls by 0.2 from/);
  assert.match(wordsOf([0.3, 0.3], ['a', 'b'], 'linear'), /the same from/);
  assert.match(wordsOf([2], ['a']), /: 2 in a$/);
  assert.match(wordsOf([2, 3], ['a/bias', 'b/bias']), /2 in a\/bias, 3 in b\/bias/);
});

test('what is no number is counted, and left out of the trend', () => {
  assert.match(
    wordsOf([NaN, 1, 10, 0, Infinity, NaN], ['a', 'b', 'c', 'd', 'e', 'f']),
    /: 1 in b, 10 in c; falls by a factor of 10 .*; NaN in 2 rows; \+∞ in 1 row; zero in 1 row$/,
  );
  assert.match(wordsOf([NaN], ['a']), /: no number; NaN in 1 row$/);
  const none = decodeTable(encodeTable([], []));
  assert.equal(
    profileWords('m', none, profileAt(none, 1, []), [], 'log'),
    'm over depth: no record',
  );
});

test('a reduced row says all of its steps', () => {
  const table = decodeTable(encodeReduced(8, [[33, 40]], [[{low: 1, high: 2}]]));
  const all = rows('a');
  const words = profileWords('m', table, profileAt(table, 35, [[0]]), all, 'log');
  assert.equal(words, 'm over depth at steps 33–40: 2 in a');
});

/** The axis of profiles at step 1. */
function axisOf(scale: 'log' | 'linear', ...runs: Cell[][]): Domain | null {
  const values: Domain = {scale: 'linear', low: -2, high: 2};
  const profiles = runs.map(cells => profileAt(tableOf([cells]), 1, cells.map((_, at) => [at])));
  return profileDomain(profiles, scale, values);
}

function ends(domain: Domain | null): (string | undefined)[] {
  return [domain?.low, domain?.high].map(value => value?.toPrecision(3));
}

test('the axis of a profile holds all numbers shown at that step, of both runs', () => {
  assert.deepEqual(ends(axisOf('log', [0.001, 1, NaN, 0, -5, Infinity, 'missing'])), [
    '0.00100',
    '1.00',
  ]);
  assert.deepEqual(ends(axisOf('log', [0.02, 1], [5e6])), ['0.0100', '1.00e+7']);
  assert.deepEqual(ends(axisOf('linear', [-1, 0.5], [1.5])), ['-1.00', '1.50']);
  assert.equal(axisOf('log', [0, NaN, 'missing']), null);
});

test('noise does not fill the axis of a profile: a log scale has two decades at least', () => {
  for (const noise of [[1, 1.1], [0.9, 1.1], [3e-7, 3.3e-7], [5]]) {
    const {low, high} = axisOf('log', noise) ?? {low: 1, high: 1};
    assert.ok(high / low > 99 && high / low < 1001, `${noise.join()}: ${low} to ${high}`);
    assert.ok(low <= noise[0] / 1.9 && high >= 1.9 * Math.max(...noise), `${low} to ${high}`);
  }
  assert.deepEqual(ends(axisOf('linear', [0.1, 0.1])), ['-0.400', '0.600']);
});

test('a power of ten ends the axis where it is, though a float32 misses it', () => {
  assert.deepEqual(ends(axisOf('log', [1e-7, 1e-3])), ['1.00e-7', '0.00100']);
});
