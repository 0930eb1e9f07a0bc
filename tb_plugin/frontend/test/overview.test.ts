import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {Answer, ChangedRun} from '../src/api.ts';
import {loadingWords, mergedOverview, pollDelay} from '../src/overview.ts';
import {overview, run, withVerdict} from './runs.ts';

const HELD = overview([run('a'), run('b')]);

function answer(names: string[], runs: ChangedRun[], change: Partial<Answer> = {}): Answer {
  return {...overview([]), revision: '2', names, runs, ...change};
}

test('the first answer is taken as it is, in the order of its names', () => {
  const merged = mergedOverview(null, answer(['b', 'a'], [run('a'), run('b')]));
  assert.deepEqual(
    merged?.runs.map(({name}) => name),
    ['b', 'a'],
  );
  assert.equal(merged?.revision, '2');
});

test('a run that changed takes the place of the one held, which lends it its layers', () => {
  const grown = run('b', {records: 500, origin: '2'});
  const merged = mergedOverview(HELD, answer(['a', 'b'], [{...grown, layers: null}]));
  assert.equal(merged?.runs[0], HELD.runs[0]);
  assert.deepEqual(merged?.runs[1], {...grown, layers: HELD.runs[1].layers, origin: 'first'});
});

test('a run that comes with layers is of a new origin', () => {
  const again = run('b', {origin: '2', layers: []});
  const merged = mergedOverview(HELD, answer(['a', 'b'], [again]));
  assert.deepEqual(merged?.runs[1], again);
});

test('a run that is not named any more is gone, a new one is added', () => {
  const merged = mergedOverview(HELD, answer(['b', 'c'], [run('c')]));
  assert.deepEqual(
    merged?.runs.map(({name}) => name),
    ['b', 'c'],
  );
});

test('an answer that changes nothing leaves the very same overview', () => {
  assert.equal(mergedOverview(HELD, answer(['a', 'b'], [], {revision: '1'})), HELD);
  const onlyRevision = mergedOverview(HELD, answer(['a', 'b'], []));
  assert.notEqual(onlyRevision, HELD);
  assert.equal(onlyRevision?.runs, HELD.runs);
  assert.equal(onlyRevision?.statistics, HELD.statistics);
  const loading = {loadedBytes: 1, totalBytes: 2};
  assert.deepEqual(
    mergedOverview(HELD, answer(['a', 'b'], [], {revision: '1', loading}))?.loading,
    loading,
  );
});

test('layers that are neither told nor held make all to be asked for', () => {
  assert.equal(mergedOverview(HELD, answer(['a', 'b', 'c'], [{...run('c'), layers: null}])), null);
  assert.equal(mergedOverview(null, answer(['c'], [{...run('c'), layers: null}])), null);
});

test('the next look is soon while something is under way, else at the server’s interval', () => {
  const loading = {loadedBytes: 1, totalBytes: 2};
  assert.equal(pollDelay(HELD, false), 5000);
  assert.equal(pollDelay(overview([run('a')], {loading}), false), 1000);
  assert.equal(pollDelay(overview([run('a'), withVerdict('b', 'pending')]), false), 1000);
  assert.equal(pollDelay(overview([], {reloadIntervalS: 0}), false), null);
});

test('after a failure the runs are asked for again, whatever the interval', () => {
  assert.equal(pollDelay(null, true), 5000);
  assert.equal(pollDelay(overview([], {reloadIntervalS: 0}), true), 5000);
  assert.equal(pollDelay(overview([], {reloadIntervalS: 1}), true), 1000);
});

test('the progress of the reading is told in bytes', () => {
  const words = (loadedBytes: number, totalBytes: number): string =>
    loadingWords({loadedBytes, totalBytes});
  assert.equal(words(310e6, 1.64e9), 'Reading the log directory: 310 MB of 1.6 GB');
  assert.equal(words(0, 999), 'Reading the log directory: 0 bytes of 999 bytes');
  assert.equal(words(999_999, 25e12), 'Reading the log directory: 1000 kB of 25 TB');
  assert.equal(words(0, 0), 'Reading the log directory…');
});
