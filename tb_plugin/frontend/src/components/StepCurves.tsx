/** What a step has one number of: loss, learning rate and loss scale of the shown runs. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {statisticUrl, type Scale} from '../api.ts';
import {drawn, linesOf, type Line} from '../lines.ts';
import {selectedRun, shownRuns, type Action, type State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {stepsOf} from './LayerCurves.tsx';
import {useSame} from './useSame.ts';

interface Props {
  state: State;
  dispatch: (action: Action) => void;
}

export function StepCurves({state, dispatch}: Props): JSX.Element | null {
  if (selectedRun(state) === null) return null;
  const {lossScale} = state;
  return (
    <section class="panel steps" aria-label="Loss, learning rate and loss scale">
      <header class="panel-head">
        <h2>Training</h2>
        <label class="check">
          <input
            type="checkbox"
            checked={lossScale === 'log'}
            onChange={event =>
              dispatch({type: 'loss-scale', scale: event.currentTarget.checked ? 'log' : 'linear'})
            }
          />
          Loss on a log scale
        </label>
      </header>
      {shownRuns(state).length === 0 && <p class="hint">No run is ticked for the curves.</p>}
      <div class="step-charts">
        <StepCurve
          name="loss"
          title="Loss"
          description="The training loss of each recorded step"
          scale={lossScale}
          state={state}
          dispatch={dispatch}
        />
        <StepCurve
          name="learning_rate"
          title="Learning rate"
          description="The learning rate of each recorded step, before bias correction"
          scale="linear"
          state={state}
          dispatch={dispatch}
        />
        {shownRuns(state).some(({lossScaled}) => lossScaled) && (
          <StepCurve
            name="loss_scale"
            title="Loss scale"
            description="What the loss is multiplied by, so that small gradients survive in half precision"
            scale="log"
            state={state}
            dispatch={dispatch}
          />
        )}
      </div>
    </section>
  );
}

function StepCurve({
  name,
  title,
  description,
  scale,
  state,
  dispatch,
}: Props & {name: string; title: string; description: string; scale: Scale}): JSX.Element {
  const lines = useSame(linesOf(state, run => statisticUrl(run.name, name)));
  const charted = useMemo(
    () => drawn(lines, {name, low: null, high: null, scale}, () => [name]),
    [lines, name, scale],
  );
  return (
    <Chart
      name={name}
      title={title}
      unit=""
      description={description}
      scale={scale}
      {...charted}
      absent={absentWords(name, lines)}
      zoom={state.zoom ?? stepsOf(shownRuns(state))}
      step={state.step}
      dark={state.dark}
      height={140}
      onStep={step => dispatch({type: 'step', step})}
      onZoom={zoom => dispatch({type: 'zoom', zoom})}
    />
  );
}

function absentWords(name: string, lines: readonly Line[]): string[] {
  const absent = lines.flatMap(({run, error}) => [
    ...(name === 'loss' && run.lastLoss === null ? [`${run.name}: no loss recorded`] : []),
    ...(error === null ? [] : [`${run.name}: ${error}`]),
  ]);
  const unscaled = lines.filter(({run}) => !run.lossScaled).map(({run}) => run.name);
  return name === 'loss_scale' && unscaled.length > 0
    ? [...absent, `No loss scaling: ${unscaled.join(', ')}`]
    : absent;
}
