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

/** A table of the given rows at steps 1, 2, 3 … */
export function tableOf(rows: readonly (readonly Cell[])[]): Table {
  return decodeTable(
    encodeTable(
      rows.map((_, at) => at + 1),
      rows,
    ),
  );
}
