/** What of the page all charts of a section share. */

import type {Cursor} from '../cursor.ts';
import type {Action, State} from '../state.ts';
import type {Zoom} from '../zoom.ts';
import type {ChartPlace} from './Chart.tsx';

/** @param all the steps that are shown without a zoom. */
export function placeOf(
  {zoom, step, dark}: State,
  all: Zoom,
  cursor: Cursor,
  dispatch: (action: Action) => void,
): ChartPlace {
  return {
    zoom,
    all,
    step,
    cursor,
    dark,
    onStep: at => dispatch({type: 'step', step: at}),
    onZoom: next => dispatch({type: 'zoom', zoom: next}),
  };
}
