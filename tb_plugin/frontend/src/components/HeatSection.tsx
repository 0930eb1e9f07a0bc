/** The heat map with its choices: of one run, of two beside each other, or of their difference. */

import type {JSX, RefObject} from 'preact';
import {useMemo, useRef, useState} from 'preact/hooks';

import type {Run} from '../api.ts';
import {createCursor, type Cursor} from '../cursor.ts';
import {formatStep} from '../format.ts';
import {named} from '../plain.ts';
import {runColors} from '../selection.ts';
import type {Action, State} from '../state.ts';
import type {Zoom} from '../zoom.ts';
import {HeatExport, HeatMaps} from './HeatMaps.tsx';
import type {Shared} from './HeatMap.tsx';
import {DifferenceLegend, Legend, type NamedRun} from './Legend.tsx';
import {MapChoices} from './MapChoices.tsx';
import {Failure} from './Messages.tsx';
import {useHeat, useJumps, type Heat} from './useHeat.ts';
import {usePlaces} from './usePlaces.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  run: Run;
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
}

export function HeatSection(props: Props): JSX.Element {
  const {run, state, dispatch} = props;
  const section = useRef<HTMLElement>(null);
  const width = useWidth(section);
  useJumps(section, state.jumps);
  const heat = useHeat(run, state, width, dispatch);
  const shared = useShared(section, props, heat);
  const {order, dark} = state;
  const colors = useMemo(() => runColors({order, dark}), [order, dark]);
  const colorOf = ({name}: Run): string => colors.get(name) ?? 'gray';
  const {rows, empty, compared, comparable, label, room} = heat;

  return (
    <section
      ref={section}
      class="panel heat"
      aria-label="Heat map"
      data-testid="heatmap"
      {...dataOf(heat, state)}
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
        <HeatExport heat={heat} state={state} section={section} />
      </header>
      <p class="description">{heat.statistic?.description}</p>
      <SectionLegend heat={heat} colorOf={colorOf} />
      {compared !== null && comparable === null && (
        <p class="hint">
          {named(compared.name)} does not record {label}.
        </p>
      )}
      {heat.failed.map(({url, error}) => (
        <Failure
          key={url}
          title="The heat map could not be read"
          error={error}
          retry={() => dispatch({type: 'retry', url})}
        />
      ))}
      {empty ? (
        <p class="hint">No step of this statistic is recorded yet.</p>
      ) : (
        <HeatMaps
          heat={heat}
          state={state}
          shared={shared}
          width={width}
          colorOf={colorOf}
          dispatch={dispatch}
        />
      )}
      <Hints zoom={state.zoom} dispatch={dispatch} />
    </section>
  );
}

/** What of the section is to be read from outside. */
function dataOf(
  {run, one, empty, comparable}: Heat,
  {statistic, layers, step, zoom}: State,
): Record<`data-${string}`, string | number | undefined> {
  return {
    'data-run': run.name,
    'data-statistic': statistic,
    'data-layer': layers[0] ?? '',
    'data-step': step ?? '',
    'data-per': one?.table.per ?? '',
    'data-zoom': zoom === null ? '' : `${zoom.firstStep}-${zoom.lastStep}`,
    'data-compared': comparable?.name ?? '',
    'data-drawn': one !== null && !empty ? undefined : 'false',
  };
}

/** What all maps of the section have in common. */
function useShared(
  section: RefObject<HTMLElement | null>,
  {run, state, cursor, dispatch}: Props,
  {rows, all, domain, isDifference, room}: Heat,
): Shared {
  const {jumps, zoom, step, tallRows} = state;
  const [top, setTop] = useState(0);
  const jumped = useRef(jumps);
  const rowCursor = useRef<Cursor>(null);
  rowCursor.current ??= createCursor();
  const places = usePlaces(run, state, dispatch);
  return {
    section,
    all,
    domain,
    scheme: isDifference ? 'difference' : 'size',
    room,
    labelsWidth: rows.labelsWidth,
    main: rows.main,
    chosen: rows.chosen,
    partly: rows.partly,
    step,
    zoom,
    tallRows,
    jumps,
    jumped,
    cursor,
    rowCursor: rowCursor.current,
    top,
    onTop: setTop,
    ...places,
    onZoom: next => dispatch({type: 'zoom', zoom: next}),
    onFold: ({key}, open) => {
      const others = [...rows.collapsed].filter(other => other !== key);
      dispatch({type: 'collapse', collapsed: new Set(open ? others : [...others, key])});
    },
  };
}

/** Below the map, which stays where it is when the button comes and goes. */
function Hints({
  zoom,
  dispatch,
}: {
  zoom: Zoom | null;
  dispatch: Props['dispatch'];
}): JSX.Element {
  return (
    <p class="hint gestures">
      Click selects a cell, with Ctrl or Shift adds its layer or takes it away; again, or Escape,
      clears. Drag, or turn the wheel with Ctrl, to zoom; turn it with Shift to pan. Double-click
      shows all.
      {zoom !== null && (
        <button type="button" onClick={() => dispatch({type: 'zoom', zoom: null})}>
          Steps {formatStep(zoom.firstStep)}–{formatStep(zoom.lastStep)}: show all
        </button>
      )}
    </p>
  );
}

function SectionLegend({
  heat,
  colorOf,
}: {
  heat: Heat;
  colorOf: (run: Run) => string;
}): JSX.Element {
  const {run, comparable, isDifference, one, two, domain, fitted, scale, statistic} = heat;
  const runs = comparable === null ? [run] : [run, comparable];
  const common = {
    domain,
    fitted,
    marked: runs.reduce((sum, {restarts}) => sum + restarts.length, 0),
    restarts: runs.reduce((sum, {restartCount}) => sum + restartCount, 0),
  };
  const named = (of: Run): NamedRun => ({name: of.name, color: colorOf(of)});
  return isDifference && comparable !== null ? (
    <DifferenceLegend
      {...common}
      scale={scale}
      waiting={one === null || two === null}
      one={named(run)}
      other={named(comparable)}
    />
  ) : (
    <Legend
      {...common}
      waiting={one === null}
      unit={statistic?.unit ?? ''}
      spikes={one?.spikes != null || two?.spikes != null}
    />
  );
}
