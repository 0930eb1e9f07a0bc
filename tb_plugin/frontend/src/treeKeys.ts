/** What keys do in the tree of the heat map's labels. Pure. */

import {parentOf, type Row} from './tree.ts';

type TreeMove =
  | {type: 'to'; row: number}
  | {type: 'fold'; row: number; open: boolean}
  | {type: 'select'; row: number}
  | {type: 'toggle'; row: number};

/** What a key asks for at a row; undefined for one that means nothing here. */
export function treeMove(
  key: string,
  modified: boolean,
  rows: readonly Row[],
  row: number,
): TreeMove | undefined {
  if (rows.length === 0) return undefined;
  const to = (other: number): TreeMove => ({
    type: 'to',
    row: Math.min(rows.length - 1, Math.max(0, other)),
  });
  const {open} = rows[row];
  switch (key) {
    case 'ArrowDown':
      return to(row + 1);
    case 'ArrowUp':
      return to(row - 1);
    case 'Home':
      return to(0);
    case 'End':
      return to(rows.length - 1);
    case 'ArrowRight':
      if (open === null) return to(row);
      return open ? to(row + 1) : {type: 'fold', row, open: true};
    case 'ArrowLeft':
      return open === true
        ? {type: 'fold', row, open: false}
        : to(atLeast(parentOf(rows, row), row));
    case 'Enter':
      return {type: modified ? 'toggle' : 'select', row};
    case ' ':
      return {type: 'toggle', row};
    default:
      return undefined;
  }
}

function atLeast(parent: number, row: number): number {
  return parent < 0 ? row : parent;
}

/**
 * The next row whose label begins with what was typed, from the top again after the last one; a second letter may still
 * mean the row that the first one found. -1 when there is none.
 */
export function rowTyped(rows: readonly Row[], row: number, typed: string): number {
  const wanted = typed.toLowerCase();
  const first = typed.length > 1 ? row : row + 1;
  for (let nth = 0; nth < rows.length; nth++) {
    const at = (first + nth) % rows.length;
    if (rows[at].label.toLowerCase().startsWith(wanted)) return at;
  }
  return -1;
}
