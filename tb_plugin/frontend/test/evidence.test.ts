import assert from 'node:assert/strict';
import {test} from 'vitest';

import {evidenceWords} from '../src/evidence.ts';

test('what a finding rests on has words', () => {
  assert.equal(evidenceWords('nonfinite'), 'entries not finite');
  assert.equal(evidenceWords('learning_rate'), 'learning rate');
});
