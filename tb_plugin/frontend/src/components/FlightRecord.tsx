/** The last updates before something went wrong, each of them: loss, and gradient norm of a layer. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {flightUrl, type Flight, type Run, type Table} from '../api.ts';
import {curveOf, type Curve} from '../curves.ts';
import {
  flightColumns,
  flightLayer,
  flightMarks,
  flightSentence,
  layerColumn,
  LOSS_COLUMN,
  stepsTogether,
} from '../flight.ts';
import {runColor} from '../palette.ts';
import {hasLayer, type Action, type State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {Failure, Loading} from './Messages.tsx';

interface Props {
  state: State;
  dispatch: (action: Action) => void;
}

/** One run's flight record, and what comes of it. */
interface Flown {
  run: Run;
  flight: Flight;
  color: string;
  url: string;
  table: Table | null;
  error: string | null;
}

export function FlightRecord({state, dispatch}: Props): JSX.Element | null {
  const {overview, tables, shown, dark} = state;
  const flown = useMemo(
    () => flights({overview, tables, shown, dark}),
    [overview, tables, shown, dark],
  );
  const layer = flightLayer(
    state.layer,
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
        {flown.map(({run, flight, color}) => (
          <li key={run.name}>
            <span class="swatch" style={{background: color}} />
            {run.name}: {flightSentence(flight)}
          </li>
        ))}
      </ul>
      {flown.map(({run, url, table, error}) => {
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
      <Charts state={state} flown={flown} layer={layer} dispatch={dispatch} />
    </section>
  );
}

/** The flight records of the shown runs. */
function flights({
  overview,
  tables,
  shown,
  dark,
}: Pick<State, 'overview' | 'tables' | 'shown' | 'dark'>): Flown[] {
  return (overview?.runs ?? []).flatMap((run, index) => {
    const {flight} = run;
    if (flight === null || !shown.has(run.name)) return [];
    const url = flightUrl(run.name);
    const entry = tables.get(url);
    // While a reload is on its way the run may have layers that its older table has not.
    const table = entry?.table?.columns === run.layers.length + 1 ? entry.table : null;
    return [{run, flight, color: runColor(index, dark), url, table, error: entry?.error ?? null}];
  });
}

function Charts({
  state,
  flown,
  layer,
  dispatch,
}: Props & {flown: readonly Flown[]; layer: string | null}): JSX.Element | null {
  const {lossScale} = state;
  const drawn = useMemo(() => {
    const runs = flown.map(({run}) => run);
    const only = stepsTogether(flown.flatMap(({table}) => table ?? []));
    const curves = (name: string, scale: State['lossScale']): Curve[] =>
      flown.flatMap(({run, color, table}) => {
        if (table === null) return [];
        const show = {name, low: null, high: null, scale, everyStep: true};
        return curveOf(run, color, table, flightColumns(run), show) ?? [];
      });
    return {
      only,
      marks: flightMarks(runs, only),
      norms: layer === null ? [] : curves(layerColumn(layer), 'log'),
      losses: curves(LOSS_COLUMN, lossScale),
      absent: runs
        .filter(run => layer !== null && !hasLayer(run, layer))
        .map(run => `${run.name} has no layer of this name.`),
    };
  }, [flown, layer, lossScale]);
  const {only, marks, norms, losses, absent} = drawn;
  if (only.length === 0) return null;
  const zoom = state.zoom ?? {firstStep: only[0], lastStep: only[only.length - 1]};
  const common = {
    only,
    marks,
    zoom,
    step: state.step,
    dark: state.dark,
    height: 170,
    onStep: (step: number) => dispatch({type: 'step', step}),
    onZoom: (zoomed: State['zoom']) => dispatch({type: 'zoom', zoom: zoomed}),
  };
  return (
    <>
      <div class="step-charts">
        {layer !== null && (
          <Chart
            name="gradient_norm"
            title={`Gradient norm of ${layer}`}
            unit="loss per weight"
            description="L2 norm of the gradient at every update, before clipping"
            scale="log"
            curves={norms}
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
          curves={losses}
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
