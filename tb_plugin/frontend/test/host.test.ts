import assert from 'node:assert/strict';
import {test} from 'vitest';

import {firstSeen, hashOfTab, hashWith, valuesOf} from '../src/host.ts';

const ODD = {
  run: 'a&b=c%d e',
  layer: 'digits/dense_1/kernel',
  unicode: 'ünï/λ 😀',
  plus: 'a+b',
  hash: '#x?y',
  signs: '"<>`\'()*!~|\\^{}[]',
  lines: 'a\nb\tc',
  empty: '',
  percent: '%41%zz~41~2F~',
  'a=b&c': 'a key',
};

/** As TensorBoard reads and writes the hash when another tab is opened. */
function throughTensorBoard(hash: string): string {
  const again = (text: string): string => encodeURIComponent(decodeURIComponent(text));
  const parts = hash.slice(1).split('&').map(part => part.split('=').map(again).join('='));
  return `#${parts.join('&')}`;
}

test('values of any characters come back from the hash', () => {
  assert.deepEqual(valuesOf(hashWith('#optimizer_health', ODD)), ODD);
  assert.deepEqual(valuesOf(throughTensorBoard(hashWith('#optimizer_health', ODD))), ODD);
  const named = Object.fromEntries([['__proto__', 'p']]);
  assert.deepEqual(valuesOf(hashWith('', named)), named);
});

test('half a character, which has no code, is replaced', () => {
  assert.deepEqual(valuesOf(hashWith('', {run: 'a\udc80b'})), {run: 'a\ufffdb'});
});

test('the hash has none but plain signs, which no chat cuts off or decodes', () => {
  assert.match(hashWith('', ODD), /^#p(\.optimizer_health\.[\w.~-]+=[\w.~-]*(&p|$))+$/);
  assert.equal(hashWith('', {layer: 'a/b'}), '#p.optimizer_health.layer=a~2Fb');
});

test('values take the place of those before, and all that is not ours stays', () => {
  const before = '#a%20tab&p.optimizer_health.run=a&p.other.run=%2F&p.optimizer_health.layer=b';
  const after = '#a%20tab&p.other.run=%2F&p.optimizer_health.run=c';
  assert.equal(hashWith(before, {run: 'c'}), after);
  assert.equal(hashWith('#p.optimizer_health.run=a', {}), '');
});

test('a link written by hand is understood, and one that was cut off as far as it goes', () => {
  const link = '#optimizer_health&p.optimizer_health.layer=';
  assert.deepEqual(valuesOf(`${link}a%2Fb/c~d`), {layer: 'a/b/c~d'});
  assert.deepEqual(valuesOf(`${link}100%25`), {layer: '100%'});
  assert.deepEqual(valuesOf(`${link}a&p.optimizer_health.run=~E2~9`), {layer: 'a'});
  assert.deepEqual(valuesOf(`${link}a&p.optimi`), {layer: 'a'});
  assert.deepEqual(valuesOf('#p.optimizer_health.run=%E4%A'), {});
});

test('a link opens our tab, whichever is open', () => {
  const ours = '#optimizer_health&p.optimizer_health.run=a';
  assert.equal(hashOfTab('#timeseries&p.optimizer_health.run=a'), ours);
  assert.equal(hashOfTab('#&p.optimizer_health.run=a'), ours);
  assert.equal(hashOfTab(ours), ours);
  assert.equal(hashOfTab(''), '#optimizer_health');
});

test('runs keep the place in which they were seen first, also those that are gone', () => {
  assert.deepEqual(firstSeen(['b', 'a'], ['0', 'a', 'c']), ['b', 'a', '0', 'c']);
  assert.deepEqual(firstSeen([], ['b', 'a']), ['b', 'a']);
});

test('an answer that is not a list of names holds none', () => {
  for (const answer of [null, undefined, 'ab', {0: 'a'}, [1, null]])
    assert.deepEqual(firstSeen(['a'], answer), ['a']);
});
