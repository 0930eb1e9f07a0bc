import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {LossCurve, Run} from '../src/api.ts';
import {
  countWords,
  durationWords,
  filterOf,
  lossWords,
  nextSort,
  recordedWords,
  settingsWords,
  sparkline,
  startedTitle,
  startedWords,
  tableRows,
  verdictCounts,
  type Sort,
  type SortKey,
  type TableView,
} from '../src/runtable.ts';
import {finding, run, withVerdict} from './runs.ts';

function view(change: Partial<TableView> = {}): TableView {
  return {filter: '', sort: null, pinned: new Set(), ...change};
}

function named(runs: readonly Run[], change: Partial<TableView>): string[] {
  return tableRows(runs, view(change)).map(({name}) => name);
}

function sorted(runs: readonly Run[], by: SortKey): {up: string; down: string} {
  const order = (down: boolean): string => named(runs, {sort: {by, down}}).join(' ');
  return {up: order(false), down: order(true)};
}

const RUNS = ['run10', 'Run2', 'other'].map(name => run(name));

test('a click sorts up, the next one down, the third not at all, and another column up', () => {
  const clicks: (Sort | null)[] = [null];
  for (const key of ['loss', 'loss', 'loss', 'loss', 'name'] as const)
    clicks.push(nextSort(clicks[clicks.length - 1], key));
  assert.deepEqual(clicks.slice(1), [
    {by: 'loss', down: false},
    {by: 'loss', down: true},
    null,
    {by: 'loss', down: false},
    {by: 'name', down: false},
  ]);
});

test('a filter is a regular expression that knows no case, and one anywhere in a name', () => {
  assert.deepEqual(named(RUNS, {filter: 'r.n'}), ['run10', 'Run2']);
  assert.deepEqual(named(RUNS, {filter: '^RUN\\d$|^oth'}), ['Run2', 'other']);
  assert.deepEqual(named(RUNS, {}), ['run10', 'Run2', 'other']);
});

test('what is no regular expression is taken as plain text', () => {
  const runs = [run('a[1]'), run('a1')];
  assert.deepEqual(named(runs, {filter: 'A['}), ['a[1]']);
  assert.deepEqual([filterOf('a[').plain, filterOf('a[1]').plain], [true, false]);
});

test('names are sorted as people count, and the runs given are left as they were', () => {
  const before = [...RUNS];
  assert.deepEqual(sorted(RUNS, 'name'), {up: 'other Run2 run10', down: 'run10 Run2 other'});
  assert.deepEqual(RUNS, before);
});

test('the worst verdict comes first, runs of the same verdict in the order they had', () => {
  const verdicts = ['healthy', 'pending', 'info', 'critical', 'warning', 'critical'] as const;
  const runs = verdicts.map((verdict, at) => withVerdict(`${verdict}${at}`, verdict));
  const up = 'critical3 critical5 warning4 info2 healthy0 pending1';
  const down = 'healthy0 pending1 info2 warning4 critical3 critical5';
  assert.deepEqual(sorted(runs, 'verdict'), {up, down});
});

test('an unknown number comes last both ways, and NaN is beyond infinity', () => {
  const losses = {unknown: null, nan: NaN, two: 2, infinite: Infinity, one: 1};
  const runs = Object.entries(losses).map(([name, lastLoss]) => run(name, {lastLoss}));
  const [up, down] = ['one two infinite nan unknown', 'nan infinite two one unknown'];
  assert.deepEqual(sorted(runs, 'loss'), {up, down});
});

test('each column sorts by what it shows', () => {
  const a = run('a', {lastStep: 9, overhead: 0.1, started: 5, findings: [finding()]});
  const early = [finding({firstStep: 50}), finding({firstStep: 7})];
  const b = run('b', {lastStep: 20, overhead: 0.2, started: 4, findings: early});
  const healthy = run('c', {lastStep: 10});
  const runs = [healthy, a, b];
  assert.deepEqual(sorted(runs, 'step'), {up: 'b a c', down: 'a b c'});
  assert.deepEqual(sorted(runs, 'steps'), {up: 'a c b', down: 'b c a'});
  assert.deepEqual(sorted(runs, 'overhead'), {up: 'a b c', down: 'b a c'});
  assert.deepEqual(sorted(runs, 'started'), {up: 'b a c', down: 'a b c'});
});

test('of the same optimizer the smaller learning rate comes first', () => {
  const rates = {a: 0.01, b: 1e-7, c: 0.01};
  const runs = Object.entries(rates).map(([name, rate], at) => {
    const hyperparameters: Run['hyperparameters'] = [['learning_rate', rate], ['beta_1', 0.9 - at]];
    return run(name, {optimizer: 'Adam', hyperparameters});
  });
  const sgd = run('d', {optimizer: 'SGD'});
  assert.deepEqual(sorted([sgd, ...runs], 'optimizer'), {up: 'b c a d', down: 'd a c b'});
});

test('pinned runs come first in the same sorting, and only those that pass the filter', () => {
  const pinned = new Set(['run10', 'other', 'gone']);
  const by = {by: 'name', down: false} as const;
  assert.deepEqual(named(RUNS, {pinned}), ['run10', 'other', 'Run2']);
  assert.deepEqual(named(RUNS, {pinned, sort: by}), ['other', 'run10', 'Run2']);
  assert.deepEqual(named(RUNS, {pinned, sort: by, filter: 'run'}), ['run10', 'Run2']);
});

test('a loss is told with its ends, its highest and what was not finite', () => {
  const told = (change: Partial<Run>): string => lossWords(run('a', change));
  assert.equal(told({}), 'loss 2 to 1');
  const lossCurve = {high: [2.4, 3.04e31, null], low: [2, 1, null], marks: [0, 8, 3]};
  assert.equal(
    told({firstLoss: 2.38, lastLoss: NaN, lossCurve}),
    'loss 2.38 to NaN, highest 3.04e+31, in part NaN and infinite',
  );
  assert.equal(told({lastLoss: null}), 'loss not recorded');
  const none = {high: [null], low: [null], marks: [4]};
  const infinite = {firstLoss: -Infinity, lastLoss: -Infinity, lossCurve: none};
  assert.equal(told(infinite), 'loss −∞ to −∞, in part infinite');
});

test('a run is told in words', () => {
  const hyperparameters: Run['hyperparameters'] = [['learning_rate', 1e-7], ['amsgrad', 'false']];
  assert.equal(settingsWords(run('a', {hyperparameters})), 'learning rate 1e-07 · amsgrad false');
  assert.equal(recordedWords(run('a')), 'all recorded');
  assert.equal(recordedWords(run('a', {records: 61})), '61 recorded');
  assert.deepEqual(
    [countWords(3, 12), countWords(12, 12), countWords(0, 1)],
    ['3 of 12 runs', '12 runs', '0 of 1 run'],
  );
});

test('times are told to the minute, durations to two digits', () => {
  const noon = new Date(2025, 10, 26, 12, 8, 30).getTime() / 1000;
  assert.equal(startedWords(noon), '26 Nov, 12:08');
  assert.match(startedTitle(noon, 312), /26 November 2025.* 12:08:30, the last one 5 min later$/);
  assert.deepEqual(
    [0.4, 99, 100, 5940, 5970, 9000, 172799, 172800].map(durationWords),
    ['0 s', '99 s', '2 min', '99 min', '1.7 h', '2.5 h', '48 h', '2 days'],
  );
});

function curve(high: (number | null)[], low = high, marks = high.map(() => 0)): LossCurve {
  return {high, low, marks};
}

test('a loss is drawn around its range, its rows side by side', () => {
  const {log, band, strips} = sparkline(curve([3, 1], [2, 1]), 40, 21);
  assert.deepEqual([log, strips], [false, []]);
  assert.equal(band, 'M10 5L30 20L30 20L10 12.5Z');
});

test('a loss is drawn on a log scale when it is positive and spans more than thirty times', () => {
  const isLog = (high: number, low: number): boolean => sparkline(curve([high, low]), 9, 9).log;
  assert.deepEqual(
    [isLog(31, 1), isLog(30, 1), isLog(31, 0), isLog(31, -1)],
    [true, false, false, false],
  );
  assert.equal(sparkline(curve([1e4, 1e2, 1]), 30, 21).band.slice(0, 20), 'M5 5L15 12.5L25 20L2');
});

test('a loss that stands still is drawn in the middle, a lone row in its own width', () => {
  assert.equal(sparkline(curve([7, 7]), 40, 21).band, 'M10 12.5L30 12.5L30 12.5L10 12.5Z');
  assert.equal(
    sparkline(curve([1, 1, null, 3]), 40, 21).band,
    'M5 20L15 20L15 20L5 20ZM30 5L40 5L40 5L30 5Z',
  );
});

test('what is not finite leaves a gap if it is all of a row, and a strip where it is', () => {
  const marks = [0, 1, 4, 8, 2];
  const {band, strips} = sparkline({...curve([1, 2, null, null, 1]), marks}, 50, 21);
  assert.equal(band.split('M').length - 1, 2);
  assert.deepEqual(strips, [{x: 10, width: 20}, {x: 40, width: 10}]);
  const [narrow] = sparkline({...curve([1, 1, 1, 1]), marks: [0, 1, 0, 0]}, 4, 21).strips;
  assert.deepEqual(narrow, {x: 1, width: 3});
});

test('without a number nothing is drawn', () => {
  assert.deepEqual(sparkline(curve([]), 40, 21), {log: false, band: '', strips: []});
  const nan = sparkline({...curve([null, null]), marks: [1, 1]}, 40, 21);
  assert.deepEqual(nan, {log: false, band: '', strips: [{x: 0, width: 40}]});
});

test('verdicts are counted, the worst first, without those that no run has', () => {
  const runs = (['healthy', 'critical', 'early', 'healthy', 'warning'] as const).map((verdict, at) =>
    withVerdict(`${at}`, verdict),
  );
  assert.deepEqual(verdictCounts(runs), [
    ['critical', 1],
    ['warning', 1],
    ['early', 1],
    ['healthy', 2],
  ]);
});
