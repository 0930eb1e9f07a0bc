/** The heat map with its choices: statistic, layer, row height, zoom. */

import type {JSX} from 'preact';
import {useEffect, useMemo, useRef} from 'preact/hooks';

import {statisticUrl, type Run, type Statistic} from '../api.ts';
import {formatStep} from '../format.ts';
import {labelled, mapHeight} from '../layout.ts';
import {domainOf} from '../scale.ts';
import type {Action, Entry, State} from '../state.ts';
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
  const table = entry?.table?.columns === run.layers.length ? entry.table : null;
  const domain = useMemo(
    () => (table === null ? null : domainOf(table.values, scale)),
    [table, scale],
  );
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
      data-drawn={table !== null && table.steps.length > 0 ? undefined : 'false'}
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
      {entry?.error != null && (
        <Failure title="The heat map could not be read" error={entry.error} retry={retry} />
      )}
      {table === null && entry?.error == null && (
        // As high as the map will be, so that the page does not jump.
        <div style={{minHeight: `${mapHeight(run.layers.length, state.tallRows)}px`}}>
          <Loading what={`${statistic?.label ?? state.statistic} of ${run.name}`} />
        </div>
      )}
      {table !== null && table.steps.length === 0 && (
        <p class="hint">No step of this statistic is recorded yet.</p>
      )}
      {table !== null && table.steps.length > 0 && (
        <HeatMap
          section={section}
          layers={run.layers}
          table={table}
          domain={domain}
          label={statistic?.label ?? state.statistic}
          run={run.name}
          restarts={run.restarts}
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
    </section>
  );
}

function Choices({run, state, dispatch}: Omit<Props, 'entry'>): JSX.Element {
  const offered =
    state.overview?.statistics.filter(({name}) => run.statistics.includes(name)) ?? [];
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
      <label>
        Layer
        <select
          id="layer"
          value={state.layer ?? ''}
          onChange={event => dispatch({type: 'layer', layer: event.currentTarget.value || null})}
        >
          <option value="">none</option>
          {run.layers.map(({name}) => (
            <option key={name} value={name} selected={name === state.layer}>
              {name}
            </option>
          ))}
        </select>
      </label>
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
      {state.zoom !== null && (
        <button type="button" onClick={() => dispatch({type: 'zoom', zoom: null})}>
          Steps {formatStep(state.zoom.firstStep)}–{formatStep(state.zoom.lastStep)}: show all
        </button>
      )}
    </div>
  );
}
