import assert from 'node:assert/strict';
import {test} from 'node:test';

import {consequenceWords, headline, stretches} from '../src/findings.ts';
import {flightMarks} from '../src/flight.ts';
import {finding, run} from './runs.ts';

const STORY = finding({
  rule: 'exploding-gradient',
  consequences: [
    finding({firstStep: 81, layer: 'b/kernel'}),
    finding({rule: 'learning-rate-too-high', layer: null, firstStep: 1}),
  ],
});

test('the headline counts first causes and begins with the earliest of them', () => {
  const sick = run('a', {verdict: 'critical', findings: [STORY]});
  assert.equal(headline(sick), 'Critical: 1 finding since step 40');
});

test('a consequence is told by its step, rule and layer', () => {
  assert.deepEqual(STORY.consequences.map(consequenceWords), [
    'Then, since step 81: nonfinite in b/kernel',
    'Then, since step 1: learning-rate-too-high',
  ]);
});

test('only first causes are marked in a flight record', () => {
  const marks = flightMarks([run('a', {findings: [STORY]})], [40, 81]);
  assert.deepEqual(
    marks.map(({step}) => step),
    [40],
  );
});

function addresses(text: string): (string | null)[] {
  return stretches(text)
    .map(({address}) => address)
    .filter(address => address !== null);
}

test('addresses in a text are told from its words, and nothing of it is lost', () => {
  const text = 'Kingma, section 2: https://arxiv.org/abs/1412.6980, and (http://a.b/c). See it.';
  assert.deepEqual(addresses(text), ['https://arxiv.org/abs/1412.6980', 'http://a.b/c']);
  const joined = stretches(text).map(({words}) => words);
  assert.equal(joined.join(''), text);
  assert.deepEqual(stretches('words only'), [{words: 'words only', address: null}]);
  assert.deepEqual(stretches(''), []);
});

test('only http and https are addresses', () => {
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://a.b/c', '//a.b/c', 'https://'])
    assert.deepEqual(addresses(text), [], text);
  assert.deepEqual(addresses('https://a.b/"onclick="x'), ['https://a.b/']);
});
