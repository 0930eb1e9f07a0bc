import assert from 'node:assert/strict';
import {test} from 'vitest';

import {missingWords, unrecordedWords} from '../src/absent.ts';
import type {Run} from '../src/api.ts';
import {run} from './runs.ts';

function others(count: number, change: Partial<Run> = {}): Run[] {
  return Array.from({length: count}, (_, at) => run(`x${at}`, {layers: [], statistics: [], ...change}));
}

test('the runs without a layer are told in one line, which is shortened', () => {
  assert.deepEqual(missingWords([run('a'), ...others(2)], ['a/kernel']), [
    'No layer of this name: x0, x1.',
  ]);
  assert.deepEqual(missingWords([run('a'), ...others(8)], ['a/kernel']), [
    'No layer of this name: x0, x1, x2, x3 and 4 more.',
  ]);
  assert.deepEqual(missingWords([run('a')], ['a/kernel']), []);
  assert.deepEqual(missingWords(others(8), ['a/kernel']), ['No ticked run has a layer of this name.']);
});

test('of several layers those that lack the same are told together', () => {
  const half = ['p', 'q'].map(name =>
    run(name, {layers: [{name: 'a/kernel', group: 'a', shape: []}]}),
  );
  assert.deepEqual(missingWords([run('a'), ...half, ...others(1)], ['a/kernel', 'b/kernel']), [
    'No layer b/kernel: p, q.',
    'No layer of any of these names: x0.',
  ]);
});

test('the runs that do not record a statistic are told in one line, by their optimizers', () => {
  const sgd = run(' ', {optimizer: 'SGD', statistics: []});
  assert.deepEqual(unrecordedWords('u_mean', [run('a'), ...others(6), sgd]), [
    'Not recorded: x0, x1, x2, x3 and 2 more (AdaMax); (blank) (SGD).',
  ]);
  assert.deepEqual(unrecordedWords('u_mean', [run('a')]), []);
});
