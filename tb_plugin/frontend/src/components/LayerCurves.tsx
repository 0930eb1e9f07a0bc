/** The statistics of the selected layers over steps: any number of layers, of all shown runs, in each chart. */

import type {JSX} from 'preact';
import {useMemo, useRef, useState} from 'preact/hooks';

import {missingWords, unrecordedWords} from '../absent.ts';
import type {Run, Scale, Statistic} from '../api.ts';
import {layerCharts, referenceOf, unitWords, type Reference} from '../charts.ts';
import type {Cursor} from '../cursor.ts';
import {causeMarks} from '../flight.ts';
import {huesAfter, NO_HUES, type Hues} from '../hues.ts';
import {
  drawn,
  layerLines,
  layerLooks,
  MANY,
  smoothedDrawn,
  unbanded,
  type Drawn,
  type Line,
} from '../lines.ts';
import {named} from '../plain.ts';
import {
  allSteps,
  drawnLayers,
  scaleOf,
  selectedRun,
  shownRuns,
} from '../selection.ts';
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
  const hues = useHues(layers);
  const offered = useMemo(() => offeredLayers(selected, runs), [selected, runs]);
  const lines = useSame(layerLines(state, hues));
  const charts = useCharts(state, lines);
  const [pointed, setPointed] = useState<string | null>(null);
  const told = charts.find(({meta}) => meta.name === pointed) ?? null;
  return (
    <section
      class="panel curves"
      aria-label="Curves"
      data-testid="curves"
      data-layer={layers[0] ?? ''}
    >
      <header class="panel-head">
        <h2 tabIndex={-1}>
          <Heading layers={layers} />
        </h2>
        <Smoothing
          smoothing={state.smoothing}
          onChange={smoothing => dispatch({type: 'smoothing', smoothing})}
        />
      </header>
      <LayerKeys
        looks={layerLooks(state, hues)}
        layers={layers}
        drawn={drawnLayers(state).length}
        told={told && {statistic: told.meta.name, curves: told.charted.curves}}
        cursor={cursor}
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
        <Charts {...{state, lines, charts, cursor, dispatch}} onPointed={setPointed} />
      )}
    </section>
  );
}

/** A layer keeps its colour while it is overlaid, also when another one before it is taken away. */
function useHues(layers: readonly string[]): Hues {
  const hues = useRef(NO_HUES);
  return useMemo(() => (hues.current = huesAfter(hues.current, layers)), [layers]);
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

/** One of the charts, and what is drawn in it. */
interface LayerChart {
  meta: Statistic;
  scale: Scale;
  charted: Drawn;
  reference: Reference | null;
  band: string | undefined;
  absent: readonly string[];
}

function useCharts(state: State, lines: readonly Line[]): readonly LayerChart[] {
  const {overview, statistic, smoothing, scales} = state;
  const statistics = overview?.statistics;
  const rawCharts = useMemo(() => {
    const having = [...new Set(lines.map(({run}) => run))];
    return layerCharts(statistic, having).flatMap(show => {
      const meta = statistics?.find(({name}) => name === show.name);
      if (meta === undefined) return [];
      const scale = scaleOf({scales}, meta.name, meta.scale);
      const whole = drawn(lines, {...show, scale}, run => run.statistics);
      const charted = unbanded(whole);
      const recording = having.filter(run => run.statistics.includes(meta.name));
      const reference = referenceOf(meta.name, recording);
      const absent = [
        ...dashWords(whole),
        ...unbandedWords(whole),
        ...unrecordedWords(meta.name, having),
      ];
      return [{meta, scale, charted, reference, band: show.band, absent}];
    });
  }, [lines, statistics, statistic, scales]);
  return useMemo(
    () =>
      rawCharts.map(of => ({...of, charted: smoothedDrawn(of.charted, smoothing, of.scale)})),
    [rawCharts, smoothing],
  );
}

function Charts({
  state,
  lines,
  charts,
  cursor,
  dispatch,
  onPointed,
}: Props & {
  lines: readonly Line[];
  charts: readonly LayerChart[];
  onPointed: (name: string | null) => void;
}): JSX.Element {
  const {layers} = state;
  const shown = useSame(shownRuns(state));
  const selected = selectedRun(state);
  const marks = useMemo(() => causeMarks(selected, layers), [selected, layers]);
  const units = unitWords(charts.map(({meta}) => meta.unit));
  const place = placeOf(state, allSteps(state), cursor, dispatch);
  return (
    <>
      <Troubles lines={lines} dispatch={dispatch} />
      {missingWords(shown, layers).map(words => (
        <p key={words} class="hint">
          {words}
        </p>
      ))}
      {units.length > 0 && <p class="hint units">Units: {units.join('; ')}.</p>}
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
            band={band}
            reference={reference}
            marks={marks}
            absent={absent}
            height={190}
            onPointed={onPointed}
            {...place}
          />
        ))}
      </div>
    </>
  );
}

/** What the thin dashes of a chart with a second statistic are. */
function dashWords({curves}: Drawn): string[] {
  const clipped = curves.some(({source}) => source.statistic === 'clipped_gradient_norm');
  return clipped ? ['Thin dashes: after clipping'] : [];
}

/** That the bands are left out, where there would be any. */
function unbandedWords({curves, wholes}: Drawn): string[] {
  if (curves.length <= MANY || wholes.every(({high}) => high === null)) return [];
  const mean = curves.some(({per}) => per > 1) ? ' A point is the mean of its records.' : '';
  return [`No bands around more than ${MANY} lines.${mean}`];
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
      {loading.length > 0 && (
        <Loading
          what={lines.length === 1 ? lineWords(lines[0]) : 'the curves'}
          done={lines.length - loading.length}
          all={lines.length}
        />
      )}
      {lines.map(({run, layer, url, error}) =>
        error === null ? null : (
          <Failure
            key={url}
            title={`${lineWords({run, layer})} could not be read`}
            error={error}
            retry={() => dispatch({type: 'retry', url})}
          />
        ),
      )}
    </>
  );
}

function lineWords({run, layer}: Pick<Line, 'run' | 'layer'>): string {
  return `${named(layer ?? 'A layer')} of ${named(run.name)}`;
}
