/** The runs: which one the page is about, and which ones the curves compare. */

import type {JSX} from 'preact';

import type {Run} from '../api.ts';
import {counted, formatNumber, formatStep} from '../format.ts';
import {runColor} from '../palette.ts';
import {Badge} from './Badge.tsx';

interface Props {
  runs: readonly Run[];
  selected: string | null;
  shown: ReadonlySet<string>;
  dark: boolean;
  onSelect: (run: string) => void;
  onToggle: (run: string) => void;
}

export function RunList({runs, selected, shown, dark, onSelect, onToggle}: Props): JSX.Element {
  return (
    <>
      <div class="list-head">
        <h2>Runs</h2>
        <span>curves</span>
      </div>
      <ul class="runs">
        {runs.map((run, index) => (
          <RunRow
            key={run.name}
            run={run}
            color={runColor(index, dark)}
            selected={run.name === selected}
            shown={shown.has(run.name)}
            onSelect={() => onSelect(run.name)}
            onToggle={() => onToggle(run.name)}
          />
        ))}
      </ul>
    </>
  );
}

interface RowProps {
  run: Run;
  color: string;
  selected: boolean;
  shown: boolean;
  onSelect: () => void;
  onToggle: () => void;
}

function RunRow({run, color, selected, shown, onSelect, onToggle}: RowProps): JSX.Element {
  return (
    <li data-run={run.name} data-verdict={run.verdict} class={selected ? 'run selected' : 'run'}>
      <label class="pick">
        <input type="radio" name="run" checked={selected} onChange={onSelect} />
        <span class="name">
          <span class="swatch" style={{background: color}} />
          {run.name}
        </span>
        <Badge verdict={run.verdict} />
        <span class="facts">
          {run.optimizer}
          {run.lastLoss !== null && <> · loss {formatNumber(run.lastLoss)}</>}
          <br />
          {counted(run.records, 'record')} to step {formatStep(run.lastStep)}
        </span>
      </label>
      <input
        type="checkbox"
        checked={shown}
        onChange={onToggle}
        style={{accentColor: color}}
        aria-label={`Show ${run.name} in the curves`}
        title={`Show ${run.name} in the curves`}
      />
    </li>
  );
}
