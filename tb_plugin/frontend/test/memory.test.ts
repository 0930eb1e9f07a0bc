import assert from 'node:assert/strict';
import {afterEach, test, vi} from 'vitest';

import {keepMuted, readMuted} from '../src/memory.ts';

afterEach(() => vi.unstubAllGlobals());

/** A browser that remembers words by their names. */
function remembering(kept: Map<string, string>): void {
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, words: string) => kept.set(name, words),
  });
}

test('what is muted is remembered, and of very much the latest', () => {
  remembering(new Map());
  assert.deepEqual(readMuted(), new Set());
  keepMuted(['a', 'b\n"c"'], true);
  assert.deepEqual(readMuted(), new Set(['a', 'b\n"c"']));
  keepMuted(['c'], true);
  keepMuted(['a'], false);
  assert.deepEqual(readMuted(), new Set(['b\n"c"', 'c']));
  keepMuted(Array.from({length: 700}, (_, at) => `key ${at}`), true);
  assert.deepEqual([...readMuted()].slice(0, 1), ['key 200']);
});

test('a browser without a memory, or with nonsense in it, mutes nothing and raises nothing', () => {
  vi.stubGlobal('localStorage', {
    getItem: () => {
      throw new Error('denied');
    },
    setItem: () => {
      throw new Error('denied');
    },
  });
  keepMuted(['a'], true);
  assert.deepEqual(readMuted(), new Set());
  for (const words of ['{', '{"a": 1}', 'null', '7', '"abc"']) {
    remembering(new Map([['optimizer-health:muted', words]]));
    assert.deepEqual(readMuted(), new Set(), words);
  }
});
