/** What the cell under the pointer holds. */

import type {JSX} from 'preact';

import type {Layer, Table} from '../api.ts';
import {formatStep, stepWords} from '../format.ts';
import {cellWords} from '../table.ts';

interface Props {
  /** The pointer on the page. */
  x: number;
  y: number;
  layer: Layer;
  table: Table;
  /** The cell: its row in the table, and its column there. */
  row: number;
  column: number;
  label: string;
  restarts: readonly number[];
  summarizedUntil: number | null;
}

export function MapTip(props: Props): JSX.Element {
  const {x, y, layer, table, row, column, restarts, summarizedUntil} = props;
  const [first, last] = [table.first[row], table.last[row]];
  const before = row === 0 ? 0 : table.last[row - 1];
  const restart = restarts.find(at => before < at && at <= last);
  const {clientWidth, clientHeight} = document.documentElement;
  const across = x < clientWidth / 2 ? {left: `${x + 14}px`} : {right: `${clientWidth - x + 14}px`};
  const down = y < clientHeight / 2 ? {top: `${y + 12}px`} : {bottom: `${clientHeight - y + 12}px`};
  const {name, shape} = layer;
  return (
    <div class="tip" style={{...across, ...down}}>
      <strong>{name}</strong> {shape.length > 0 && <span>({shape.join(' × ')})</span>}
      <br />
      {stepWords(first, last)}
      {restart !== undefined && `, restarted at ${formatStep(restart)}`}
      {first < last && summarizedUntil !== null && last <= summarizedUntil && ', summarised'}
      <br />
      {props.label}: <strong>{cellWords(table, row * table.columns + column)}</strong>
    </div>
  );
}
