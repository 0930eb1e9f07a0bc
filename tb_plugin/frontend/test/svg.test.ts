import assert from 'node:assert/strict';
import {test} from 'vitest';

import {element, escaped, path, rounded, svgDocument, textWidth, wrapped} from '../src/svg.ts';
import {xmlProblem} from './xml.ts';

test('an element has its attributes in order, without those that are undefined', () => {
  assert.equal(element('g', {}), '<g/>');
  const rect = element('rect', {x: 1 / 3, fill: '#fff', rx: undefined, width: 0}, 'a', 'b');
  assert.equal(rect, '<rect x="0.33" fill="#fff" width="0">ab</rect>');
});

test('no name of a run breaks out of its words or its attribute', () => {
  const name = `<script>"a" & 'b' ]]>`;
  const svg = element('text', {id: name}, escaped(name));
  assert.equal(xmlProblem(svg), null);
  assert.ok(!svg.includes('<script') && !svg.includes(']]>'));
});

test('what XML cannot hold is written out, a pair of surrogates is kept', () => {
  assert.equal(escaped('a\0b\x1bc\uffff'), 'a\\x00b\\x1bc\\uffff');
  assert.equal(escaped('\ud800x 😀'), '\\ud800x 😀');
  assert.equal(escaped('tab\tline\n'), 'tab\\tline\\n');
});

test('numbers have two decimals at most and are numbers', () => {
  assert.deepEqual([1 / 3, 2, -0.001, 1e-9, NaN, Infinity, 1234.565].map(rounded), [
    '0.33',
    '2',
    '0',
    '0',
    '0',
    '0',
    '1234.57',
  ]);
});

test('a path goes from corner to corner, and back when closed', () => {
  assert.equal(path([]), '');
  assert.equal(
    path([
      [0, 1],
      [2, 3.456],
    ]),
    'M0 1L2 3.46',
  );
  assert.equal(
    path(
      [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
      true,
    ),
    'M0 1L2 3L4 5Z',
  );
});

test('words are wrapped at spaces, in their order, and none is lost', () => {
  const text = 'the quick brown fox jumps over the lazy dog';
  const lines = wrapped(text, 80, 11);
  assert.equal(lines.join(' '), text);
  assert.ok(lines.length > 2 && lines.every(line => textWidth(line, 11) <= 80));
  const long = wrapped('encoder/block_11/attention/query/kernel b', 80, 11);
  assert.equal(long.join('').replace(' ', ''), 'encoder/block_11/attention/query/kernelb');
  assert.ok(long.length > 2 && long.every(line => textWidth(line, 11) <= 80));
  assert.deepEqual(wrapped('ab', 1, 11), ['a', 'b']);
});

test('wide letters take more room than narrow ones', () => {
  assert.ok(textWidth('mmm', 10) > textWidth('abc', 10));
  assert.ok(textWidth('abc', 10) > textWidth('ill', 10));
  assert.equal(textWidth('損失', 10), 20);
});

test('a document stands alone and says what it is', () => {
  const svg = svgDocument(20, 10.5, 'Loss & co', 'a < b', {}, element('g', {}));
  assert.equal(
    svg,
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
      'version="1.1" width="20" height="10.5" viewBox="0 0 20 10.5" role="img">' +
      '<title>Loss &amp; co</title><desc>a &lt; b</desc><g/></svg>',
  );
  assert.equal(xmlProblem(svg), null);
});

test('the check itself finds what is not well-formed', () => {
  for (const bad of ['<a>', '<a></b>', '<a x=1/>', '<a>&</a>', '<a x="1" x="2"/>', '<a/>b', '</a>'])
    assert.notEqual(xmlProblem(bad), null, bad);
});
