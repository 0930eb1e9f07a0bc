/** The overview: a row per run, sorted, filtered and pinned; which one the page is about, which ones curves compare. */

import type {JSX, RefObject} from 'preact';
import {useLayoutEffect, useMemo, useRef} from 'preact/hooks';

import type {Run} from '../api.ts';
import {firstBadStep} from '../findings.ts';
import {counted, formatNumber, formatPercent, formatStep} from '../format.ts';
import {named} from '../plain.ts';
import {
  countWords,
  filterOf,
  lossWords,
  nextSort,
  recordedWords,
  settingsWords,
  startedTitle,
  startedWords,
  tableRows,
  verdictCounts,
  type Sort,
  type SortKey,
  type TableView,
} from '../runtable.ts';
import {Badge, Shape, verdictWord} from './Badge.tsx';
import {Sparkline} from './Sparkline.tsx';

interface Props {
  runs: readonly Run[];
  /** How many findings of a run are muted. */
  muted: ReadonlyMap<string, number>;
  selected: string | null;
  shown: ReadonlySet<string>;
  /** The CSS colour of each run. */
  colors: ReadonlyMap<string, string>;
  dark: boolean;
  view: TableView;
  onSelect: (run: string) => void;
  onToggle: (run: string) => void;
  onShow: (runs: readonly string[], shown: boolean) => void;
  onPin: (run: string) => void;
  onFilter: (filter: string) => void;
  onSort: (sort: Sort | null) => void;
}

export function RunTable(props: Props): JSX.Element {
  const {runs, muted, selected, shown, colors, view, onFilter, onSort} = props;
  const rows = useMemo(() => tableRows(runs, view), [runs, view]);
  const actions = useActions(props);
  const among = (some: readonly Run[]): boolean => some.some(({name}) => name === selected);
  const hidden = among(runs) && !among(rows);
  const room = useRef<HTMLDivElement>(null);
  useScrolled(room, view, selected);
  const lastPinned = rows.findLast(({name}) => view.pinned.has(name))?.name;
  return (
    <section class="panel runs" aria-label="Runs">
      <Tools {...props} rows={rows} hidden={hidden} />
      <div class="table-room" ref={room}>
        <table>
          <Head sort={view.sort} onSort={onSort} />
          <tbody>
            {rows.map(run => (
              <Row
                key={run.name}
                run={run}
                muted={muted.get(run.name) ?? 0}
                color={colors.get(run.name) ?? 'currentColor'}
                selected={run.name === selected}
                shown={shown.has(run.name)}
                pinned={view.pinned.has(run.name)}
                edge={run.name === lastPinned && rows.at(-1) !== run}
                actions={actions}
              />
            ))}
          </tbody>
        </table>
        {rows.length === 0 && (
          <p class="no-match">
            No run’s name matches “{view.filter}”.{' '}
            <button type="button" onClick={() => onFilter('')}>
              Clear the filter
            </button>
          </p>
        )}
      </div>
    </section>
  );
}

/** Shows the top after another sorting or filter, and the selected row once there is another one. */
function useScrolled(
  room: RefObject<HTMLElement | null>,
  {sort, filter}: TableView,
  selected: string | null,
): void {
  useLayoutEffect(() => {
    if (room.current !== null) room.current.scrollTop = 0;
  }, [sort?.by, sort?.down, filter]);
  useLayoutEffect(() => {
    const row = room.current?.querySelector<HTMLElement>('tr.selected');
    const head = room.current?.querySelector('thead');
    if (room.current == null || row == null || head == null) return;
    const above = row.offsetTop - head.clientHeight;
    const below = row.offsetTop + row.offsetHeight - room.current.clientHeight;
    if (room.current.scrollTop > above) room.current.scrollTop = above;
    else if (room.current.scrollTop < below) room.current.scrollTop = below;
  }, [selected]);
}

interface ToolsProps extends Props {
  rows: readonly Run[];
  /** Whether the selected run is filtered out. */
  hidden: boolean;
}

function Tools({runs, rows, selected, hidden, view, onShow, onFilter}: ToolsProps): JSX.Element {
  const names = rows.map(({name}) => name);
  const show = (shown: boolean): void => onShow(names, shown);
  const these = rows.length === runs.length ? 'all runs' : 'the runs that match';
  return (
    <header class="panel-head">
      <h2>Runs</h2>
      <label class="filter">
        Filter runs
        <input
          type="search"
          value={view.filter}
          placeholder="regular expression"
          spellcheck={false}
          aria-describedby="filter-hint"
          onInput={event => onFilter(event.currentTarget.value)}
        />
      </label>
      <span role="status">{countWords(rows.length, runs.length)}</span>
      <span class="verdicts">
        {verdictCounts(rows).map(([verdict, count]) => (
          <span key={verdict} class={verdict}>
            <Shape verdict={verdict} />
            {formatStep(count)} {verdictWord(verdict)}
          </span>
        ))}
      </span>
      <span class="draw" role="group" aria-label={`Curves of ${these}`}>
        Draw
        <button type="button" title={`Draw ${these} in the curves`} onClick={() => show(true)}>
          all
        </button>
        <button type="button" title={`Take ${these} out of the curves`} onClick={() => show(false)}>
          none
        </button>
      </span>
      <span class="hint" id="filter-hint" role="status">
        {filterOf(view.filter).plain && 'No valid regular expression: taken as plain text. '}
        {hidden && `Selected: ${selected}, which the filter leaves out`}
      </span>
    </header>
  );
}

interface Column {
  key: SortKey;
  name: string;
  title?: string;
}

const OVERHEAD = 'The part of the training time that recording took lately';
const COLUMNS: readonly Column[] = [
  {key: 'name', name: 'Run'},
  {key: 'verdict', name: 'Verdict'},
  {key: 'step', name: 'First bad step', title: 'The first step that a finding is about'},
  {key: 'loss', name: 'Loss', title: 'The loss of the whole run, and the last one'},
  {key: 'optimizer', name: 'Optimizer'},
  {key: 'steps', name: 'Steps'},
  {key: 'started', name: 'Started'},
  {key: 'overhead', name: 'Overhead', title: OVERHEAD},
];
/** The heads that take in others where the page is too narrow for their columns: see runs.css. */
const TAKES_IN: Partial<Record<SortKey, readonly SortKey[]>> = {
  optimizer: ['steps', 'started', 'overhead'],
  steps: ['started'],
};

function Head({sort, onSort}: {sort: Sort | null; onSort: Props['onSort']}): JSX.Element {
  return (
    <thead>
      <tr>
        <th scope="col" class="col-pin">
          <span class="unseen">Pinned</span>
        </th>
        <th scope="col" class="col-curves" title="Drawn in the curves">
          Curves
        </th>
        {COLUMNS.map(column => (
          <th
            key={column.key}
            scope="col"
            class={`col-${column.key}`}
            aria-sort={directionOf(sort, column.key)}
          >
            <SortButton column={column} sort={sort} onSort={onSort} />
            <span class="taken-in">
              {COLUMNS.filter(({key}) => TAKES_IN[column.key]?.includes(key)).map(other => (
                <SortButton key={other.key} column={other} sort={sort} onSort={onSort} told />
              ))}
            </span>
          </th>
        ))}
      </tr>
    </thead>
  );
}

interface SortProps {
  column: Column;
  /** Whether the button says the direction itself, as the head that it stands in is another column's. */
  told?: boolean;
  sort: Sort | null;
  onSort: Props['onSort'];
}

function SortButton({column, told, sort, onSort}: SortProps): JSX.Element {
  const {key, name, title} = column;
  const direction = directionOf(sort, key);
  return (
    <button
      type="button"
      class={direction === 'none' ? '' : 'sorted'}
      title={title}
      onClick={() => onSort(nextSort(sort, key))}
    >
      {name}
      <span class="arrow" aria-hidden="true">
        {direction === 'none' ? '' : direction === 'ascending' ? '↑' : '↓'}
      </span>
      {told && direction !== 'none' && <span class="unseen">, {direction}</span>}
    </button>
  );
}

function directionOf(sort: Sort | null, key: SortKey): 'ascending' | 'descending' | 'none' {
  if (sort?.by !== key) return 'none';
  return sort.down ? 'descending' : 'ascending';
}

interface Actions {
  select: (run: string) => void;
  toggle: (run: string) => void;
  pin: (run: string) => void;
}

/** The same object at each render, so that rows stay as they are; it does what the latest properties say. */
function useActions(props: Props): Actions {
  const latest = useRef(props);
  latest.current = props;
  return useMemo(
    () => ({
      select: run => latest.current.onSelect(run),
      toggle: run => latest.current.onToggle(run),
      pin: run => latest.current.onPin(run),
    }),
    [],
  );
}

interface RowProps {
  run: Run;
  muted: number;
  color: string;
  selected: boolean;
  shown: boolean;
  pinned: boolean;
  /** Whether it is the last of the pinned ones, and others follow. */
  edge: boolean;
  actions: Actions;
}

/** The same element while nothing of it changes: Preact passes over it. */
function Row(props: RowProps): JSX.Element {
  return useMemo(() => <RowCells {...props} />, Object.values(props));
}

function RowCells(props: RowProps): JSX.Element {
  const {run, muted, color, selected, shown, pinned, edge, actions} = props;
  const {name, verdict, lastLoss, optimizer, overhead, lastStep, started, elapsedS} = run;
  const clicked = ({target}: MouseEvent): void => {
    if (target instanceof Element && target.closest('button, input, label') === null)
      actions.select(name);
  };
  const since = firstBadStep(run);
  const settings = settingsWords(run);
  const taken = overhead === null ? null : formatPercent(overhead);
  const inShort = [
    `${counted(lastStep, 'step')}, ${recordedWords(run)}`,
    ...(taken === null ? [] : [taken]),
  ].join(' · ');
  const began = started === null ? '' : startedTitle(started, elapsedS);
  return (
    <tr
      data-run={name}
      data-verdict={verdict}
      class={`${selected ? 'selected' : ''}${edge ? ' edge' : ''}`}
      onClick={clicked}
    >
      <td class="col-pin">
        <PinButton name={name} pinned={pinned} onPin={actions.pin} />
      </td>
      <td class="col-curves">
        <label title={`Show ${named(name)} in the curves`}>
          <input
            type="checkbox"
            checked={shown}
            onChange={() => actions.toggle(name)}
            style={{accentColor: color}}
            aria-label={`Show ${named(name)} in the curves`}
          />
        </label>
      </td>
      <th scope="row" class="col-name">
        <label title={name}>
          <input
            type="radio"
            name="run"
            checked={selected}
            onChange={() => actions.select(name)}
          />
          <span class="swatch" style={{background: color}} />
          <span class="run-name">{name}</span>
        </label>
      </th>
      <td class="col-verdict">
        <Badge verdict={verdict} />
        {muted > 0 && (
          <p class="aside" title={`${counted(muted, 'finding')} muted`}>
            {formatStep(muted)} muted
          </p>
        )}
      </td>
      <td class="col-step">{since === null ? <Nothing /> : `since step ${formatStep(since)}`}</td>
      <td class="col-loss">
        <div>
          <Sparkline curve={run.lossCurve} color={color} words={lossWords(run)} />
          <span class={lastLoss === null || Number.isFinite(lastLoss) ? '' : 'bad'}>
            {lastLoss === null ? <Nothing /> : formatNumber(lastLoss)}
          </span>
        </div>
      </td>
      <td class="col-optimizer" title={`${optimizer} · ${settings}`}>
        <p class="settings-words">
          <strong>{optimizer}</strong> <span class="aside">{settings}</span>
        </p>
        <p class="aside taken-in" title={[inShort, began].join('\n')}>
          {inShort}
        </p>
      </td>
      <td class="col-steps" title={began}>
        {counted(lastStep, 'step')}
        <p class="aside">{recordedWords(run)}</p>
      </td>
      <td class="col-started" title={began}>
        {started === null ? <Nothing /> : startedWords(started)}
      </td>
      <td class="col-overhead" title={OVERHEAD}>
        {taken ?? <Nothing />}
      </td>
    </tr>
  );
}

function Nothing(): JSX.Element {
  return <span class="aside">—</span>;
}

interface PinProps {
  name: string;
  pinned: boolean;
  onPin: (run: string) => void;
}

function PinButton({name, pinned, onPin}: PinProps): JSX.Element {
  return (
    <button
      type="button"
      aria-pressed={pinned}
      aria-label={`Pin ${named(name)} to the top`}
      title={pinned ? 'Unpin' : 'Pin to the top'}
      onClick={() => onPin(name)}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M5 1.5h6v1l-1 1v4l2 2v1H8.6V15h-1.2v-4.5H4v-1l2-2v-4l-1-1z" />
      </svg>
    </button>
  );
}
