/** The heat map with its choices: statistic, layer, row height, zoom. */

import type {JSX} from 'preact';
import {useEffect, useMemo, useRef} from 'preact/hooks';

import {statisticUrl, type Layer, type Run, type Statistic} from '../api.ts';
import {formatStep} from '../format.ts';
import {labelled, mapHeight, stepsOf} from '../layout.ts';
import {errorOf, tableOf, wholeOf, type Entry} from '../levels.ts';
import {domainOf} from '../scale.ts';
import type {Action, State} from '../state.ts';
import {HeatMap} from './HeatMap.tsx';
import {Legend} from './Legend.tsx';
import {Failure, Loading} from './Messages.tsx';

interface Props {
  run: Run;
  state: State;
  entry: Entry | undefined;
  dispatch: (action: Action) => void;
}

export function HeatSection({run, state, entry, dispatch}: Props): JSX.Element {
  const section = useRef<HTMLElement>(null);
  const {jumps} = state;
  useEffect(() => {
    if (jumps > 0) section.current?.scrollIntoView({block: 'nearest', behavior: 'smooth'});
  }, [jumps]);

  const statistic = state.overview?.statistics.find(({name}) => name === state.statistic);
  const scale = statistic?.scale ?? 'log';
  // While a reload is on its way the run may have layers that its older table has not.
  const held = wholeOf(entry);
  const whole = held?.columns === run.layers.length ? held : null;
  const table = whole === null ? null : tableOf(entry, state.zoom);
  const error = errorOf(entry);
  // Of the whole run, so that a zoom leaves the colours as they are.
  const domain = useMemo(() => (whole === null ? null : domainOf(whole, scale)), [whole, scale]);
  const all = useMemo(() => (whole === null ? null : stepsOf(whole)), [whole]);
  const retry = (): void => dispatch({type: 'retry', url: statisticUrl(run.name, state.statistic)});

  return (
    <section
      ref={section}
      class="panel heat"
      aria-label="Heat map"
      data-testid="heatmap"
      data-run={run.name}
      data-statistic={state.statistic}
      data-layer={state.layer ?? ''}
      data-step={state.step ?? ''}
      data-per={table?.per ?? ''}
      data-zoom={state.zoom === null ? '' : `${state.zoom.firstStep}-${state.zoom.lastStep}`}
      data-drawn={whole !== null && whole.last.length > 0 ? undefined : 'false'}
    >
      <header class="panel-head">
        <h2>Layers × steps</h2>
        <Choices run={run} state={state} dispatch={dispatch} />
      </header>
      <p class="description">{statistic?.description}</p>
      <Legend
        domain={domain}
        unit={statistic?.unit ?? ''}
        restarts={run.restarts}
        restartCount={run.restartCount}
      />
      {error !== null && (
        <Failure title="The heat map could not be read" error={error} retry={retry} />
      )}
      {whole === null && error === null && (
        // As high as the map will be, so that the page does not jump.
        <div style={{minHeight: `${mapHeight(run.layers.length, state.tallRows)}px`}}>
          <Loading what={`${statistic?.label ?? state.statistic} of ${run.name}`} />
        </div>
      )}
      {whole !== null && whole.last.length === 0 && (
        <p class="hint">No step of this statistic is recorded yet.</p>
      )}
      {table !== null && all !== null && whole !== null && whole.last.length > 0 && (
        <HeatMap
          section={section}
          run={run}
          table={table}
          all={all}
          domain={domain}
          label={statistic?.label ?? state.statistic}
          layer={state.layer}
          step={state.step}
          zoom={state.zoom}
          tallRows={state.tallRows}
          jumps={jumps}
          onPlace={(layer, step) => dispatch({type: 'place', layer, step})}
          onLayer={layer => dispatch({type: 'layer', layer})}
          onZoom={zoom => dispatch({type: 'zoom', zoom})}
        />
      )}
      {/* Below the map, which stays where it is when the button comes and goes. */}
      <p class="hint gestures">
        Drag, or turn the wheel with Ctrl, to zoom; turn it with Shift to pan.
        {state.zoom !== null && (
          <button type="button" onClick={() => dispatch({type: 'zoom', zoom: null})}>
            Steps {formatStep(state.zoom.firstStep)}–{formatStep(state.zoom.lastStep)}: show all
          </button>
        )}
      </p>
    </section>
  );
}

function Choices({run, state, dispatch}: Omit<Props, 'entry'>): JSX.Element {
  const offered =
    state.overview?.statistics.filter(({name}) => run.statistics.includes(name)) ?? [];
  // The same element while nothing of it changes: Preact passes over it, and a run may have a thousand layers.
  const layers = useMemo(
    () => <LayerChoice layers={run.layers} layer={state.layer} dispatch={dispatch} />,
    [run.layers, state.layer, dispatch],
  );
  return (
    <div class="choices">
      <label>
        Statistic
        <select
          id="statistic"
          value={state.statistic}
          onChange={event => dispatch({type: 'statistic', statistic: event.currentTarget.value})}
        >
          {offered.map((statistic: Statistic) => (
            <option
              key={statistic.name}
              value={statistic.name}
              selected={statistic.name === state.statistic}
            >
              {statistic.label}
            </option>
          ))}
        </select>
      </label>
      {layers}
      {!labelled(run.layers.length) && (
        <label class="check">
          <input
            type="checkbox"
            checked={state.tallRows}
            onChange={event => dispatch({type: 'tall-rows', tall: event.currentTarget.checked})}
          />
          Name every row
        </label>
      )}
    </div>
  );
}

function LayerChoice({
  layers,
  layer,
  dispatch,
}: {
  layers: readonly Layer[];
  layer: string | null;
  dispatch: Props['dispatch'];
}): JSX.Element {
  return (
    <label>
      Layer
      <select
        id="layer"
        value={layer ?? ''}
        onChange={event => dispatch({type: 'layer', layer: event.currentTarget.value || null})}
      >
        <option value="">none</option>
        {layers.map(({name}) => (
          <option key={name} value={name} selected={name === layer}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
