import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {Layer} from '../src/api.ts';
import {
  blocksAround,
  blocksOf,
  collapsedByDefault,
  labelsWithin,
  parentOf,
  rowShowing,
  rowsOf,
  siblingsOf,
  type Row,
} from '../src/tree.ts';

const NONE: ReadonlySet<string> = new Set();

/** Variables by their names; the Keras layer is all but the last part. */
function variables(...names: string[]): Layer[] {
  return names.map(name => ({name, group: name.slice(0, name.lastIndexOf('/')), shape: []}));
}

/** A kernel and a bias for each Keras layer. */
function pairs(...groups: string[]): Layer[] {
  return variables(...groups.flatMap(group => [`${group}/kernel`, `${group}/bias`]));
}

/** Labels, indented, with what says whether a block is open. */
function drawn(rows: readonly Row[]): string[] {
  const sign = (open: boolean | null): string => (open === null ? '' : open ? '- ' : '+ ');
  return rows.map(({label, depth, open}) => `${'  '.repeat(depth)}${sign(open)}${label}`);
}

const DIGITS = pairs(
  'digits/stem',
  'digits/block_1/conv',
  'digits/block_1/dense',
  'digits/block_2/conv',
  'digits/block_2/dense',
  'digits/head',
);

test('blocks hold the layers below them, and the name of the model is left out', () => {
  assert.deepEqual(drawn(rowsOf(DIGITS, true, NONE)), [
    'stem',
    '- block_1',
    '  conv',
    '  dense',
    '- block_2',
    '  conv',
    '  dense',
    'head',
  ]);
  const [stem, block] = rowsOf(DIGITS, true, NONE);
  assert.equal(stem.title, 'digits/stem');
  assert.equal(block.title, 'digits/block_1');
});

test('kernel and bias have a row each, or one together', () => {
  const apart = rowsOf(DIGITS, false, NONE);
  assert.deepEqual(drawn(apart).slice(0, 5), [
    'stem/kernel',
    'stem/bias',
    '- block_1',
    '  conv/kernel',
    '  conv/bias',
  ]);
  assert.deepEqual(apart[3].columns, [2]);
  assert.deepEqual(
    apart.slice(0, 5).map(({kind, leads}) => [kind, leads]),
    [
      ['variable', true],
      ['variable', false],
      ['block', true],
      ['variable', true],
      ['variable', false],
    ],
  );
  const together = rowsOf(DIGITS, true, NONE);
  assert.deepEqual([together[0].kind, together[0].columns], ['layer', [0, 1]]);
  assert.deepEqual([together[1].kind, together[1].columns], ['block', [2, 3, 4, 5]]);
});

test('of a closed block only its own row is left, which stands for all that is in it', () => {
  const [first] = blocksOf(DIGITS);
  const rows = rowsOf(DIGITS, true, new Set([first]));
  assert.deepEqual(drawn(rows).slice(0, 3), ['stem', '+ block_1', '- block_2']);
  assert.deepEqual(rows[1].columns, [2, 3, 4, 5]);
  const shown = new Set(
    rowsOf(DIGITS, false, new Set(blocksOf(DIGITS))).flatMap(row => row.columns),
  );
  assert.equal(shown.size, DIGITS.length);
});

test('every variable has a row of its own in the order of the model', () => {
  const columns = rowsOf(DIGITS, false, NONE).filter(row => row.kind === 'variable');
  assert.deepEqual(
    columns.map(row => row.columns[0]),
    [...DIGITS.keys()],
  );
});

/** The blocks of a model whose names are flat. */
function blocksIn(...groups: string[]): string[] {
  return drawn(rowsOf(pairs(...groups), true, NONE));
}

test('flat names of well-known models form blocks', () => {
  assert.deepEqual(
    blocksIn(
      'conv1_conv',
      'conv2_block1_1_conv',
      'conv2_block1_1_bn',
      'conv2_block2_1_conv',
      'conv2_block2_0_bn',
    ),
    ['conv1_conv', '- conv2_block1', '  1_conv', '  1_bn', '- conv2_block2', '  1_conv', '  0_bn'],
  );
  assert.deepEqual(
    blocksIn(
      'Conv1',
      'block_1_expand_BN',
      'block_1_project',
      'block_10_expand',
      'block_10_project',
    ),
    ['Conv1', '- block_1', '  expand_BN', '  project', '- block_10', '  expand', '  project'],
  );
  assert.deepEqual(
    blocksIn('stem_conv', 'block1a_dwconv', 'block1a_se_reduce', 'block2b_dwconv', 'block2b_bn'),
    ['stem_conv', '- block1a', '  dwconv', '  se_reduce', '- block2b', '  dwconv', '  bn'],
  );
  assert.deepEqual(
    blocksIn('embedding', 'layer_3_attention', 'layer_3_mlp', 'layer_4_attention', 'layer_4_mlp'),
    ['embedding', '- layer_3', '  attention', '  mlp', '- layer_4', '  attention', '  mlp'],
  );
  assert.deepEqual(
    blocksIn(
      'net_stem',
      'net_stage_0_block_0_conv',
      'net_stage_0_block_0_mlp',
      'net_stage_0_block_1_conv',
      'net_stage_0_block_1_mlp',
    ),
    [
      'net_stem',
      '- net_stage_0',
      '  - block_0',
      '    conv',
      '    mlp',
      '  - block_1',
      '    conv',
      '    mlp',
    ],
  );
});

test('names that only look alike form no blocks', () => {
  assert.deepEqual(
    blocksIn(
      'dense',
      'dense_1',
      'layer_normalization_1',
      'layer_normalization_2',
      'player_1_a',
      'player_1_b',
    ),
    [
      'dense',
      'dense_1',
      'layer_normalization_1',
      'layer_normalization_2',
      'player_1_a',
      'player_1_b',
    ],
  );
  assert.deepEqual(blocksIn('a', 'block_1', 'block_2'), ['a', 'block_1', 'block_2']);
});

test('a component that holds a single Keras layer is a part of its label', () => {
  assert.deepEqual(blocksIn('net/a/dense', 'net/b/dense', 'net/b/norm'), [
    'a/dense',
    '- b',
    '  dense',
    '  norm',
  ]);
});

test('components that always come together are one block', () => {
  assert.deepEqual(blocksIn('in', 'body/tower/a', 'body/tower/b'), [
    'in',
    '- body/tower',
    '  a',
    '  b',
  ]);
});

test('what all variables share is left out, but never a whole name', () => {
  assert.deepEqual(blocksIn('net/inner/a', 'net/inner/b'), ['a', 'b']);
  assert.deepEqual(blocksIn('net/only'), ['only']);
  assert.deepEqual(drawn(rowsOf(variables('w/kernel'), false, NONE)), ['w/kernel']);
  assert.deepEqual(rowsOf([], false, NONE), []);
});

test('a block that comes again later is another one', () => {
  const rows = rowsOf(pairs('x/a', 'x/b', 'y', 'x/a', 'x/c'), true, NONE);
  assert.deepEqual(drawn(rows), ['- x', '  a', '  b', 'y', '- x', '  a', '  c']);
  assert.equal(new Set(rows.map(({key}) => key)).size, rows.length);
  assert.deepEqual(
    drawn(rowsOf(pairs('x/a', 'x/b', 'y', 'x/a', 'x/c'), true, new Set([rows[4].key]))),
    ['- x', '  a', '  b', 'y', '+ x'],
  );
});

test('a row keeps its key however many blocks are closed', () => {
  const open = new Map(rowsOf(DIGITS, false, NONE).map(row => [row.key, row.title]));
  const closed = rowsOf(DIGITS, false, new Set(blocksOf(DIGITS).slice(0, 1)));
  for (const {key, title} of closed) assert.equal(open.get(key), title);
});

test('blocks are open at first, unless there are more rows than fit a screen', () => {
  assert.equal(collapsedByDefault(DIGITS).size, 0);
  const many = pairs(
    ...Array.from({length: 60}, (_, nth) => [
      `net/block_${nth}/in/a`,
      `net/block_${nth}/in/b`,
    ]).flat(),
    'net/head',
  );
  const rows = rowsOf(many, false, collapsedByDefault(many));
  assert.equal(rows.length, 62);
  assert.ok(rows.every(({depth}) => depth === 0));
  const flat = pairs(...Array.from({length: 500}, (_, nth) => `net/dense_${nth}`));
  assert.equal(collapsedByDefault(flat).size, 0);
});

test('a variable is shown by its own row, by its layer or by the closed block that it is in', () => {
  const apart = rowsOf(DIGITS, false, NONE);
  assert.equal(apart[rowShowing(apart, 2)].title, 'digits/block_1/conv/kernel');
  const closed = rowsOf(DIGITS, false, new Set(blocksOf(DIGITS)));
  assert.equal(closed[rowShowing(closed, 2)].title, 'digits/block_1');
  assert.equal(rowShowing(closed, 99), -1);
  assert.deepEqual(blocksAround(DIGITS, 'digits/block_1/conv/kernel'), [blocksOf(DIGITS)[0]]);
  assert.deepEqual(blocksAround(DIGITS, 'digits/stem/kernel'), []);
});

test('rows know the block they are in and their place in it', () => {
  const rows = rowsOf(DIGITS, true, NONE);
  assert.deepEqual(
    rows.map((_, row) => parentOf(rows, row)),
    [-1, -1, 1, 1, -1, 4, 4, -1],
  );
  assert.deepEqual(
    siblingsOf(rows).map(({place, count}) => `${place}/${count}`),
    ['1/4', '2/4', '1/2', '2/2', '3/4', '1/2', '2/2', '4/4'],
  );
});

test('a row is called by its path from the nearest block around it that is called, too', () => {
  const layers = pairs('net/a/b/query', 'net/a/b/key', 'net/a/c/up', 'net/a/c/down', 'net/head');
  const rows = rowsOf(layers, false, NONE);
  const at = (title: string): number => rows.findIndex(row => row.title === title);
  const key = at('net/a/b/key/kernel');
  const called = (...labelled: string[]): [string, number] => {
    const {label, depth} = labelsWithin(rows, new Set([key, ...labelled.map(at)]))(key);
    return [label, depth];
  };
  assert.deepEqual(called('net/a', 'net/a/b'), ['key/kernel', 2]);
  assert.deepEqual(called('net/a'), ['b/key/kernel', 1]);
  assert.deepEqual(called('net/a/b'), ['key/kernel', 1]);
  assert.deepEqual(called(), ['a/b/key/kernel', 0]);
  const inner = labelsWithin(rows, new Set())(at('net/a/b'));
  assert.deepEqual(inner, {label: 'a/b', depth: 0});
  assert.deepEqual(labelsWithin(rows, new Set())(at('net/head/bias')), {
    label: 'head/bias',
    depth: 0,
  });
});

test('numbered blocks are parts of paths as they are written', () => {
  const layers = pairs('conv2_block1_1_conv', 'conv2_block1_2_conv', 'conv2_block2_1_conv', 'conv2_block2_2_conv');
  const rows = rowsOf(layers, true, NONE);
  const last = labelsWithin(rows, new Set())(rows.length - 1);
  assert.equal(last.label, 'conv2_block2_2_conv');
});
