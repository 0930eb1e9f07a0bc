/** What a step has one number of: loss, learning rate and loss scale of the shown runs. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {statisticUrl, type Scale} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {causeMarks, type Mark} from '../flight.ts';
import {drawn, linesOf, smoothedDrawn, type Line} from '../lines.ts';
import {allSteps, scaleOf, selectedRun} from '../selection.ts';
import type {Action, State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {placeOf} from './chartPlace.ts';
import {LineKey} from './LineKey.tsx';
import {useSame} from './useSame.ts';

interface Props {
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
}

/** One of the charts. */
interface StepChart {
  name: string;
  title: string;
  description: string;
  scale: Scale;
}

const LOSS: StepChart = {
  name: 'loss',
  title: 'Loss',
  description: 'The training loss of each recorded step',
  scale: 'linear',
};
const LEARNING_RATE: StepChart = {
  name: 'learning_rate',
  title: 'Learning rate',
  description: 'The learning rate of each recorded step, before bias correction',
  scale: 'linear',
};
const LOSS_SCALE: StepChart = {
  name: 'loss_scale',
  title: 'Loss scale',
  description:
    'What the loss is multiplied by, so that small gradients survive in half precision',
  scale: 'log',
};
const NO_MARKS: readonly Mark[] = [];

export function StepCurves(props: Props): JSX.Element | null {
  const {state} = props;
  const selected = selectedRun(state);
  const marks = useMemo(() => causeMarks(selected, null), [selected]);
  if (selected === null) return null;
  const lines = linesOf(state, run => statisticUrl(run.name, LOSS.name));
  const scaled = lines.some(({run}) => run.lossScaled);
  return (
    <section class="panel steps" aria-label="Loss, learning rate and loss scale">
      <header class="panel-head">
        <h2>Training</h2>
        {lines.length > 1 && (
          <ul class="marks" aria-label="Runs">
            {lines.map(({run, color, dash}) => (
              <li key={run.name}>
                <LineKey color={color} dash={dash} />
                {run.name}
              </li>
            ))}
          </ul>
        )}
      </header>
      {lines.length === 0 && <p class="hint">No run is ticked for the curves.</p>}
      <div class="step-charts">
        <StepCurve chart={LOSS} marks={marks} {...props} />
        <StepCurve chart={LEARNING_RATE} marks={NO_MARKS} {...props} />
        {scaled && <StepCurve chart={LOSS_SCALE} marks={NO_MARKS} {...props} />}
      </div>
    </section>
  );
}

function StepCurve({
  chart,
  marks,
  state,
  cursor,
  dispatch,
}: Props & {chart: StepChart; marks: readonly Mark[]}): JSX.Element {
  const {name, title, description} = chart;
  const {smoothing} = state;
  const scale = scaleOf(state, name, chart.scale);
  const lines = useSame(linesOf(state, run => statisticUrl(run.name, name)));
  const raw = useMemo(
    () => drawn(lines, {name, low: null, high: null, scale}, () => [name]),
    [lines, name, scale],
  );
  const charted = useMemo(() => smoothedDrawn(raw, smoothing), [raw, smoothing]);
  return (
    <Chart
      name={name}
      title={title}
      unit=""
      description={description}
      scale={scale}
      onScale={next => dispatch({type: 'scale', name, scale: next})}
      {...charted}
      marks={marks}
      absent={absentWords(name, lines)}
      height={150}
      {...placeOf(state, allSteps(state), cursor, dispatch)}
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
