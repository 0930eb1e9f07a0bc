/** The heat map's rows: variables in the model's order, one by one or by Keras layer, under the blocks they are part of. Pure. */

import type {Layer} from './api.ts';

export interface Row {
  /** Unique among all rows that a run can have, and the same however many blocks are open. */
  key: string;
  label: string;
  /** The whole path. */
  title: string;
  /** How many blocks it is in. */
  depth: number;
  kind: 'variable' | 'layer' | 'block';
  /** The variables that it stands for: columns of the table, and indices of the run's layers. */
  columns: readonly number[];
  /** Whether its children are rows, too; null for a row that has none. */
  open: boolean | null;
  /** Whether it is the first of its Keras layer, or a block: labelled first where there is little room. */
  leads: boolean;
}

/** Neighbouring variables of one Keras layer. */
interface KerasLayer {
  path: string;
  /** Its path in parts that may be blocks, each with the separator after it: `digits/`, `conv2_block1_`, `1_conv`. */
  parts: readonly string[];
  columns: readonly number[];
}

interface Block {
  key: string;
  label: string;
  title: string;
  columns: readonly number[];
  children: readonly Node[];
}

type Node = Block | Leaf;
type Leaf = Omit<Row, 'depth' | 'open'>;

/** All variables in the model's order; of a closed block only its own row. */
export function rowsOf(
  layers: readonly Layer[],
  together: boolean,
  collapsed: ReadonlySet<string>,
): Row[] {
  return flattened(treeOf(layers, together), 0, collapsed);
}

/** The keys of all blocks, the outer before the inner. */
export function blocksOf(layers: readonly Layer[]): string[] {
  return rowsOf(layers, false, NONE)
    .filter(({kind}) => kind === 'block')
    .map(({key}) => key);
}

/** Rows that can be told apart on a screen: with more of them, the blocks are closed at first. */
const MOST_ROWS = 160;
const NONE: ReadonlySet<string> = new Set();

/** What is closed until the user says otherwise: nothing, or the outermost blocks where there are very many rows. */
export function collapsedByDefault(layers: readonly Layer[]): ReadonlySet<string> {
  const rows = rowsOf(layers, false, NONE);
  if (rows.length <= MOST_ROWS) return NONE;
  const outermost = rows.filter(({kind, depth}) => kind === 'block' && depth === 0);
  return new Set(outermost.map(({key}) => key));
}

/** The keys of the blocks that a variable is in, the outermost first. */
export function blocksAround(layers: readonly Layer[], name: string): string[] {
  return rowsOf(layers, false, NONE)
    .filter(({kind, columns}) => kind === 'block' && columns.some(at => layers[at].name === name))
    .map(({key}) => key);
}

/** The row that shows a variable: its own, its Keras layer's, or that of the closed block it is in; -1 for none. */
export function rowShowing(rows: readonly Row[], column: number): number {
  return rows.findIndex(({open, columns}) => open !== true && columns.includes(column));
}

/** The row of the block that a row is in; -1 for one that is in none. */
export function parentOf(rows: readonly Row[], row: number): number {
  for (let above = row - 1; above >= 0; above--)
    if (rows[above].depth < rows[row].depth) return above;
  return -1;
}

/** Of each row its place among those of the same block, from 1, and how many these are. */
export function siblingsOf(rows: readonly Row[]): {place: number; count: number}[] {
  const families: {count: number}[] = [];
  return rows
    .map(({depth}) => {
      families.length = depth + 1;
      families[depth] ??= {count: 0};
      return {family: families[depth], place: ++families[depth].count};
    })
    .map(({family, place}) => ({place, count: family.count}));
}

/** How a row is called where not every row is. */
interface Called {
  label: string;
  /** How many of the blocks around it are called, too: how far it is indented. */
  depth: number;
}

/**
 * Says how to call a row that is labelled: by its path from the nearest block around it that is labelled, too, so that it
 * does not seem to belong to another one.
 */
export function labelsWithin(
  rows: readonly Row[],
  labelled: ReadonlySet<number>,
): (row: number) => Called {
  return row => {
    const blocks: number[] = [];
    for (let at = parentOf(rows, row); at >= 0; at = parentOf(rows, at)) blocks.push(at);
    const depth = blocks.filter(block => labelled.has(block)).length;
    const near = blocks.findIndex(block => labelled.has(block));
    if (blocks.length === 0 || near === 0) return {label: rows[row].label, depth};
    return {label: pathFrom(rows, row, blocks, near), depth};
  };
}

/** The path of a row from the `near`th of the blocks around it, the inner first, else from the whole model. */
function pathFrom(
  rows: readonly Row[],
  row: number,
  blocks: readonly number[],
  near: number,
): string {
  const {title, label} = rows[row];
  const {title: outermost, label: own} = rows[blocks[blocks.length - 1]];
  const model = outermost.slice(0, outermost.length - own.length);
  // A block's title lacks the separator after it.
  const known = near < 0 ? model.length : rows[blocks[near]].title.length + 1;
  const around = rows[blocks[0]].title;
  return title.startsWith(around) ? title.slice(known) : label;
}

function treeOf(layers: readonly Layer[], together: boolean): Node[] {
  const kerasLayers = kerasLayersOf(layers);
  const model = sharedParts(kerasLayers, 0);
  const seen = new Map<string, number>();
  // A block or a Keras layer that comes again later is another one.
  const unique = (key: string): string => {
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? key : `${key}#${count}`;
  };
  const rowsIn = (layer: KerasLayer, from: number): Leaf[] => {
    const {path, columns} = layer;
    const label = layer.parts.slice(from).join('');
    if (together)
      return [{key: unique(path), label, title: path, kind: 'layer', columns, leads: true}];
    return columns.map((column, nth) => {
      const {name} = layers[column];
      const inside = name.startsWith(path) ? label + name.slice(path.length) : name;
      const own = {label: inside, title: name, columns: [column]};
      return {key: unique(name), ...own, kind: 'variable', leads: nth === 0};
    });
  };
  const nodesOf = (some: readonly KerasLayer[], from: number): Node[] => {
    const nodes: Node[] = [];
    for (let at = 0; at < some.length;) {
      const block = some.slice(at, blockEnd(some, at, from));
      at += block.length;
      if (block.length < 2) {
        nodes.push(...rowsIn(block[0], from));
        continue;
      }
      const inner = sharedParts(block, from);
      const {parts} = block[0];
      const prefix = parts.slice(0, inner).join('');
      nodes.push({
        key: unique(prefix),
        label: parts.slice(from, inner).join('').slice(0, -1),
        title: prefix.slice(0, -1),
        columns: block.flatMap(({columns}) => columns),
        children: nodesOf(block, inner),
      });
    }
    return nodes;
  };
  return nodesOf(kerasLayers, model);
}

/** A name up to a block's number, as well-known models spell it: `conv2_block1`, `block_1`, `block1a`, `layer_3`. */
const NUMBERED = /^(?:.*?_)??(?:[a-z]*block|layer|stage|unit|cell|expanded_conv)_?\d+[a-z]?_(?=.)/i;

function kerasLayersOf(layers: readonly Layer[]): KerasLayer[] {
  const found: (KerasLayer & {columns: number[]})[] = [];
  layers.forEach(({group}, column) => {
    if (column > 0 && layers[column - 1].group === group)
      found[found.length - 1].columns.push(column);
    else found.push({path: group, parts: partsOf(group), columns: [column]});
  });
  return found;
}

function partsOf(path: string): string[] {
  const names = path.split('/');
  return names.flatMap((name, at) => {
    const parts = numberedParts(name);
    const last = parts.length - 1;
    if (at < names.length - 1) parts[last] += '/';
    return parts;
  });
}

function numberedParts(name: string): string[] {
  const head = NUMBERED.exec(name)?.[0];
  return head === undefined ? [name] : [head, ...numberedParts(name.slice(head.length))];
}

/** How many parts all of these layers begin with, `from` of which are known; never all parts of a layer. */
function sharedParts(layers: readonly KerasLayer[], from: number): number {
  if (layers.length === 0) return from;
  const {parts} = layers[0];
  const shared = (at: number): boolean =>
    layers.every(other => other.parts.length > at + 1 && other.parts[at] === parts[at]);
  let count = from;
  while (shared(count)) count++;
  return count;
}

/** Where the layers end that share a block with the one at `at`. */
function blockEnd(layers: readonly KerasLayer[], at: number, from: number): number {
  const {parts} = layers[at];
  let end = at + 1;
  if (parts.length <= from + 1) return end;
  while (
    end < layers.length &&
    layers[end].parts.length > from + 1 &&
    layers[end].parts[from] === parts[from]
  )
    end++;
  return end;
}

function flattened(nodes: readonly Node[], depth: number, collapsed: ReadonlySet<string>): Row[] {
  return nodes.flatMap((node): Row[] => {
    if (!('children' in node)) return [{...node, depth, open: null}];
    const {children, ...own} = node;
    const open = !collapsed.has(node.key);
    const row: Row = {...own, depth, kind: 'block', open, leads: true};
    return open ? [row, ...flattened(children, depth + 1, collapsed)] : [row];
  });
}
