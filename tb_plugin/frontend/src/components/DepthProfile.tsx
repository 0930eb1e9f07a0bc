/** A statistic over depth at one step, drawn beside the rows of the heat map. */

import type {JSX} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';

import type {Run, Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {stepWords} from '../format.ts';
import {named} from '../plain.ts';
import {
  profileAt,
  profileDomain,
  profileTicks,
  profileWords,
  type Profile,
  type ProfileRow,
} from '../profile.ts';
import {rowWords, shortNames} from '../rowCells.ts';
import type {Domain} from '../scale.ts';
import {rowOf} from '../table.ts';
import type {Row} from '../tree.ts';
import {pageColors} from './marks.ts';
import {MapTip, type Told} from './MapTip.tsx';
import {clearSheet, drawProfile} from './profileStrokes.ts';
import {usePixelRatio} from './usePixelRatio.ts';

/** Another run's profile in the same rows. */
export interface OtherProfile {
  table: Table;
  /** Of each row of the map the columns of this table. */
  columns: readonly (readonly number[])[];
  color: string;
  name: string;
  of: Run;
}

/** What a profile is of, whatever the step. */
export interface Profiled {
  run: Run;
  table: Table;
  /** The rows of the map, and what of each is in the profile. */
  rows: readonly Row[];
  lines: readonly ProfileRow[];
  /** What the values of the whole runs span. */
  values: Domain | null;
  /** Of the statistic. */
  label: string;
  unit: string;
  color: string;
  other: OtherProfile | undefined;
  /** CSS pixels. */
  width: number;
  dark: boolean;
}

/** The profiles at a step, and the axis that they share. */
interface Profiles {
  own: Profile;
  its: Profile | null;
  domain: Domain | null;
}

export function profilesAt({table, lines, other, values}: Profiled, step: number): Profiles {
  const columns = lines.map(line => line.columns);
  const own = profileAt(table, step, columns);
  const its = other === undefined ? null : profileAt(other.table, step, other.columns);
  const both = its === null ? [own] : [own, its];
  return {own, its, domain: profileDomain(both, values?.scale ?? 'log', values)};
}

/** The same ones while the step stays inside of one row of the tables. */
function useProfiles(of: Profiled, step: number): Profiles {
  const {table, lines, other, values} = of;
  const at = rowOf(table, step);
  const its = other === undefined ? -1 : rowOf(other.table, step);
  return useMemo(
    () => profilesAt(of, step),
    [table, lines, other?.table, other?.columns, values, at, its],
  );
}

interface Props {
  of: Profiled;
  step: number;
  rowHeight: number;
  /** The rows to draw, `first` to `last` (exclusive). */
  first: number;
  last: number;
  /** Says the row under the pointer, here and in the maps. */
  rowCursor: Cursor;
}

export function DepthProfile({of, step, rowHeight, first, last, rowCursor}: Props): JSX.Element {
  const {lines: rows, width, other, color, dark} = of;
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = usePixelRatio();
  const profiles = useProfiles(of, step);
  const {own, its, domain} = profiles;
  const [colors, setColors] = useState(pageColors);
  // Not before: the page takes the theme's colours after this is drawn.
  useEffect(() => setColors(pageColors()), [dark]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context == null) return;
    const sheet = {context, ratio, rows, rowHeight, first, last, domain, width};
    clearSheet(sheet, colors);
    // The own line lies over the other one.
    const outline = colors.text;
    if (its !== null && other !== undefined)
      drawProfile(sheet, its, {color: other.color, dashes: [4, 3], outline});
    drawProfile(sheet, own, {color, dashes: [], outline});
  }, [profiles, ratio, rows, rowHeight, first, last, width, color, other?.color, colors]);
  const words = useMemo(() => spoken(of, profiles), [profiles, rows, of.label]);
  const {tip, handlers} = useProfileTip(of, step, rowHeight, rowCursor);
  return (
    <div class="profile" style={{width: `${width}px`}} {...handlers}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={words}
        style={{
          top: `${first * rowHeight}px`,
          width: `${width}px`,
          height: `${(last - first) * rowHeight}px`,
        }}
      />
      {tip}
    </div>
  );
}

interface ProfileTip {
  tip: JSX.Element | null;
  handlers: Record<'onPointerMove' | 'onPointerLeave', (event: PointerEvent) => void>;
}

/** What a row of the profile holds, under the pointer. */
function useProfileTip(
  of: Profiled,
  step: number,
  rowHeight: number,
  rowCursor: Cursor,
): ProfileTip {
  const [at, setAt] = useState<{x: number; y: number; row: number} | null>(null);
  useEffect(() => () => rowCursor.point(null), [rowCursor]);
  const {run, table, rows} = of;
  const point = (row: number | null, x = 0, y = 0): void => {
    setAt(row === null ? null : {row, x, y});
    rowCursor.point(row);
  };
  const move = ({clientX, clientY, currentTarget}: PointerEvent): void => {
    if (!(currentTarget instanceof Element)) return;
    const down = clientY - currentTarget.getBoundingClientRect().top;
    const row = Math.floor(down / rowHeight);
    point(row >= 0 && row < rows.length ? row : null, clientX, clientY);
  };
  const row = rowOf(table, step);
  const told = at === null || row < 0 ? undefined : rows[at.row];
  const tip =
    told === undefined || at === null ? null : (
      <MapTip
        x={at.x}
        y={at.y}
        run={run}
        table={table}
        of={told}
        row={row}
        told={tellRow(of, at.row, step)}
      />
    );
  return {tip, handlers: {onPointerMove: move, onPointerLeave: () => point(null)}};
}

/** The values of the profiles in a row of the map. An open block has none of its own. */
function tellRow({run, table, rows, label, other}: Profiled, row: number, step: number): Told[] {
  const {columns, open, title} = rows[row];
  if (open === true) return [{label, words: 'of its rows, below'}];
  const own = rowWords(table, columns, rowOf(table, step), shortNames(run, title));
  if (other === undefined) return [{label, words: own}];
  return [
    {label: `${label} of ${named(run.name)}`, words: own},
    {label: `${label} of ${named(other.name)}`, words: otherWords(other, row, step, title)},
  ];
}

/** A run that ended before the step has its last record in the profile. */
function otherWords(
  {table, columns, of}: OtherProfile,
  row: number,
  step: number,
  title: string,
): string {
  const at = rowOf(table, step);
  if (at < 0) return 'no record';
  const words = rowWords(table, columns[row], at, shortNames(of, title));
  const ended = table.last[at] < step;
  return ended ? `${words}, at ${stepWords(table.first[at], table.last[at])}` : words;
}

/** The values that the profile is drawn over: to stand above it or below. */
export function ProfileAxis({of, step}: {of: Profiled; step: number}): JSX.Element {
  const {domain} = useProfiles(of, step);
  const {width} = of;
  const ticks = domain === null ? [] : profileTicks(domain, width);
  return (
    <div
      class="profile-axis"
      aria-hidden="true"
      title={axisTitle(of, domain)}
      style={{width: `${width}px`}}
    >
      {ticks.map(({value, x}) => (
        <i key={value} style={{left: `${x}px`}} />
      ))}
      {ticks.map(({value, words, labelX}) => (
        <span key={value} style={{left: `${labelX}px`}}>
          {words}
        </span>
      ))}
    </div>
  );
}

function axisTitle({label, unit}: Profiled, domain: Domain | null): string {
  const name = unit === '' ? label : `${label} (${unit})`;
  const log = domain?.scale === 'log' ? ', log scale' : '';
  return `${name}${log}; it spans what is shown at this step`;
}

function spoken({label, table, lines, values, other}: Profiled, {own, its}: Profiles): string {
  const scale = values?.scale ?? 'log';
  const said = profileWords(label, table, own, lines, scale);
  if (its === null || other === undefined) return said;
  return `${said}. ${profileWords(other.name, other.table, its, lines, scale)}`;
}
