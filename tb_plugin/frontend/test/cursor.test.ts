import assert from 'node:assert/strict';
import {test} from 'vitest';

import {createCursor} from '../src/cursor.ts';

test('everybody who watches hears of another step, once', () => {
  const cursor = createCursor();
  const heard: (number | null)[] = [];
  const end = cursor.watch(step => heard.push(step));
  cursor.point(4);
  cursor.point(4);
  cursor.point(null);
  end();
  cursor.point(5);
  assert.deepEqual(heard, [4, null]);
  assert.equal(cursor.step, 5);
});
