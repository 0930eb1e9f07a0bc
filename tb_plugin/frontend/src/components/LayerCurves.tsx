/** The selected layer's statistics over steps, the shown runs side by side. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import {layerUrl, type Run, type Statistic} from '../api.ts';
import {layerCharts, type LayerChart} from '../charts.ts';
import {curveOf, type Curve} from '../curves.ts';
import type {Zoom} from '../layout.ts';
import {runColor} from '../palette.ts';
import {hasLayer, shownRuns, type Action, type State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {Failure, Loading} from './Messages.tsx';

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
  const {overview, tables, shown, dark, statistic} = state;
  const charts = useMemo(() => {
    const runs = overview?.runs.filter(run => shown.has(run.name) && hasLayer(run, layer)) ?? [];
    return layerCharts(statistic, runs).flatMap(show => {
      const meta = overview?.statistics.find(({name}) => name === show.name);
      return meta === undefined
        ? []
        : [{meta, band: show.band, ...chart(show, meta, layer, {overview, tables, shown, dark})}];
    });
  }, [overview, tables, shown, dark, layer, statistic]);
  const entries = shownRuns(state).map(run => ({
    run,
    url: layerUrl(run.name, layer),
    entry: tables.get(layerUrl(run.name, layer)),
  }));
  const loading = entries.filter(
    ({run, entry}) => hasLayer(run, layer) && entry?.table == null && entry?.error == null,
  );
  return (
    <>
      {loading.length > 0 && (
        <Loading what={`${layer} of ${loading.map(({run}) => run.name).join(', ')}`} />
      )}
      {entries.map(({run, url, entry}) =>
        entry?.error == null ? null : (
          <Failure
            key={url}
            title={`${run.name} could not be read`}
            error={entry.error}
            retry={() => dispatch({type: 'retry', url})}
          />
        ),
      )}
      {charts.length === 0 && <p class="hint">No ticked run has a layer of this name.</p>}
      <div class="charts">
        {charts.map(({meta, band, curves, absent}) => (
          <Chart
            key={meta.name}
            name={meta.name}
            title={meta.label}
            unit={meta.unit}
            description={meta.description}
            scale={meta.scale}
            curves={curves}
            band={band}
            absent={absent}
            zoom={state.zoom ?? stepsOf(shownRuns(state))}
            step={state.step}
            dark={dark}
            height={170}
            onStep={step => dispatch({type: 'step', step})}
            onZoom={zoom => dispatch({type: 'zoom', zoom})}
          />
        ))}
      </div>
    </>
  );
}

function chart(
  show: LayerChart,
  meta: Statistic,
  layer: string,
  {overview, tables, shown, dark}: Pick<State, 'overview' | 'tables' | 'shown' | 'dark'>,
): {curves: Curve[]; absent: string[]} {
  const absent: string[] = [];
  const curves = (overview?.runs ?? []).flatMap((run, index) => {
    if (!shown.has(run.name)) return [];
    if (!hasLayer(run, layer)) absent.push(`${run.name} has no layer of this name.`);
    else if (!run.statistics.includes(show.name))
      absent.push(`${run.name} does not record this (${run.optimizer}).`);
    const table = tables.get(layerUrl(run.name, layer))?.table;
    if (table == null || table.columns !== run.statistics.length) return [];
    return (
      curveOf(run, runColor(index, dark), table, run.statistics, {...show, scale: meta.scale}) ?? []
    );
  });
  return {curves, absent};
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
