/** The heat map's rows: which blocks are open, and what is selected of them. */

import {useEffect, useMemo, useRef} from 'preact/hooks';

import type {Run} from '../api.ts';
import type {Action, State} from '../state.ts';
import {blocksAround, blocksOf, collapsedByDefault, rowShowing, rowsOf, type Row} from '../tree.ts';
import {labelsWidth} from './MapLabels.tsx';

export interface Rows {
  rows: readonly Row[];
  /** The keys of all blocks, and of those that are closed. */
  blocks: readonly string[];
  collapsed: ReadonlySet<string>;
  /** Room for the labels of all rows, also of those that are in a closed block. */
  labelsWidth: number;
  /** The row of the first selected layer; -1 for none. */
  main: number;
  /** The keys of the rows all of whose variables are selected. */
  chosen: ReadonlySet<string>;
  /** The keys of other rows without children in which some are. */
  partly: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export function useRows({layers}: Run, state: State, dispatch: (action: Action) => void): Rows {
  const {together, layers: selected, jumps} = state;
  const usual = useMemo(() => collapsedByDefault(layers), [layers]);
  const collapsed = state.collapsed ?? usual;
  const rows = useMemo(() => rowsOf(layers, together, collapsed), [layers, together, collapsed]);
  const width = useMemo(() => labelsWidth(rowsOf(layers, together, NONE)), [layers, together]);
  const blocks = useMemo(() => blocksOf(layers), [layers]);
  const picked = useMemo(() => chosenOf(rows, layers, selected), [rows, layers, selected]);
  const jumped = useRef(jumps);
  useEffect(() => {
    // Those from before this was on the page are over.
    if (jumps === jumped.current) return;
    jumped.current = jumps;
    // A jump to a layer opens the blocks that it is in.
    const around = selected.length === 1 ? blocksAround(layers, selected[0]) : [];
    if (!around.some(key => collapsed.has(key))) return;
    const rest = [...collapsed].filter(key => !around.includes(key));
    dispatch({type: 'collapse', collapsed: new Set(rest)});
  }, [jumps]);
  return {rows, blocks, collapsed, labelsWidth: width, ...picked};
}

function chosenOf(
  rows: readonly Row[],
  layers: Run['layers'],
  selected: readonly string[],
): Pick<Rows, 'main' | 'chosen' | 'partly'> {
  if (selected.length === 0) return {main: -1, chosen: NONE, partly: NONE};
  const names = new Set(selected);
  const whole = rows.filter(({columns}) => columns.every(at => names.has(layers[at].name)));
  const chosen = new Set(whole.map(({key}) => key));
  const some = rows.filter(
    ({key, open, columns}) =>
      open !== true && !chosen.has(key) && columns.some(at => names.has(layers[at].name)),
  );
  const partly = new Set(some.map(({key}) => key));
  const first = layers.findIndex(({name}) => name === selected[0]);
  const outermost = rows.findIndex(({key, columns}) => chosen.has(key) && columns.includes(first));
  return {chosen, partly, main: outermost < 0 ? rowShowing(rows, first) : outermost};
}
