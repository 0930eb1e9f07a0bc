/** The loss of the shown runs. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {statisticUrl} from '../api.ts';
import {curveOf} from '../curves.ts';
import {runColor} from '../palette.ts';
import {selectedRun, shownRuns, type Action, type State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {stepsOf} from './LayerCurves.tsx';

export function LossCurve({
  state,
  dispatch,
}: {
  state: State;
  dispatch: (action: Action) => void;
}): JSX.Element | null {
  const {overview, shown, tables, dark, lossScale} = state;
  const {curves, absent} = useMemo(() => {
    const absent: string[] = [];
    const curves = (overview?.runs ?? []).flatMap((run, index) => {
      if (!shown.has(run.name)) return [];
      const entry = tables.get(statisticUrl(run.name, 'loss'));
      if (run.lastLoss === null) absent.push(`${run.name}: no loss recorded`);
      if (entry?.error != null) absent.push(`${run.name}: ${entry.error}`);
      if (entry?.table == null) return [];
      const show = {name: 'loss', low: null, high: null, scale: lossScale};
      return curveOf(run, runColor(index, dark), entry.table, ['loss'], show) ?? [];
    });
    return {curves, absent};
  }, [overview, shown, tables, dark, lossScale]);

  if (selectedRun(state) === null) return null;
  if (shownRuns(state).length === 0) absent.push('No run is ticked for the curves.');
  return (
    <section class="panel loss" aria-label="Loss">
      <header class="panel-head">
        <h2>Loss</h2>
        <label class="check">
          <input
            type="checkbox"
            checked={lossScale === 'log'}
            onChange={event =>
              dispatch({type: 'loss-scale', scale: event.currentTarget.checked ? 'log' : 'linear'})
            }
          />
          Log scale
        </label>
      </header>
      <Chart
        name="loss"
        title=""
        unit=""
        description="The training loss of each recorded step"
        scale={lossScale}
        curves={curves}
        absent={absent}
        zoom={state.zoom ?? stepsOf(shownRuns(state))}
        step={state.step}
        dark={dark}
        height={140}
        onStep={step => dispatch({type: 'step', step})}
        onZoom={zoom => dispatch({type: 'zoom', zoom})}
      />
    </section>
  );
}
