/** Which line is whose: the keys of runs and layers, and which layers are overlaid. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Layer} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import type {Curve} from '../curves.ts';
import {valueAt} from '../curvewords.ts';
import {counted} from '../format.ts';
import {MOST_HUES} from '../hues.ts';
import {SOLID, type LayerLooks} from '../lines.ts';
import {named} from '../plain.ts';
import {LineKey} from './LineKey.tsx';
import {useCursor} from './useCursor.ts';
import {useRemoval} from './useRemoval.ts';

/** The chart that is pointed at. */
interface ToldChart {
  statistic: string;
  curves: readonly Curve[];
}

interface Props {
  looks: LayerLooks;
  layers: readonly string[];
  /** How many of them are drawn, the first ones. */
  drawn: number;
  told: ToldChart | null;
  cursor: Cursor;
  /** The layers that may be added. */
  offered: readonly Layer[];
  onLayers: (layers: readonly string[]) => void;
}

export function LayerKeys(props: Props): JSX.Element {
  const {looks, layers, drawn, offered, onLayers} = props;
  const removed = useRemoval();
  const without = (layer: string) => (button: HTMLElement) =>
    removed(button, () => onLayers(layers.filter(other => other !== layer)));
  const undrawn = layers.length - drawn;
  return (
    <div class="keys">
      <RunKeys looks={looks} />
      {looks.several && <Chips {...props} without={without} />}
      {undrawn > 0 && (
        <p class="hint undrawn">and {counted(undrawn, 'more layer')} are not drawn</p>
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
          <button
            type="button"
            data-removes="others"
            onClick={event => removed(event.currentTarget, () => onLayers(layers.slice(0, 1)))}
          >
            Remove all but the first
          </button>
        )}
      </div>
    </div>
  );
}

function Chips({
  looks,
  layers,
  drawn,
  told,
  cursor,
  without,
}: Props & {without: (layer: string) => (button: HTMLElement) => void}): JSX.Element {
  return (
    <ul class="chips" aria-label="Layers">
      {layers.map((layer, nth) => (
        <li key={layer} class="chip">
          <LineKey color={nth < drawn ? (looks.layers.get(layer) ?? '') : 'none'} dash={SOLID} />
          <span class="name">{layer}</span>
          <span class="value" aria-hidden="true">
            {told !== null && <ChipValue told={told} layer={layer} cursor={cursor} />}
          </span>
          <button
            type="button"
            aria-label={`Remove ${named(layer)}`}
            title={`Remove ${named(layer)}`}
            data-removes="layer"
            onClick={event => without(layer)(event.currentTarget)}
          >
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What the chart that is pointed at says of a layer there: of several runs the one whose line is on top. */
function ChipValue({
  told: {statistic, curves},
  layer,
  cursor,
}: {
  told: ToldChart;
  layer: string;
  cursor: Cursor;
}): JSX.Element | null {
  const step = useCursor(cursor);
  const curve = curves.findLast(
    ({source}) => source.layer === layer && source.statistic === statistic,
  );
  if (step === null || curve === undefined) return null;
  return <>{valueAt({...curve, low: null, high: null, raw: null}, step)}</>;
}

function RunKeys({looks: {several, runs}}: {looks: LayerLooks}): JSX.Element | null {
  // One solid line needs no key, when its colour is the layer's.
  if (several && runs.length < 2) return null;
  return (
    <ul class="marks" aria-label="Runs">
      {runs.map(({run, color, dash}) => (
        <li key={run.name}>
          <LineKey color={several ? 'currentColor' : color} dash={dash} />
          <span>{run.name}</span>
        </li>
      ))}
    </ul>
  );
}

function AddLayer({
  layers,
  offered,
  onLayers,
}: Pick<Props, 'layers' | 'offered' | 'onLayers'>): JSX.Element | null {
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
