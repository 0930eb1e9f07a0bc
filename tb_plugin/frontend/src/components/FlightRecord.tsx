/** The last updates before something went wrong, each of them: loss, and gradient norm of a layer. */

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
  stepsTogether,
} from '../flight.ts';
import type {Cursor} from '../cursor.ts';
import {drawn, linesOf, type Drawn, type Line} from '../lines.ts';
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

/** One run's flight record, and the table that it is drawn from. */
interface Flown extends Line {
  flight: Flight;
}

export function FlightRecord({state, cursor, dispatch}: Props): JSX.Element | null {
  const flown = useSame(flights(state));
  const layer = flightLayer(
    state.layers[0] ?? null,
    flown.map(({run}) => run),
  );
  if (flown.length === 0) return null;
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
      <ul class="marks">
        {flown.map(({run, flight, color, dash}) => (
          <li key={run.name}>
            <LineKey color={color} dash={dash} />
            {run.name}: {flightSentence(flight)}
          </li>
        ))}
      </ul>
      {flown.map(({run, table, error}) => {
        const url = flightUrl(run.name);
        if (error !== null)
          return (
            <Failure
              key={url}
              title={`The flight record of ${run.name} could not be read`}
              error={error}
              retry={() => dispatch({type: 'retry', url})}
            />
          );
        return table === null && <Loading key={url} what={`the flight record of ${run.name}`} />;
      })}
      <Charts state={state} cursor={cursor} flown={flown} layer={layer} dispatch={dispatch} />
    </section>
  );
}

/** The flight records of the shown runs. */
function flights(state: State): Flown[] {
  return linesOf(state, run => flightUrl(run.name)).flatMap(line => {
    const {flight, layers} = line.run;
    // While a reload is on its way the run may have layers that its older table has not.
    const table = line.table?.columns === layers.length + 1 ? line.table : null;
    return flight === null ? [] : [{...line, table, whole: table, flight}];
  });
}

function Charts({
  state,
  cursor,
  flown,
  layer,
  dispatch,
}: Props & {flown: readonly Flown[]; layer: string | null}): JSX.Element | null {
  const lossScale = scaleOf(state, LOSS_COLUMN, 'linear');
  const normScale = scaleOf(state, 'gradient_norm', 'log');
  const {only, marks, norms, losses, absent} = useMemo(() => {
    const runs = flown.map(({run}) => run);
    const only = stepsTogether(flown.flatMap(({table}) => table ?? []));
    const of = (name: string, scale: Scale): Drawn =>
      drawn(flown, {name, low: null, high: null, scale, everyStep: true}, flightColumns);
    return {
      only,
      marks: flightMarks(runs, only),
      norms: layer === null ? NOTHING : of(layerColumn(layer), normScale),
      losses: of(LOSS_COLUMN, lossScale),
      absent: runs
        .filter(run => layer !== null && !hasLayer(run, layer))
        .map(run => `${run.name} has no layer of this name.`),
    };
  }, [flown, layer, lossScale, normScale]);
  if (only.length === 0) return null;
  const all = {firstStep: only[0], lastStep: only[only.length - 1]};
  const common = {only, marks, height: 170, ...placeOf(state, all, cursor, dispatch)};
  return (
    <>
      <div class="step-charts">
        {layer !== null && (
          <Chart
            name="gradient_norm"
            title={`Gradient norm of ${layer}`}
            unit="loss per weight"
            description="L2 norm of the gradient at every update, before clipping"
            scale={normScale}
            onScale={scale => dispatch({type: 'scale', name: 'gradient_norm', scale})}
            {...norms}
            absent={absent}
            {...common}
          />
        )}
        <Chart
          name="loss"
          title="Loss"
          unit=""
          description="The training loss at every update"
          scale={lossScale}
          onScale={scale => dispatch({type: 'scale', name: LOSS_COLUMN, scale})}
          {...losses}
          absent={[]}
          {...common}
        />
      </div>
      {layer === null && (
        <p class="hint">Click a layer of the heat map to see its gradient norm here.</p>
      )}
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
    </>
  );
}
