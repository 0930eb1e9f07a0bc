/** Binary tables for the tests, written as http_api.md says and sharing no code with the decoder. */

import type {Table} from '../src/api.ts';
import {decodeTable} from '../src/api.ts';

/** A cell of a test table: a number, or bits where the number would not survive. */
export type Cell = number | 'missing';

export function encodeTable(
  steps: readonly number[],
  rows: readonly (readonly Cell[])[],
): ArrayBuffer {
  const columns = rows[0]?.length ?? 0;
  const view = new DataView(new ArrayBuffer(16 + steps.length * (8 + 4 * columns)));
  [...'AOH1'].forEach((letter, at) => view.setUint8(at, letter.charCodeAt(0)));
  view.setUint32(4, steps.length, true);
  view.setUint32(8, columns, true);
  steps.forEach((step, at) => view.setFloat64(16 + 8 * at, step, true));
  rows.flat().forEach((cell, at) => {
    const offset = 16 + 8 * steps.length + 4 * at;
    if (cell === 'missing') view.setUint32(offset, 0x7fffffff, true);
    else view.setFloat32(offset, cell, true);
  });
  return view.buffer;
}

/** One cell of a reduced table: what of it is left out is not recorded, no mark, or no mean. */
export interface Reduced {
  low?: number;
  high?: number;
  mean?: number;
  marks?: number;
}

/** A reduced table; it has means and marks where any of its cells has one. */
export function encodeReduced(
  per: number,
  steps: readonly (readonly [first: number, last: number])[],
  rows: readonly (readonly Reduced[])[],
): ArrayBuffer {
  const cells = rows.flat();
  const means = cells.some(({mean}) => mean !== undefined);
  const marks = cells.some(cell => cell.marks !== undefined);
  const size = 24 + 16 * steps.length + cells.length * (8 + (means ? 4 : 0) + (marks ? 1 : 0));
  const view = new DataView(new ArrayBuffer(size));
  [...'AOH1'].forEach((letter, at) => view.setUint8(at, letter.charCodeAt(0)));
  view.setUint32(4, steps.length, true);
  view.setUint32(8, rows[0]?.length ?? 0, true);
  view.setUint32(12, per, true);
  view.setUint32(16, (means ? 1 : 0) + (marks ? 2 : 0), true);
  let offset = 24;
  for (const end of [0, 1]) {
    for (const row of steps) view.setFloat64((offset += 8) - 8, row[end], true);
  }
  for (const plane of ['high', 'low', ...(means ? (['mean'] as const) : [])] as const) {
    for (const cell of cells) {
      const value = cell[plane];
      if (value === undefined) view.setUint32(offset, 0x7fffffff, true);
      else view.setFloat32(offset, value, true);
      offset += 4;
    }
  }
  if (marks) for (const cell of cells) view.setUint8(offset++, cell.marks ?? 0);
  return view.buffer;
}

/** A reduced table of one column whose rows stand for `per` steps each, from step 1 on. */
export function reducedOf(per: number, cells: readonly Reduced[]): Table {
  const steps = cells.map((_, row) => [row * per + 1, (row + 1) * per] as const);
  return decodeTable(
    encodeReduced(
      per,
      steps,
      cells.map(cell => [cell]),
    ),
  );
}

/** A table of the given rows at steps 1, 2, 3 … */
export function tableOf(rows: readonly (readonly Cell[])[]): Table {
  return decodeTable(
    encodeTable(
      rows.map((_, at) => at + 1),
      rows,
    ),
  );
}
