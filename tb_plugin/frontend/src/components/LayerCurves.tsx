/** The statistics of the selected layers over steps: any number of layers, of all shown runs, in each chart. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Run} from '../api.ts';
import {layerCharts, referenceOf} from '../charts.ts';
import type {Cursor} from '../cursor.ts';
import {causeMarks} from '../flight.ts';
import {counted} from '../format.ts';
import {drawn, layerLines, layerLooks, smoothedDrawn, type Line} from '../lines.ts';
import {allSteps, hasLayer, scaleOf, selectedRun, shownRuns} from '../selection.ts';
import type {Action, State} from '../state.ts';
import {Chart} from './Chart.tsx';
import {placeOf} from './chartPlace.ts';
import {LayerKeys} from './LayerKeys.tsx';
import {Failure, Loading} from './Messages.tsx';
import {Smoothing} from './Smoothing.tsx';
import {useSame} from './useSame.ts';

interface Props {
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
}

export function LayerCurves({state, cursor, dispatch}: Props): JSX.Element {
  const {layers} = state;
  const selected = selectedRun(state);
  const runs = useSame(shownRuns(state));
  const offered = useMemo(() => offeredLayers(selected, runs), [selected, runs]);
  return (
    <section
      class="panel curves"
      aria-label="Curves"
      data-testid="curves"
      data-layer={layers[0] ?? ''}
    >
      <header class="panel-head">
        <h2>
          <Heading layers={layers} />
        </h2>
        <Smoothing
          smoothing={state.smoothing}
          onChange={smoothing => dispatch({type: 'smoothing', smoothing})}
        />
      </header>
      <LayerKeys
        looks={layerLooks(state)}
        layers={layers}
        offered={offered}
        onLayers={chosen => dispatch({type: 'layers', layers: chosen})}
      />
      {layers.length === 0 && (
        <p class="hint">Click a layer of the heat map, or a finding, to see its curves.</p>
      )}
      {layers.length > 0 && runs.length === 0 && (
        <p class="hint">Tick a run in the list to draw its curves.</p>
      )}
      {layers.length > 0 && runs.length > 0 && (
        <Charts state={state} cursor={cursor} dispatch={dispatch} />
      )}
    </section>
  );
}

function Heading({layers}: {layers: readonly string[]}): JSX.Element {
  if (layers.length === 0) return <>Curves of a layer</>;
  if (layers.length > 1) return <>Curves of {layers.length} layers</>;
  return (
    <>
      Curves of <code>{layers[0]}</code>
    </>
  );
}

/** The layers that may be added: the selected run's, then what only other runs have. */
function offeredLayers(selected: Run | null, shown: readonly Run[]): Run['layers'] {
  const runs = [...(selected === null ? [] : [selected]), ...shown];
  const known = new Map(runs.toReversed().flatMap(run => run.layers.map(of => [of.name, of])));
  const ordered = new Set(runs.flatMap(run => run.layers.map(({name}) => name)));
  return [...ordered].flatMap(name => known.get(name) ?? []);
}

function Charts({state, cursor, dispatch}: Props): JSX.Element {
  const {overview, statistic, layers, smoothing, scales} = state;
  const lines = useSame(layerLines(state));
  const shown = useSame(shownRuns(state));
  const statistics = overview?.statistics;
  const selected = selectedRun(state);
  const marks = useMemo(() => causeMarks(selected, layers), [selected, layers]);
  const rawCharts = useMemo(() => {
    const having = [...new Set(lines.map(({run}) => run))];
    return layerCharts(statistic, having).flatMap(show => {
      const meta = statistics?.find(({name}) => name === show.name);
      if (meta === undefined) return [];
      const scale = scaleOf({scales}, meta.name, meta.scale);
      const charted = drawn(lines, {...show, scale}, run => run.statistics);
      const recording = having.filter(run => run.statistics.includes(meta.name));
      const reference = referenceOf(meta.name, recording);
      const absent = unrecorded(meta.name, having);
      return [{meta, scale, charted, reference, band: show.band, absent}];
    });
  }, [lines, statistics, statistic, scales]);
  const charts = useMemo(
    () => rawCharts.map(of => ({...of, charted: smoothedDrawn(of.charted, smoothing)})),
    [rawCharts, smoothing],
  );
  const place = placeOf(state, allSteps(state), cursor, dispatch);
  return (
    <>
      <Troubles lines={lines} dispatch={dispatch} />
      {missingWords(shown, layers).map(words => (
        <p key={words} class="hint">
          {words}
        </p>
      ))}
      <div class="charts">
        {charts.map(({meta, scale, charted, reference, band, absent}) => (
          <Chart
            key={meta.name}
            name={meta.name}
            title={meta.label}
            unit={meta.unit}
            description={meta.description}
            scale={scale}
            onScale={next => dispatch({type: 'scale', name: meta.name, scale: next})}
            {...charted}
            band={bandOf(band, charted.curves)}
            reference={reference}
            marks={marks}
            absent={absent}
            height={190}
            {...place}
          />
        ))}
      </div>
    </>
  );
}

/** What the band is, and what the thin dashes of a chart with a second statistic are. */
function bandOf(
  band: string | undefined,
  curves: readonly {source: {statistic: string}}[],
): string | undefined {
  const clipped = curves.some(({source}) => source.statistic === 'clipped_gradient_norm');
  return clipped && band !== undefined ? `${band}. Thin dashes: after clipping` : band;
}

/** What is on its way, and what failed. */
function Troubles({
  lines,
  dispatch,
}: {
  lines: readonly Line[];
  dispatch: (action: Action) => void;
}): JSX.Element {
  const loading = lines.filter(({whole, error}) => whole === null && error === null);
  return (
    <>
      {loading.length > 0 && <Loading what={loadingWords(loading)} />}
      {lines.map(({run, layer, url, error}) =>
        error === null ? null : (
          <Failure
            key={url}
            title={`${layer ?? 'A layer'} of ${run.name} could not be read`}
            error={error}
            retry={() => dispatch({type: 'retry', url})}
          />
        ),
      )}
    </>
  );
}

function loadingWords(lines: readonly Line[]): string {
  const told = lines.slice(0, 3).map(({run, layer}) => `${layer ?? ''} of ${run.name}`);
  const more = lines.length - told.length;
  return [...told, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** The runs that have no line in a chart, and why. */
function unrecorded(name: string, runs: readonly Run[]): string[] {
  return runs
    .filter(({statistics}) => !statistics.includes(name))
    .map(run => `${run.name} does not record this (${run.optimizer}).`);
}

/** What of the overlaid layers the shown runs lack. */
function missingWords(runs: readonly Run[], layers: readonly string[]): string[] {
  const lacking = runs.map(run => ({run, lacks: layers.filter(layer => !hasLayer(run, layer))}));
  const only = layers.length === 1 ? 'layer of this name' : 'layer of any of these names';
  if (lacking.every(({lacks}) => lacks.length === layers.length))
    return [`No ticked run has a ${only}.`];
  return lacking
    .filter(({lacks}) => lacks.length > 0)
    .map(({run, lacks}) => {
      if (lacks.length === layers.length) return `${run.name} has no ${only}.`;
      const more = lacks.length > 3 ? ` and ${counted(lacks.length - 3, 'more', 'more')}` : '';
      return `${run.name} has no layer ${lacks.slice(0, 3).join(', ')}${more}.`;
    });
}
