import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  circumstances,
  consequenceWords,
  findingIds,
  headline,
  place,
  progress,
  stretches,
} from '../src/findings.ts';
import {flightMarks} from '../src/flight.ts';
import {finding, run, withVerdict} from './runs.ts';

const STORY = finding({
  rule: 'exploding-gradient',
  consequences: [
    finding({firstStep: 81, layer: 'b/kernel'}),
    finding({rule: 'learning-rate-too-high', layer: null, firstStep: 1}),
  ],
});

test('the headline names the cause, and counts what follows from it', () => {
  const sick = run('a', {verdict: 'critical', findings: [STORY]});
  assert.equal(headline(sick), 'Critical since step 40: exploding-gradient, with 2 consequences');
});

test('a consequence is told by its step, rule and layer', () => {
  assert.deepEqual(STORY.consequences.map(consequenceWords), [
    'Then, since step 81: nonfinite in b/kernel',
    'Then, since step 1: learning-rate-too-high',
  ]);
});

test('only first causes are marked in a flight record', () => {
  const marks = flightMarks(run('a', {findings: [STORY]}), [40, 81]);
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

test('recording and loss scaling are told where there is something to tell', () => {
  assert.deepEqual(circumstances(run('a')), []);
  assert.deepEqual(circumstances(run('a', {lossScale: 1, overhead: 0.0134})), [
    'recording took 1.3 % of the time',
  ]);
  assert.deepEqual(circumstances(run('a', {lossScale: 32768, skippedSteps: 3})), [
    'loss scale 32,768, 3 batches skipped',
  ]);
  assert.deepEqual(circumstances(run('a', {lossScale: 32768})), ['loss scale 32,768']);
  assert.deepEqual(circumstances(run('a', {lossScale: 1, skippedSteps: 1})), ['1 batch skipped']);
});

test('a verdict that is about less than the run says so', () => {
  assert.deepEqual(circumstances(run('a', {judgedStep: 300})), ['judged up to step 300']);
  assert.deepEqual(circumstances(run('a', {judgedStep: 390})), []);
});

test('headlines say verdict, number and step', () => {
  const sick = run('a', {verdict: 'critical', findings: [finding(), finding({firstStep: 7})]});
  assert.equal(headline(sick), 'Critical since step 7: 2 findings');
  assert.equal(headline(run('a')), 'Healthy: no finding');
  assert.equal(headline(withVerdict('a', 'pending')), 'Not judged yet');
  assert.equal(
    progress(run('a', {records: 41, lastLoss: NaN})),
    'Loss 2 → NaN over 400 steps, 41 of them recorded.',
  );
  assert.equal(
    progress(run('a', {records: 1, lastStep: 1, lastLoss: null})),
    'Loss not recorded at step 1, the only record so far.',
  );
  assert.equal(place(finding()), 'in a/kernel since step 40 (until 400)');
  assert.equal(place(finding({layer: null, lastStep: 40})), 'in the whole run at step 40');
});

test('a run whose findings are muted is not called healthy, and neither is one of few records', () => {
  assert.equal(headline(run('a', {verdict: 'muted'}), 2), 'No other finding; 2 findings muted');
  const sick = run('a', {verdict: 'critical', findings: [finding()]});
  assert.equal(headline(sick, 1), 'Critical since step 40: nonfinite; 1 finding muted');
  assert.equal(headline(run('a', {verdict: 'early'})), 'Too early to judge');
});

test('a finding keeps its name on the page when another one comes before it', () => {
  const [one, other, alike] = [
    finding({rule: 'dead-units'}),
    finding({layer: null}),
    finding({rule: 'dead-units', firstStep: 90}),
  ];
  assert.deepEqual(findingIds([one, other]), ['dead-units a/kernel', 'nonfinite']);
  assert.deepEqual(findingIds([other, one]), ['nonfinite', 'dead-units a/kernel']);
  assert.deepEqual(findingIds([one, other, alike]), [
    'dead-units a/kernel',
    'nonfinite',
    'dead-units a/kernel 2',
  ]);
});
