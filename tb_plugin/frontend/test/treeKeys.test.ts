import assert from 'node:assert/strict';
import {test} from 'vitest';

import {rowsOf, type Row} from '../src/tree.ts';
import {rowTyped, treeMove} from '../src/treeKeys.ts';

const LAYERS = [
  'stem',
  'block_1/conv',
  'block_1/dense',
  'block_2/conv',
  'block_2/dense',
  'head',
].map(group => ({name: `${group}/kernel`, group, shape: []}));
/** stem, block_1, its two, block_2 which is closed, head. */
const ROWS: readonly Row[] = rowsOf(LAYERS, true, new Set(['block_2/']));

/** Where a key leads. */
function to(key: string, row: number): number | undefined {
  const move = treeMove(key, false, ROWS, row);
  return move?.type === 'to' ? move.row : undefined;
}

test('up, down, home and end move within the rows', () => {
  assert.deepEqual(
    [to('ArrowDown', 0), to('ArrowUp', 2), to('ArrowUp', 0), to('ArrowDown', 5)],
    [1, 1, 0, 5],
  );
  assert.deepEqual([to('Home', 3), to('End', 3)], [0, 5]);
});

test('right opens a closed block, and goes into an open one', () => {
  assert.deepEqual(treeMove('ArrowRight', false, ROWS, 4), {type: 'fold', row: 4, open: true});
  assert.equal(to('ArrowRight', 1), 2);
  assert.equal(to('ArrowRight', 0), 0);
});

test('left closes an open block, and goes out of it from within', () => {
  assert.deepEqual(treeMove('ArrowLeft', false, ROWS, 1), {type: 'fold', row: 1, open: false});
  assert.equal(to('ArrowLeft', 3), 1);
  assert.equal(to('ArrowLeft', 4), 4);
});

test('enter selects, space and control with enter add or remove', () => {
  assert.deepEqual(treeMove('Enter', false, ROWS, 2), {type: 'select', row: 2});
  assert.deepEqual(treeMove('Enter', true, ROWS, 2), {type: 'toggle', row: 2});
  assert.deepEqual(treeMove(' ', false, ROWS, 2), {type: 'toggle', row: 2});
});

test('other keys, and any without rows, mean nothing', () => {
  for (const key of ['a', 'Tab', 'Escape', '+'])
    assert.equal(treeMove(key, false, ROWS, 0), undefined);
  assert.equal(treeMove('Enter', false, [], 0), undefined);
});

test('letters find the next row that begins with them, from the top again after the last', () => {
  assert.deepEqual(
    [rowTyped(ROWS, 0, 'b'), rowTyped(ROWS, 1, 'b'), rowTyped(ROWS, 4, 'B')],
    [1, 4, 1],
  );
  assert.equal(rowTyped(ROWS, 1, 'block_1'), 1);
  assert.equal(rowTyped(ROWS, 1, 'block_2'), 4);
  assert.equal(rowTyped(ROWS, 0, 'x'), -1);
  assert.equal(rowTyped(ROWS, 5, 'head'), 5);
});
