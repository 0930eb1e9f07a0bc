/** The last updates before something went wrong in the selected run, each of them: loss, and gradient norm of a layer. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {flightUrl, type Flight, type Scale} from '../api.ts';
import {
  flightColumns,
  flightLayer,
  flightMarks,
  flightSentence,
  layerColumn,
  LOSS_COLUMN,
  type Mark,
} from '../flight.ts';
import type {Cursor} from '../cursor.ts';
import {drawn, flightLine, lossScale, type Drawn, type Line} from '../lines.ts';
import {named} from '../plain.ts';
import {hasLayer, scaleOf} from '../selection.ts';
import type {Action, State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {placeOf} from './chartPlace.ts';
import {LineKey} from './LineKey.tsx';
import {Failure, Loading} from './Messages.tsx';
import {useSame} from './useSame.ts';

const NOTHING: Drawn = {curves: [], wholes: []};

interface Props {
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
}

export function FlightRecord({state, cursor, dispatch}: Props): JSX.Element | null {
  const found = flightLine(state);
  // The same object while nothing of it changes: its curves are made anew with another.
  const [line = null] = useSame(found === null ? [] : [found]);
  if (line === null || line.run.flight === null) return null;
  const layer = flightLayer(state.layers[0] ?? null, line.run);
  return (
    <section
      class="panel flight"
      aria-label="Flight record"
      data-testid="flight"
      data-layer={layer ?? ''}
    >
      <header class="panel-head">
        <h2>Flight record</h2>
      </header>
      <Words line={line} flight={line.run.flight} dispatch={dispatch} />
      <Charts state={state} cursor={cursor} line={line} layer={layer} dispatch={dispatch} />
    </section>
  );
}

/** What the record is, and that it is on its way or could not be read. */
function Words({
  line: {run, table, error, color, dash},
  flight,
  dispatch,
}: {
  line: Line;
  flight: Flight;
  dispatch: (action: Action) => void;
}): JSX.Element {
  return (
    <>
      <p class="marks">
        <span>
          <LineKey color={color} dash={dash} />
          {named(run.name)}: {flightSentence(flight)}
        </span>
      </p>
      {error !== null && (
        <Failure
          title={`The flight record of ${named(run.name)} could not be read`}
          error={error}
          retry={() => dispatch({type: 'retry', url: flightUrl(run.name)})}
        />
      )}
      {error === null && table === null && (
        <Loading what={`the flight record of ${named(run.name)}`} />
      )}
    </>
  );
}

function Charts({
  state,
  cursor,
  line,
  layer,
  dispatch,
}: Props & {line: Line; layer: string | null}): JSX.Element | null {
  const {run, table} = line;
  const scales = {loss: lossScale(state), norm: scaleOf(state, 'gradient_norm', 'log')};
  const {only, marks} = useMemo(() => {
    const steps = [...(table?.first ?? [])];
    return {only: steps, marks: flightMarks(run, steps)};
  }, [run, table]);
  const {norms, losses} = useMemo(() => {
    const of = (name: string, scale: Scale): Drawn =>
      drawn([line], {name, low: null, high: null, scale, everyStep: true}, flightColumns);
    return {
      norms: layer === null ? NOTHING : of(layerColumn(layer), scales.norm),
      losses: of(LOSS_COLUMN, scales.loss),
    };
  }, [line, layer, scales.loss, scales.norm]);
  if (only.length === 0) return null;
  const all = {firstStep: only[0], lastStep: only[only.length - 1]};
  const common = {only, marks, height: 170, ...placeOf(state, all, cursor, dispatch)};
  const lacking = layer !== null && !hasLayer(run, layer);
  return (
    <>
      <div class="step-charts">
        {layer !== null && (
          <Chart
            name="gradient_norm"
            title={`Gradient norm of ${named(layer)}`}
            unit="loss per weight"
            description="L2 norm of the gradient at every update, before clipping"
            scale={scales.norm}
            onScale={scale => dispatch({type: 'scale', name: 'gradient_norm', scale})}
            {...norms}
            absent={lacking ? [`${named(run.name)} has no layer of this name.`] : []}
            {...common}
          />
        )}
        <Chart
          name="loss"
          title="Loss"
          unit=""
          description="The training loss at every update"
          scale={scales.loss}
          onScale={scale => dispatch({type: 'scale', name: LOSS_COLUMN, scale})}
          {...losses}
          absent={[]}
          {...common}
        />
      </div>
      {layer === null && (
        <p class="hint">Click a layer of the heat map to see its gradient norm here.</p>
      )}
      <Keys marks={marks} only={only} />
    </>
  );
}

/** What the marks and the breaks in the charts are. */
function Keys({marks, only}: {marks: readonly Mark[]; only: readonly number[]}): JSX.Element {
  return (
    <ul class="marks key-line">
      {marks.map(({words, severity}) => (
        <li key={words} class={severity}>
          <span class="key finding-key" />
          {words}
        </li>
      ))}
      {only.length <= only[only.length - 1] - only[0] && (
        <li>
          <span class="key break" />
          steps between, not kept
        </li>
      )}
    </ul>
  );
}
