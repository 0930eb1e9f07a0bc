/** The selected layer's statistics over steps, the shown runs side by side. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {layerUrl, type Run} from '../api.ts';
import {layerCharts, type LayerChart} from '../charts.ts';
import {drawn, linesOf, type Line} from '../lines.ts';
import {runColor} from '../palette.ts';
import {hasLayer, shownRuns, type Action, type State} from '../state.ts';
import type {Zoom} from '../zoom.ts';
import {Chart} from './Chart.tsx';
import {Failure, Loading} from './Messages.tsx';
import {useSame} from './useSame.ts';

export function LayerCurves({
  state,
  dispatch,
}: {
  state: State;
  dispatch: (action: Action) => void;
}): JSX.Element {
  const {layer} = state;
  const runs = shownRuns(state);
  return (
    <section class="panel curves" aria-label="Curves" data-testid="curves" data-layer={layer ?? ''}>
      <header class="panel-head">
        <h2>
          {layer === null ? (
            'Curves of a layer'
          ) : (
            <>
              Curves of <code>{layer}</code>
            </>
          )}
        </h2>
        <RunKey state={state} />
      </header>
      {layer === null && (
        <p class="hint">Click a layer of the heat map, or a finding, to see its curves.</p>
      )}
      {layer !== null && runs.length === 0 && (
        <p class="hint">Tick a run in the list to draw its curves.</p>
      )}
      {layer !== null && runs.length > 0 && (
        <Charts state={state} layer={layer} dispatch={dispatch} />
      )}
    </section>
  );
}

function Charts({
  state,
  layer,
  dispatch,
}: {
  state: State;
  layer: string;
  dispatch: (action: Action) => void;
}): JSX.Element {
  const {overview, statistic} = state;
  const lines = useSame(linesOf(state, run => layerUrl(run.name, layer)));
  const statistics = overview?.statistics;
  const charts = useMemo(() => {
    const having = lines.filter(({run}) => hasLayer(run, layer));
    const runs = having.map(({run}) => run);
    return layerCharts(statistic, runs).flatMap(show => {
      const meta = statistics?.find(({name}) => name === show.name);
      if (meta === undefined) return [];
      const charted = drawn(having, {...show, scale: meta.scale}, run => run.statistics);
      return [{meta, band: show.band, charted, absent: absentWords(show, lines, layer)}];
    });
  }, [lines, statistics, layer, statistic]);
  const loading = lines.filter(
    ({run, whole, error}) => hasLayer(run, layer) && whole === null && error === null,
  );
  return (
    <>
      {loading.length > 0 && (
        <Loading what={`${layer} of ${loading.map(({run}) => run.name).join(', ')}`} />
      )}
      {lines.map(({run, error}) =>
        error === null ? null : (
          <Failure
            key={run.name}
            title={`${run.name} could not be read`}
            error={error}
            retry={() => dispatch({type: 'retry', url: layerUrl(run.name, layer)})}
          />
        ),
      )}
      {charts.length === 0 && <p class="hint">No ticked run has a layer of this name.</p>}
      <div class="charts">
        {charts.map(({meta, band, charted, absent}) => (
          <Chart
            key={meta.name}
            name={meta.name}
            title={meta.label}
            unit={meta.unit}
            description={meta.description}
            scale={meta.scale}
            {...charted}
            band={band}
            absent={absent}
            zoom={state.zoom ?? stepsOf(shownRuns(state))}
            step={state.step}
            dark={state.dark}
            height={170}
            onStep={step => dispatch({type: 'step', step})}
            onZoom={zoom => dispatch({type: 'zoom', zoom})}
          />
        ))}
      </div>
    </>
  );
}

/** The shown runs that have no line in a chart, and why. */
function absentWords({name}: LayerChart, lines: readonly Line[], layer: string): string[] {
  return lines.flatMap(({run}) => {
    if (!hasLayer(run, layer)) return [`${run.name} has no layer of this name.`];
    if (run.statistics.includes(name)) return [];
    return [`${run.name} does not record this (${run.optimizer}).`];
  });
}

function RunKey({state}: {state: State}): JSX.Element {
  const {overview, shown, dark} = state;
  return (
    <ul class="marks">
      {(overview?.runs ?? []).map((run, index) =>
        shown.has(run.name) ? (
          <li key={run.name}>
            <span class="swatch" style={{background: runColor(index, dark)}} />
            {run.name}
          </li>
        ) : null,
      )}
    </ul>
  );
}

/** The steps that the runs cover together. */
export function stepsOf(runs: readonly Run[]): Zoom {
  const firstStep = Math.min(...runs.map(run => run.firstStep));
  const lastStep = Math.max(...runs.map(run => run.lastStep));
  return firstStep <= lastStep ? {firstStep, lastStep} : {firstStep: 0, lastStep: 1};
}
