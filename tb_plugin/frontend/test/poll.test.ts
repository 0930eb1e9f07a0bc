import assert from 'node:assert/strict';
import {afterEach, beforeEach, test, vi} from 'vitest';

import {startPoll} from '../src/poll.ts';

/** A poll whose answers are given by hand. */
function polled() {
  const answers: ((delay: number | null) => void)[] = [];
  const seen = {visible: true};
  const ask = (): Promise<number | null> => new Promise(answer => answers.push(answer));
  const poll = startPoll(ask, () => seen.visible);
  const answer = async (delay: number | null): Promise<void> => {
    answers[answers.length - 1](delay);
    await new Promise(setImmediate);
  };
  return {poll, seen, answer, asked: () => answers.length};
}

beforeEach(() => void vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout']}));
afterEach(() => void vi.useRealTimers());

test('it asks at once, and again after the delay that the answer says', async () => {
  const {asked, answer, poll} = polled();
  assert.equal(asked(), 1);
  await answer(1000);
  vi.advanceTimersByTime(999);
  assert.equal(asked(), 1);
  vi.advanceTimersByTime(1);
  assert.equal(asked(), 2);
  await answer(null);
  vi.advanceTimersByTime(1e6);
  assert.equal(asked(), 2);
  poll.now();
  assert.equal(asked(), 3);
});

test('it never asks twice at a time, but again when it was told to meanwhile', async () => {
  const {asked, answer, poll} = polled();
  poll.now();
  poll.now();
  assert.equal(asked(), 1);
  await answer(1000);
  assert.equal(asked(), 2);
  await answer(1000);
  assert.equal(asked(), 2);
});

test('while nobody looks it waits, and asks once somebody does', async () => {
  const {asked, answer, poll, seen} = polled();
  seen.visible = false;
  await answer(1000);
  vi.advanceTimersByTime(60_000);
  assert.equal(asked(), 1);
  poll.looked();
  assert.equal(asked(), 1);
  seen.visible = true;
  poll.looked();
  assert.equal(asked(), 2);
  await answer(1000);
  poll.looked();
  assert.equal(asked(), 2);
});

test('once stopped it asks no more', async () => {
  const {asked, answer, poll} = polled();
  poll.stop();
  await answer(1000);
  vi.advanceTimersByTime(60_000);
  poll.now();
  assert.equal(asked(), 1);
});
