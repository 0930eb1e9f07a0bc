/** The names beside the heat map's rows, and the steps below it. */

import type {JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Layer} from '../api.ts';
import {elide, formatStep} from '../format.ts';
import {axisSteps, labelRows, labelTop, stepMiddle, type Layout} from '../layout.ts';

const LINE_HEIGHT = 14;
const LABEL_LENGTH = 34;

/** Room for the longest label as it is elided. */
export function labelsWidth(layers: readonly Layer[]): number {
  const longest = layers.reduce((most, {name}) => Math.max(most, name.length), 0);
  return 24 + 6.2 * Math.min(LABEL_LENGTH, longest);
}

interface Props {
  layers: readonly Layer[];
  layout: Layout;
  /** The rows in view, `first` to `last` (exclusive). */
  first: number;
  last: number;
  selected: number;
  onLayer: (layer: string) => void;
}

export function MapLabels({layers, layout, first, last, selected, onLayer}: Props): JSX.Element {
  const rows = useMemo(
    () => labelRows(layers, layout.rowHeight, LINE_HEIGHT),
    [layers, layout.rowHeight],
  );
  const height = Math.max(LINE_HEIGHT, layout.rowHeight);
  const top = (row: number): number => labelTop(row, layout.rows, layout.rowHeight, height);
  // The selected row's label is always there, and makes room for itself.
  const free = (row: number): boolean =>
    selected < 0 || Math.abs(top(row) - top(selected)) >= LINE_HEIGHT;
  const others = rows.filter(row => row >= first && row < last && free(row));
  const shown = selected < 0 ? others : [...others, selected];
  return (
    <div class="labels">
      {shown.map(row => (
        <button
          type="button"
          key={row}
          class={row === selected ? 'selected' : ''}
          aria-pressed={row === selected}
          title={layers[row].name}
          style={{top: `${top(row)}px`, height: `${height}px`}}
          onClick={() => onLayer(layers[row].name)}
        >
          {elide(layers[row].name, LABEL_LENGTH)}
        </button>
      ))}
    </div>
  );
}

const TICK_WIDTH = 64;

export function MapAxis({
  layout,
  style,
}: {
  layout: Layout;
  style: Record<string, string>;
}): JSX.Element {
  return (
    <div class="axis" aria-hidden="true" style={style}>
      <span class="axis-name">step</span>
      <div style={{width: `${layout.width}px`}}>
        {axisSteps(layout, TICK_WIDTH).map(step => (
          <span key={step} style={{left: `${stepMiddle(layout, step)}px`}}>
            {formatStep(step)}
          </span>
        ))}
      </div>
    </div>
  );
}
