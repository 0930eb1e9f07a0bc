/** What a step has one number of: loss, learning rate and loss scale of the shown runs. */

import type {JSX} from 'preact';
import {useEffect, useMemo, useRef} from 'preact/hooks';

import {runsWords} from '../absent.ts';
import {statisticUrl, type Run, type Scale} from '../api.ts';
import {ownScale, PEAK_BAND} from '../charts.ts';
import type {Cursor} from '../cursor.ts';
import {causeMarks, NO_MARKS, type Mark} from '../flight.ts';
import {
  columnsOf,
  drawn,
  linesOf,
  LOSS_COLUMNS,
  lossLines,
  lossScale,
  smoothedDrawn,
  type Line,
} from '../lines.ts';
import {named} from '../plain.ts';
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
  /** The columns of its lines' tables: the values, and what the band reaches up to. */
  columns: readonly string[];
  band?: string;
  linesIn: (state: State) => Line[];
  scaleIn: (state: State, lines: readonly Line[]) => Scale;
}

/** A rate that falls by less than this many powers of ten is seen as well on a linear scale. */
const RATE_DECADES = 2;

const LOSS: StepChart = {
  name: 'loss',
  title: 'Loss',
  description: 'The training loss of each recorded step',
  columns: LOSS_COLUMNS,
  band: PEAK_BAND,
  linesIn: lossLines,
  scaleIn: lossScale,
};
const LEARNING_RATE: StepChart = {
  name: 'learning_rate',
  title: 'Learning rate',
  description: 'The learning rate of each recorded step, before bias correction',
  columns: ['learning_rate'],
  linesIn: state => linesOf(state, run => statisticUrl(run.name, 'learning_rate')),
  scaleIn: (state, lines) =>
    scaleOf(state, 'learning_rate', ownScale(columnsOf(lines), RATE_DECADES)),
};
const LOSS_SCALE: StepChart = {
  name: 'loss_scale',
  title: 'Loss scale',
  description:
    'What the loss is multiplied by, so that small gradients survive in half precision',
  columns: ['loss_scale'],
  linesIn: state => linesOf(state, run => statisticUrl(run.name, 'loss_scale')),
  scaleIn: state => scaleOf(state, 'loss_scale', 'log'),
};

export function StepCurves(props: Props): JSX.Element | null {
  const {state} = props;
  const selected = selectedRun(state);
  const marks = useMemo(() => causeMarks(selected, null), [selected]);
  const section = useRef<HTMLElement>(null);
  const {jumps, layers} = state;
  useEffect(() => {
    // A finding of no layer is about the loss: it is in sight together with what there is room for of the heat map.
    if (jumps > 0 && layers.length === 0)
      section.current?.scrollIntoView({block: 'nearest', behavior: 'smooth'});
  }, [jumps]);
  if (selected === null) return null;
  const lines = lossLines(state);
  const scaled = lines.some(({run}) => run.lossScaled);
  return (
    <section
      ref={section}
      class="panel steps"
      aria-label="Loss, learning rate and loss scale"
      data-testid="steps"
    >
      <header class="panel-head">
        <h2>Training</h2>
        {lines.length > 1 && (
          <ul class="marks" aria-label="Runs">
            {lines.map(({run, color, dash}) => (
              <li key={run.name}>
                <LineKey color={color} dash={dash} />
                <span>{run.name}</span>
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
  const {name, title, description, columns, band} = chart;
  const {smoothing} = state;
  const lines = useSame(chart.linesIn(state));
  const scale = chart.scaleIn(state, lines);
  const raw = useMemo(
    () => drawn(lines, {name, low: null, high: columns[1] ?? null, scale}, () => columns),
    [lines, name, columns, scale],
  );
  const charted = useMemo(
    () => smoothedDrawn(raw, smoothing, scale),
    [raw, smoothing, scale],
  );
  return (
    <Chart
      name={name}
      title={title}
      unit=""
      description={description}
      scale={scale}
      onScale={next => dispatch({type: 'scale', name, scale: next})}
      {...charted}
      band={band}
      marks={marks}
      absent={absentWords(name, lines)}
      height={150}
      {...placeOf(state, allSteps(state), cursor, dispatch)}
    />
  );
}

function absentWords(name: string, lines: readonly Line[]): string[] {
  const without = (has: (run: Run) => boolean): Run[] =>
    lines.map(({run}) => run).filter(run => !has(run));
  const unknown = name === 'loss' ? without(({lastLoss}) => lastLoss !== null) : [];
  const unscaled = name === 'loss_scale' ? without(({lossScaled}) => lossScaled) : [];
  return [
    ...(unknown.length > 0 ? [`No loss recorded: ${runsWords(unknown)}`] : []),
    ...lines.flatMap(({run, error}) => (error === null ? [] : [`${named(run.name)}: ${error}`])),
    ...(unscaled.length > 0 ? [`No loss scaling: ${runsWords(unscaled)}`] : []),
  ];
}
