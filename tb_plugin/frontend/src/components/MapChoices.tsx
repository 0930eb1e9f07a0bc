/** What the heat map shows and how: statistic, layer, rows, the run beside it. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Layer, Run} from '../api.ts';
import {labelled, type Room} from '../layout.ts';
import {named} from '../plain.ts';
import type {Action, State} from '../state.ts';
import {statisticGroups} from '../statisticGroups.ts';

interface Props {
  run: Run;
  state: State;
  /** The keys of all blocks, and of those that are closed. */
  blocks: readonly string[];
  collapsed: ReadonlySet<string>;
  rows: number;
  room: Room;
  compared: Run | null;
  dispatch: (action: Action) => void;
}

export function MapChoices(props: Props): JSX.Element {
  const {run, state, rows, room, dispatch} = props;
  // The same element while nothing of it changes: Preact passes over it, and a run may have a thousand layers.
  const layer = state.layers[0] ?? '';
  const layers = useMemo(
    () => <LayerChoice layers={run.layers} layer={layer} dispatch={dispatch} />,
    [run.layers, layer, dispatch],
  );
  const pairs = useMemo(() => hasPairs(run.layers), [run.layers]);
  return (
    <div class="choices">
      <StatisticChoice {...props} />
      {layers}
      {pairs && (
        <Check
          label="Kernel and bias together"
          checked={state.together}
          onChange={together => dispatch({type: 'together', together})}
        />
      )}
      {(state.tallRows || !labelled(rows, room)) && (
        <Check
          label="Name every row"
          checked={state.tallRows}
          onChange={tall => dispatch({type: 'tall-rows', tall})}
        />
      )}
      <Check
        label="Fit colours to the window"
        checked={state.fitted}
        onChange={fitted => dispatch({type: 'fit', fitted})}
      />
      <Blocks {...props} />
      <Comparison {...props} />
    </div>
  );
}

/** Whether a Keras layer has several variables. */
function hasPairs(layers: readonly Layer[]): boolean {
  return layers.some(({group}, at) => at > 0 && layers[at - 1].group === group);
}

function StatisticChoice({run, state, dispatch}: Props): JSX.Element {
  const offered = state.overview?.statistics.filter(({name}) => run.statistics.includes(name));
  return (
    <label>
      Statistic
      <select
        id="statistic"
        value={state.statistic}
        onChange={event => dispatch({type: 'statistic', statistic: event.currentTarget.value})}
      >
        {statisticGroups(offered ?? []).map(({label, statistics}) => (
          <optgroup key={label} label={label}>
            {statistics.map(statistic => (
              <option
                key={statistic.name}
                value={statistic.name}
                selected={statistic.name === state.statistic}
              >
                {statistic.label}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}

function LayerChoice({
  layers,
  layer,
  dispatch,
}: {
  layers: readonly Layer[];
  layer: string;
  dispatch: Props['dispatch'];
}): JSX.Element {
  return (
    <label>
      Layer
      <select
        id="layer"
        value={layer}
        onChange={event => {
          const {value} = event.currentTarget;
          dispatch({type: 'layers', layers: value === '' ? [] : [value]});
        }}
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

function Blocks({blocks, collapsed, dispatch}: Props): JSX.Element | null {
  if (blocks.length === 0) return null;
  const closed = blocks.filter(key => collapsed.has(key)).length;
  const close = (keys: readonly string[]): void =>
    dispatch({type: 'collapse', collapsed: new Set(keys)});
  return (
    <span class="both" role="group" aria-label="Blocks">
      <span aria-hidden="true">Blocks</span>
      <button
        type="button"
        disabled={closed === 0}
        aria-label="Open all blocks"
        onClick={() => close([])}
      >
        Open all
      </button>
      <button
        type="button"
        disabled={closed === blocks.length}
        aria-label="Close all blocks"
        onClick={() => close(blocks)}
      >
        Close all
      </button>
    </span>
  );
}

function Comparison({run, state, compared, dispatch}: Props): JSX.Element | null {
  const others = state.overview?.runs.filter(({name}) => name !== run.name) ?? [];
  if (others.length === 0) return null;
  return (
    <span class="both">
      <label>
        Compare with
        <select
          id="compare"
          value={compared?.name ?? ''}
          onChange={event => dispatch({type: 'compare', run: event.currentTarget.value || null})}
        >
          <option value="">none</option>
          {others.map(({name}) => (
            <option key={name} value={name} selected={name === compared?.name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {compared !== null && (
        <span
          class="both"
          role="radiogroup"
          aria-label={`Show ${named(run.name)} and ${named(compared.name)}`}
        >
          {[false, true].map(difference => (
            <label key={String(difference)} class="check">
              <input
                type="radio"
                name="comparison"
                checked={state.difference === difference}
                onChange={() => dispatch({type: 'difference', difference})}
              />
              {difference ? 'difference' : 'beside each other'}
            </label>
          ))}
        </span>
      )}
    </span>
  );
}

function Check({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        onChange={event => onChange(event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}
