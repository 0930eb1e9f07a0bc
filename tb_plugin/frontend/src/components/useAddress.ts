/** Keeps the address of TensorBoard's page and the view alike, so that a reload loses nothing and a link can be shared. */

import {useCallback, useEffect, useRef} from 'preact/hooks';

import {linkToView, readUrl, watchUrl, writeUrl} from '../host.ts';
import type {Action, State} from '../state.ts';
import {choicesOf, sharedViewOf, viewOf, type View} from '../view.ts';

/** The address is written when the view has rested for so long: a zoom by the wheel changes it with every frame. */
const REST_MS = 200;

/** Returns what says an address of the view as it is now, to send to somebody. */
export function useAddress(state: State, dispatch: (action: Action) => void): () => string {
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => {
    if (!state.touched) return;
    const timer = setTimeout(() => writeUrl(viewOf(latest.current)), REST_MS);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(
    () =>
      watchUrl(() => {
        const view = readUrl();
        if (!same(view, viewOf(latest.current)))
          dispatch({type: 'view', choices: choicesOf(view)});
      }),
    [dispatch],
  );
  return useCallback(() => linkToView(sharedViewOf(latest.current)), []);
}

function same(one: View, other: View): boolean {
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length && names.every(name => one[name] === other[name])
  );
}
