import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {afterEach, test} from 'vitest';
import {h, options} from 'preact';

import {elide} from '../src/format.ts';
import {named, plain, showPlainly} from '../src/plain.ts';
import {escaped} from '../src/svg.ts';
import {xmlProblem} from './xml.ts';

/** Names, and how the terminal and the report show them: `tests/test_hostile_names.py` compares these with Python's. */
const GOLDEN = new URL('../../../tests/golden/names.json', import.meta.url);
const NAMES = JSON.parse(readFileSync(GOLDEN, 'utf8')) as [name: string, shown: string][];

afterEach(() => {
  delete options.vnode;
});

test('a name is shown as the terminal shows it, but for the direction of its own', () => {
  assert.ok(NAMES.length > 40);
  for (const [name, shown] of NAMES) assert.equal(plain(name).replace(/[\u2068\u2069]/g, ''), shown);
});

test('nothing of a name acts, and it is as it is where nothing would', () => {
  for (const [name] of NAMES)
    assert.doesNotMatch(plain(name).replace(/[\u2068\u2069]/g, ''), /[\p{C}\p{Zl}\p{Zp}]/u);
  assert.equal(plain('encoder/block_1/dense·é漢😀 \u00a0'), 'encoder/block_1/dense·é漢😀 \u00a0');
  assert.equal(plain(''), '');
});

test('words that are written from the right keep their direction to themselves', () => {
  assert.equal(plain('in שלום/kernel 12 entries'), 'in \u2068שלום/kernel\u2069 12 entries');
  assert.equal(plain('שלום עולם since step 3'), '\u2068שלום עולם\u2069 since step 3');
  for (const [name] of NAMES) {
    const shown = plain(`${name} 12`);
    assert.equal(shown.split('\u2068').length, shown.split('\u2069').length);
  }
});

test('a name of a megabyte is shortened, and a long sentence is not', () => {
  assert.match(plain(`in ${'\u202e'.repeat(1e6)}x, ${'ש '.repeat(1e5)}`), /^in (\\u202e)+…(\\u202e)+x, \u2068ש ש/);
  assert.equal(plain(`in ${'n'.repeat(1e6)} since step 3`).length, 'in  since step 3'.length + 200);
  const sentence = 'one after the other '.repeat(1e4);
  assert.equal(plain(sentence), sentence);
});

test('no name breaks out of a picture, or makes it no XML', () => {
  for (const [name] of NAMES) assert.equal(xmlProblem(`<text>${escaped(name)}</text>`), null);
});

test('all words of an element are plain, whichever component made it', () => {
  showPlainly();
  const name = 'a\x1b\u202e\n';
  const node = h('div', {title: name, 'aria-label': name, 'data-run': name, class: 'x'});
  assert.equal(node.props.title, 'a\\x1b\\u202e\n'); // a title may have lines
  assert.deepEqual({...node.props, title: ''}, {
    title: '',
    'aria-label': 'a\\x1b\\u202e\\n',
    'data-run': name,
    class: 'x',
  });
});

test('what a component is given is the name itself', () => {
  showPlainly();
  const Part = ({title}: {title: string}): string => title;
  assert.equal(h(Part, {title: 'a\x1b'}).props.title, 'a\x1b');
});

test('a name is never shortened within a character', () => {
  for (let length = 4; length < 20; length++)
    assert.doesNotMatch(elide('😀'.repeat(20), length), /\p{Surrogate}/u);
});

/** Spaces, and characters that look like them. */
const BLANKS = [' ', '   ', '\u00a0', '\u3000\u2003', '\u3164', '\u115f\u1160', '\uffa0', '\u2800', '\ufe0f'];

test('a name of which nothing is to be seen is said to be blank', () => {
  for (const name of BLANKS) assert.equal(named(name), '(blank)', JSON.stringify(name));
  for (const name of ['', 'a', ' a ', '\u200b', '\n', '\u3164x', '.']) assert.equal(named(name), name);
});

test('an element with a blank name in it says so, and its title which one', () => {
  showPlainly();
  const node = h('span', {'data-run': ' ', 'aria-label': ' '}, ' ');
  assert.deepEqual(node.props, {
    'data-run': ' ',
    'aria-label': '(blank)',
    title: '(blank): \\x20',
    children: '(blank)',
  });
  assert.deepEqual(h('option', null, '\u3164').props, {
    title: '(blank): \\u3164',
    children: '(blank)',
  });
  assert.equal(h('label', {title: '\u2800'}).props.title, '(blank): \\u2800');
  assert.deepEqual(h('p', null, 'a', ' ', 'b').props.children, ['a', ' ', 'b']);
  assert.equal(h('p', null, '').props.title, undefined);
});

test('a picture says it, too', () => {
  assert.equal(escaped('\u3000'), '(blank)');
});
