/** What clicks on the heat map's cells and labels select, and what takes that back. */

import {useRef} from 'preact/hooks';

import type {Run} from '../api.ts';
import type {Action, State} from '../state.ts';
import type {Row} from '../tree.ts';
import type {Shared} from './HeatMap.tsx';

type Places = Pick<
  Shared,
  'onPlace' | 'onPick' | 'onSelect' | 'onToggle' | 'onEscape' | 'onReset'
>;
type Place = Pick<State, 'layers' | 'step'>;

const NOWHERE: Place = {layers: [], step: null};

export function usePlaces(
  {layers: all}: Run,
  {layers, step, zoom}: State,
  dispatch: (action: Action) => void,
): Places {
  // What was selected before the last two clicks: a double click comes after both, and means neither.
  const before = useRef<readonly Place[]>([]);
  const clicked = (): void => {
    before.current = [...before.current.slice(-1), {layers, step}];
  };
  const namesOf = ({columns}: Row): string[] => columns.map(column => all[column].name);
  const place = (next: Place): void => dispatch({type: 'place', ...next});
  return {
    onPlace: (row, at) => place({layers: namesOf(row), step: at}),
    onPick: (row, at, again) => {
      clicked();
      const names = namesOf(row);
      place(again && sameNames(names, layers) ? NOWHERE : {layers: names, step: at});
    },
    onSelect: row => dispatch({type: 'layers', layers: namesOf(row)}),
    onToggle: row => {
      clicked();
      dispatch({type: 'toggle-layers', layers: namesOf(row)});
    },
    onEscape: () => {
      if (zoom !== null) dispatch({type: 'zoom', zoom: null});
      else if (step !== null || layers.length > 0) place(NOWHERE);
    },
    onReset: () => {
      if (before.current.length > 0) place(before.current[0]);
      before.current = [];
      dispatch({type: 'zoom', zoom: null});
    },
  };
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every(name => others.includes(name));
}
