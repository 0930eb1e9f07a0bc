/** The heat map with its choices: of one run, of two beside each other, or of their difference. */

import type {JSX} from 'preact';
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';

import type {Finding, Run, Statistic} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {formatStep} from '../format.ts';
import {mapHeight, rowHeight, stepsOf} from '../layout.ts';
import type {MapFrame} from '../mapview.ts';
import {comparedRun, runColors} from '../selection.ts';
import type {Domain} from '../scale.ts';
import type {Action, State} from '../state.ts';
import type {Row} from '../tree.ts';
import type {Zoom} from '../zoom.ts';
import type {Shared} from './HeatMap.tsx';
import {DifferenceLegend, Legend, type NamedRun} from './Legend.tsx';
import {MapChoices} from './MapChoices.tsx';
import {DifferenceExport, RunExport} from './MapExport.tsx';
import {Failure, Loading} from './Messages.tsx';
import {DifferenceMap, OtherMap, RunMap, RunName} from './RunMaps.tsx';
import {useDifference, useDomain, useMapData, type MapData} from './useMaps.ts';
import {useRows} from './useRows.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  run: Run;
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
}

/** From this width on, the other run's map is to the right of the first, not below it. */
const TWO_COLUMNS = 1600;
/** A map so wide has room for the depth profile. */
const PROFILED = 1100;
const PROFILE_WIDTH = 150;

export function HeatSection({run, state, cursor, dispatch}: Props): JSX.Element {
  const section = useRef<HTMLElement>(null);
  const width = useWidth(section);
  const {jumps, zoom} = state;
  useEffect(() => {
    if (jumps > 0) section.current?.scrollIntoView({block: 'nearest', behavior: 'smooth'});
  }, [jumps]);

  const statistic = state.overview?.statistics.find(({name}) => name === state.statistic);
  const scale = statistic?.scale ?? 'log';
  const label = statistic?.label ?? state.statistic;
  const compared = comparedRun(state);
  const comparable = compared?.statistics.includes(state.statistic) === true ? compared : null;
  const one = useMapData(run, state);
  const two = useMapData(comparable, state);
  const domain = useDomain(one.data, two.data, scale);
  const isDifference = comparable !== null && state.difference;
  const difference = useDifference(one.data, two.data, isDifference, scale, domain);
  const beside = comparable !== null && !state.difference;
  const room = beside && width < TWO_COLUMNS ? 'stacked' : 'alone';
  const rows = useRows(run, state, dispatch);
  const all = useAllSteps(one.data, beside ? two.data : null);
  const [top, setTop] = useState(0);
  const [hovered, setHovered] = useState<number | null>(null);
  const empty = one.data !== null && one.data.whole.last.length === 0;
  const namesOf = ({columns}: Row): string[] => columns.map(column => run.layers[column].name);
  const failed = [one.failed, two.failed].filter(failure => failure !== null);
  const shared: Shared = {
    section,
    all,
    domain: isDifference ? (difference?.domain ?? null) : domain,
    scheme: isDifference ? 'difference' : 'size',
    room,
    labelsWidth: rows.labelsWidth,
    main: rows.main,
    chosen: rows.chosen,
    partly: rows.partly,
    step: state.step,
    zoom,
    tallRows: state.tallRows,
    jumps,
    cursor,
    top,
    hovered,
    onTop: setTop,
    onHover: setHovered,
    onPlace: (row, step) => dispatch({type: 'place', layers: namesOf(row), step}),
    onZoom: next => dispatch({type: 'zoom', zoom: next}),
    onSelect: row => dispatch({type: 'layers', layers: namesOf(row)}),
    onToggle: row => dispatch({type: 'toggle-layers', layers: namesOf(row)}),
    onFold: ({key}, open) => {
      const others = [...rows.collapsed].filter(other => other !== key);
      dispatch({type: 'collapse', collapsed: new Set(open ? others : [...others, key])});
    },
  };
  const colors = useMemo(() => runColors(state), [state.order, state.dark]);
  const colorOf = ({name}: Run): string => colors.get(name) ?? 'gray';
  const sideBySide = beside && room === 'alone';
  const about = {
    label,
    dark: state.dark,
    colorOf,
    statistic: state.statistic,
    profile: width >= (sideBySide ? 2 : 1) * PROFILED ? PROFILE_WIDTH : 0,
    onStep: (step: number) => dispatch({type: 'step', step}),
  };
  const onFinding = (finding: Finding): void => dispatch({type: 'finding', finding});
  // Of another run only the place: the finding itself is none of the selected run's.
  const onPlaceOf = ({layer, firstStep}: Finding): void =>
    dispatch({type: 'place', layers: layer === null ? [] : [layer], step: firstStep});
  const frame: MapFrame = {
    label,
    unit: statistic?.unit ?? '',
    scale,
    domain: shared.domain,
    rows: rows.rows,
    rowHeight: rowHeight(rows.rows.length, state.tallRows, room),
    window: zoom ?? all,
    step: state.step,
  };
  const exported = {section, frame, statistic: state.statistic};
  const height = mapHeight(rows.rows.length, state.tallRows, room);
  // As high as the map will be, so that the page does not jump.
  const wait = ({name}: Run): JSX.Element => (
    <div style={{minHeight: `${height}px`}}>
      {failed.length === 0 && <Loading what={`${label} of ${name}`} />}
    </div>
  );

  return (
    <section
      ref={section}
      class="panel heat"
      aria-label="Heat map"
      data-testid="heatmap"
      data-run={run.name}
      data-statistic={state.statistic}
      data-layer={state.layers[0] ?? ''}
      data-step={state.step ?? ''}
      data-per={one.data?.table.per ?? ''}
      data-zoom={zoom === null ? '' : `${zoom.firstStep}-${zoom.lastStep}`}
      data-compared={comparable?.name ?? ''}
      data-drawn={one.data !== null && !empty ? undefined : 'false'}
    >
      <header class="panel-head">
        <h2>Layers × steps</h2>
        <MapChoices
          run={run}
          state={state}
          blocks={rows.blocks}
          collapsed={rows.collapsed}
          rows={rows.rows.length}
          room={room}
          compared={compared}
          dispatch={dispatch}
        />
        {one.data !== null &&
          !empty &&
          !beside &&
          (!isDifference ? (
            <RunExport {...exported} data={one.data} of={run} />
          ) : (
            difference !== null &&
            two.data !== null && (
              <DifferenceExport
                {...exported}
                one={one.data}
                two={two.data}
                difference={difference}
              />
            )
          ))}
      </header>
      <p class="description">{statistic?.description}</p>
      <SectionLegend
        statistic={statistic}
        one={one.data}
        two={two.data}
        comparable={isDifference ? comparable : null}
        runs={comparable === null ? [run] : [run, comparable]}
        domain={shared.domain}
        colorOf={colorOf}
      />
      {compared !== null && comparable === null && (
        <p class="hint">
          {compared.name} does not record {label}.
        </p>
      )}
      {failed.map(({url, error}) => (
        <Failure
          key={url}
          title="The heat map could not be read"
          error={error}
          retry={() => dispatch({type: 'retry', url})}
        />
      ))}
      {one.data === null && failed.length === 0 && wait(run)}
      {empty && <p class="hint">No step of this statistic is recorded yet.</p>}
      {one.data !== null && !empty && (
        <div class={sideBySide ? 'maps side-by-side' : 'maps'}>
          {isDifference ? (
            difference === null || two.data === null ? (
              wait(comparable)
            ) : (
              <DifferenceMap
                {...shared}
                {...about}
                one={one.data}
                two={two.data}
                rows={rows.rows}
                difference={difference}
                scale={scale}
                values={domain}
                onFinding={onFinding}
              />
            )
          ) : (
            <>
              {beside && (
                <RunName run={run} color={colorOf(run)}>
                  <RunExport {...exported} data={one.data} of={run} />
                </RunName>
              )}
              <RunMap
                {...shared}
                {...about}
                data={one.data}
                other={two.data}
                rows={rows.rows}
                tree
                onFinding={onFinding}
              />
              {beside && (
                <RunName run={comparable} color={colorOf(comparable)}>
                  {two.data !== null && <RunExport {...exported} data={two.data} of={run} />}
                </RunName>
              )}
              {beside &&
                (two.data === null ? (
                  wait(comparable)
                ) : (
                  <OtherMap
                    {...shared}
                    {...about}
                    data={two.data}
                    of={run}
                    rows={rows.rows}
                    onFinding={onPlaceOf}
                  />
                ))}
            </>
          )}
        </div>
      )}
      {/* Below the map, which stays where it is when the button comes and goes. */}
      <p class="hint gestures">
        Drag, or turn the wheel with Ctrl, to zoom; turn it with Shift to pan. Double-click shows
        all.
        {zoom !== null && (
          <button type="button" onClick={() => dispatch({type: 'zoom', zoom: null})}>
            Steps {formatStep(zoom.firstStep)}–{formatStep(zoom.lastStep)}: show all
          </button>
        )}
      </p>
    </section>
  );
}

interface SectionLegendProps {
  statistic: Statistic | undefined;
  one: MapData | null;
  two: MapData | null;
  /** What the difference is to; null where there is none. */
  comparable: Run | null;
  runs: readonly [Run, ...Run[]];
  domain: Domain | null;
  colorOf: (run: Run) => string;
}

function SectionLegend(props: SectionLegendProps): JSX.Element {
  const {statistic, one, two, comparable, runs, domain, colorOf} = props;
  const restarts = {
    marked: runs.reduce((sum, run) => sum + run.restarts.length, 0),
    restarts: runs.reduce((sum, run) => sum + run.restartCount, 0),
  };
  const named = (run: Run): NamedRun => ({name: run.name, color: colorOf(run)});
  return comparable !== null ? (
    <DifferenceLegend
      domain={domain}
      scale={statistic?.scale ?? 'log'}
      waiting={one === null || two === null}
      one={named(runs[0])}
      other={named(comparable)}
      {...restarts}
    />
  ) : (
    <Legend
      domain={domain}
      waiting={one === null}
      unit={statistic?.unit ?? ''}
      spikes={one?.spikes != null || two?.spikes != null}
      {...restarts}
    />
  );
}

/** All steps of the maps. */
function useAllSteps(one: MapData | null, two: MapData | null): Zoom {
  return useMemo(() => {
    const tables = [one, two].flatMap(data => (data === null ? [] : [data.whole]));
    const steps = tables.filter(({last}) => last.length > 0).map(stepsOf);
    if (steps.length === 0) return {firstStep: 1, lastStep: 1};
    return {
      firstStep: Math.min(...steps.map(({firstStep}) => firstStep)),
      lastStep: Math.max(...steps.map(({lastStep}) => lastStep)),
    };
  }, [one?.whole, two?.whole]);
}
