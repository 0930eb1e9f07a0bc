/** Which line is whose: the keys of runs and layers, and which layers are overlaid. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Layer} from '../api.ts';
import {MOST_HUES} from '../hues.ts';
import {SOLID, type LayerLooks} from '../lines.ts';
import {LineKey} from './LineKey.tsx';

interface Props {
  looks: LayerLooks;
  layers: readonly string[];
  /** The layers that may be added. */
  offered: readonly Layer[];
  onLayers: (layers: readonly string[]) => void;
}

export function LayerKeys({looks, layers, offered, onLayers}: Props): JSX.Element {
  return (
    <div class="keys">
      <RunKeys looks={looks} />
      {looks.several && (
        <ul class="chips" aria-label="Layers">
          {layers.map(layer => (
            <li key={layer} class="chip">
              <LineKey color={looks.layers.get(layer) ?? ''} dash={SOLID} />
              <span class="name">{layer}</span>
              <button
                type="button"
                aria-label={`Remove ${layer}`}
                title={`Remove ${layer}`}
                onClick={() => onLayers(layers.filter(other => other !== layer))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {layers.length > MOST_HUES && (
        <p class="hint">
          Colour: depth in the model, from the first layer{' '}
          <span class="ramp" style={{background: ramp(looks)}} /> to the last
        </p>
      )}
      <div class="choices">
        <AddLayer layers={layers} offered={offered} onLayers={onLayers} />
        {layers.length > 1 && (
          <button type="button" onClick={() => onLayers(layers.slice(0, 1))}>
            Remove all but the first
          </button>
        )}
      </div>
    </div>
  );
}

function RunKeys({looks: {several, runs}}: {looks: LayerLooks}): JSX.Element | null {
  // One solid line needs no key, when its colour is the layer's.
  if (several && runs.length < 2) return null;
  return (
    <ul class="marks" aria-label="Runs">
      {runs.map(({run, color, dash}) => (
        <li key={run.name}>
          <LineKey color={several ? 'currentColor' : color} dash={dash} />
          {run.name}
        </li>
      ))}
    </ul>
  );
}

function AddLayer({layers, offered, onLayers}: Omit<Props, 'looks'>): JSX.Element | null {
  // There may be thousands of them, and the page is drawn with every pan.
  const options = useMemo(() => optionsOf(offered, new Set(layers)), [offered, layers]);
  if (options.length === 0) return null;
  return (
    <label>
      Add a layer
      <select
        id="add-layer"
        value=""
        onChange={event => {
          const {value} = event.currentTarget;
          event.currentTarget.value = '';
          if (value !== '') onLayers([...layers, value]);
        }}
      >
        <option value="">choose…</option>
        {options}
      </select>
    </label>
  );
}

function optionsOf(offered: readonly Layer[], taken: ReadonlySet<string>): JSX.Element[] {
  const groups = new Map<string, JSX.Element[]>();
  for (const {name, group} of offered) {
    if (taken.has(name)) continue;
    const members = groups.get(group) ?? [];
    groups.set(group, members);
    members.push(
      <option key={name} value={name}>
        {name}
      </option>,
    );
  }
  return [...groups].map(([group, members]) => (
    <optgroup key={group} label={group}>
      {members}
    </optgroup>
  ));
}

/** From the colour of the layer next to the input to that of the last one. */
function ramp({depths}: LayerLooks): string {
  return `linear-gradient(to right, ${depths.join(', ')})`;
}
