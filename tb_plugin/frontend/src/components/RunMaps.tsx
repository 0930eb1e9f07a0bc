/** The maps of the heat map's section: a run's, another run's in the same rows, and what the one is against the other. */

import type {ComponentChildren, JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Finding, Run, Scale, Table} from '../api.ts';
import type {Layout} from '../layout.ts';
import {columnsByName, columnsIn, rowsIn} from '../mapview.ts';
import type {ProfileRow} from '../profile.ts';
import {
  comparedWords,
  marksWithin,
  mostAlarmingCell,
  rowWords,
  shortName,
  shortNames,
  spikeWords,
} from '../rowCells.ts';
import type {Domain} from '../scale.ts';
import {rowOf, rowStart} from '../table.ts';
import type {Row} from '../tree.ts';
import type {OtherProfile, Profiled} from './DepthProfile.tsx';
import {EventStrip} from './EventStrip.tsx';
import {HeatMap, type MapLabelling, type Shared} from './HeatMap.tsx';
import {RunDot} from './Legend.tsx';
import {ProfileHead, ProfileLines, ProfileValues, type ProfileStep} from './MapProfile.tsx';
import type {Told} from './MapTip.tsx';
import type {Difference, MapData} from './useMaps.ts';

/** What the maps say and are told, beside what they have in common. */
export interface About {
  /** By the selected run's layers; the columns are those of the map's own table. */
  rows: readonly Row[];
  /** Of the statistic, and what it is recorded as. */
  label: string;
  unit: string;
  statistic: string;
  /** What the values of the whole runs span. */
  values: Domain | null;
  dark: boolean;
  colorOf: (run: Run) => string;
  /** The width of the depth profile; 0 for none. */
  profile: number;
  /** The step of the profile where none is pointed at or selected. */
  usual: number;
  onFinding: (finding: Finding) => void;
  onStep: (step: number) => void;
}

type MapProps = Shared & About;

/** The head of one of two maps, with what can be done with it. */
export function RunName({
  run,
  color,
  children,
}: {
  run: Run;
  color: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="map-run">
      <h3>
        <RunDot color={color} />
        <span>{run.name}</span>
      </h3>
      {children}
    </div>
  );
}

/** Another run's profile, in the rows of a run. */
function useOther(
  other: MapData | null,
  run: Run,
  rows: readonly Row[],
  colorOf: (run: Run) => string,
): OtherProfile | undefined {
  const columns = useMemo(() => {
    const those = other === null ? [] : columnsIn(other.run, run, rows);
    // As of the own profile: an open block leaves it to its rows.
    return those.map((some, row) => (rows[row].open === true ? [] : some));
  }, [other?.run.layers, run.layers, rows]);
  if (other === null) return undefined;
  const {run: of, table} = other;
  return {table, columns, color: colorOf(of), name: of.name, of};
}

interface RunMapProps extends MapProps {
  data: MapData;
  /** Another run, whose profile is drawn over this one's. */
  other: MapData | null;
  labels: MapLabelling;
}

export function RunMap({data, other, ...rest}: RunMapProps): JSX.Element {
  const {run, table, spikes} = data;
  const {rows, label, colorOf} = rest;
  const over = useOther(other, run, rows, colorOf);
  const tell = (of: Row, row: number): Told[] => {
    const names = shortNames(run, of.title);
    const spike = spikeWords(table, spikes, of.columns, row, names);
    return [
      {label, words: rowWords(table, of.columns, row, names)},
      ...(spike === null ? [] : [{label: 'Spike', words: spike}]),
    ];
  };
  return (
    <ProfiledMap
      {...rest}
      run={run}
      table={table}
      spikes={spikes}
      tell={tell}
      what={`${label} of ${run.layers.length} layers`}
      profiled={table}
      other={over}
    />
  );
}

/** Another run's map: what it lacks of the selected run's layers is not recorded there. */
export function OtherMap({
  of,
  ...rest
}: Omit<RunMapProps, 'other'> & {of: Run}): JSX.Element {
  const {rows, data} = rest;
  const own = useMemo(
    () => rowsIn(data.run, of, rows),
    [rows, of.layers, data.run.layers],
  );
  // What is selected is said by the rows of the first map, which has all layers.
  const first = ({key}: Row): Row => rows.find(row => row.key === key) ?? rows[0];
  return (
    <RunMap
      {...rest}
      other={null}
      rows={own}
      onPlace={(row, step) => rest.onPlace(first(row), step)}
      onPick={(row, step, again) => rest.onPick(first(row), step, again)}
      onSelect={row => rest.onSelect(first(row))}
      onToggle={row => rest.onToggle(first(row))}
    />
  );
}

interface DifferenceProps extends MapProps {
  one: MapData;
  two: MapData;
  difference: Difference;
  /** Of the statistic. */
  scale: Scale;
}

export function DifferenceMap({one, two, difference, scale, ...rest}: DifferenceProps): JSX.Element {
  const {table} = difference;
  const {label, rows, colorOf} = rest;
  const over = useOther(two, one.run, rows, colorOf);
  const columns = useMemo(() => columnsByName(two.run), [two.run.layers]);
  return (
    <ProfiledMap
      {...rest}
      run={one.run}
      table={table}
      spikes={null}
      tell={(of, row) => tellDifference(one, two, columns, table, scale, of, row, label)}
      what={`${label}, ${one.run.name} against ${two.run.name}, of ${one.run.layers.length} layers`}
      labels="tree"
      profiled={one.table}
      other={over}
    />
  );
}

/** What a cell differs by, and what it holds in the one run and in the other. */
function tellDifference(
  one: MapData,
  two: MapData,
  columns: ReadonlyMap<string, number>,
  table: Table,
  scale: Scale,
  of: Row,
  row: number,
  label: string,
): Told[] {
  const most = mostAlarmingCell(table, of.columns, row, row + 1, 'difference');
  if (most === null) return [{label, words: 'not recorded in both'}];
  const {name} = one.run.layers[most.column];
  const where = of.columns.length > 1 ? ` in ${shortName(name, of.title)}` : '';
  const theirs = cellOf(two, columns.get(name), rowStart(table, row), table.last[row]);
  const sides = [
    {name: one.run.name, marks: marksWithin(one.table, most.column, row, row + 1)},
    {name: two.run.name, marks: theirs.marks},
  ] as const;
  return [
    {label: 'Difference', words: comparedWords(table, most, scale, sides) + where},
    {label: one.run.name, words: rowWords(one.table, [most.column], row, [])},
    {label: two.run.name, words: theirs.words},
  ];
}

/** What the other run holds in the steps after `start` up to `end`: in words its last row there, the marks of all. */
function cellOf(
  {table}: MapData,
  column: number | undefined,
  start: number,
  end: number,
): {words: string; marks: number} {
  const last = rowOf(table, end);
  if (column === undefined || last < 0 || table.last[last] <= start)
    return {words: 'not recorded', marks: 0};
  const to = rowStart(table, last) < end ? last + 1 : last;
  const marks = marksWithin(table, column, rowOf(table, start + 1), to);
  return {words: rowWords(table, [column], last, []), marks};
}

type OfMap = Pick<Parameters<typeof HeatMap>[0], 'run' | 'table' | 'spikes' | 'tell' | 'labels'>;

interface ProfiledProps extends MapProps, OfMap {
  what: string;
  /** What the depth profile is of. */
  profiled: Table;
  other: OtherProfile | undefined;
}

/** A map with what happened above it, and how the statistic goes with depth beside it. */
function ProfiledMap(props: ProfiledProps): JSX.Element {
  const {what, profile, cursor, rowCursor, step, usual} = props;
  const of = useProfiled(props);
  const at: ProfileStep = {cursor, step, usual};
  const map = {...props, label: what};
  if (profile === 0)
    return <HeatMap {...map} above={quiet(props) ? undefined : layout => events(props, layout)} />;
  return (
    <HeatMap
      {...map}
      above={layout => (
        <>
          {events(props, layout)}
          <ProfileHead of={of} at={at} statistic={props.statistic} />
        </>
      )}
      beside={({rowHeight}, first, last) => (
        <ProfileLines
          of={of}
          at={at}
          rowHeight={rowHeight}
          first={first}
          last={last}
          rowCursor={rowCursor}
        />
      )}
      besideAxis={<ProfileValues of={of} at={at} />}
    />
  );
}

/** Whether nothing stands above the map. Where maps lie beside each other, both have the room, so that their rows do. */
function quiet({room, run}: ProfiledProps): boolean {
  return room === 'stacked' && run.findings.length === 0 && run.restarts.length === 0;
}

function events({run, onFinding, onStep}: ProfiledProps, layout: Layout): JSX.Element {
  return (
    <EventStrip
      layout={layout}
      findings={run.findings}
      restarts={run.restarts}
      onFinding={onFinding}
      onStep={onStep}
    />
  );
}

function useProfiled(props: ProfiledProps): Profiled {
  const {run, rows, profiled, values, label, unit, colorOf, other, profile, dark} = props;
  const lines = useMemo(() => rows.map(profileRow), [rows]);
  const color = colorOf(run);
  return {run, table: profiled, rows, lines, values, label, unit, color, other, width: profile, dark};
}

/** An open block leaves the profile to its rows. */
function profileRow({columns, open, kind, leads, title}: Row): ProfileRow {
  const main = kind === 'variable' ? leads : open !== true;
  return {columns: open === true ? [] : columns, main, name: title};
}
