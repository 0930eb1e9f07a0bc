/** What the cell under the pointer holds. */

import type {JSX} from 'preact';

import type {Run, Table} from '../api.ts';
import {counted, formatStep, stepWords} from '../format.ts';
import type {Row} from '../tree.ts';

/** A line about a cell: its value, what it is of one run or the other, a spike. */
export interface Told {
  label: string;
  words: string;
}

interface Props {
  /** The pointer on the page. */
  x: number;
  y: number;
  run: Run;
  table: Table;
  /** The row of the map. */
  of: Row;
  /** The row of the table. */
  row: number;
  told: readonly Told[];
}

export function MapTip({x, y, run, table, of, row, told}: Props): JSX.Element {
  const [first, last] = [table.first[row], table.last[row]];
  const before = row === 0 ? 0 : table.last[row - 1];
  const restart = run.restarts.find(at => before < at && at <= last);
  const {clientWidth, clientHeight} = document.documentElement;
  const across = x < clientWidth / 2 ? {left: `${x + 14}px`} : {right: `${clientWidth - x + 14}px`};
  const down = y < clientHeight / 2 ? {top: `${y + 12}px`} : {bottom: `${clientHeight - y + 12}px`};
  const about = aboutRow(run, of);
  return (
    <div class="tip" style={{...across, ...down}}>
      <strong>{of.title}</strong> {about !== '' && <span>({about})</span>}
      <br />
      {stepWords(first, last)}
      {restart !== undefined && `, restarted at ${formatStep(restart)}`}
      {first < last &&
        run.summarizedUntil !== null &&
        last <= run.summarizedUntil &&
        ', summarised'}
      {told.map(({label, words}) => (
        <div key={label}>
          {label}: <strong>{words}</strong>
        </div>
      ))}
    </div>
  );
}

function aboutRow({layers}: Run, {columns}: Row): string {
  if (columns.length > 1) return counted(columns.length, 'variable');
  return columns.flatMap(column => layers[column].shape).join(' × ');
}
