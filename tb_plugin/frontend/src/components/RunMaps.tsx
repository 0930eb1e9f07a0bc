/** The maps of the heat map's section: a run's, another run's in the same rows, and what the one is against the other. */

import type {ComponentChildren, JSX} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Finding, Run, Scale, Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {stepWords} from '../format.ts';
import {columnsIn, rowsIn} from '../mapview.ts';
import type {ProfileRow} from '../profile.ts';
import {comparedWords, mostAlarmingCell, rowWords, spikeWords} from '../rowCells.ts';
import type {Domain} from '../scale.ts';
import {rowOf, rowStart} from '../table.ts';
import type {Row} from '../tree.ts';
import {DepthProfile, ProfileAxis, type OtherProfile} from './DepthProfile.tsx';
import {EventStrip} from './EventStrip.tsx';
import {HeatMap, type Shared} from './HeatMap.tsx';
import {RunDot} from './Legend.tsx';
import type {Told} from './MapTip.tsx';
import {ProfileExport} from './ProfileExport.tsx';
import {useCursor} from './useCursor.ts';
import type {Difference, MapData} from './useMaps.ts';

interface MapProps extends Shared {
  /** By the selected run's layers; the columns are those of the map's own table. */
  rows: readonly Row[];
  /** Of the statistic, and what it is recorded as. */
  label: string;
  statistic: string;
  dark: boolean;
  colorOf: (run: Run) => string;
  /** The width of the depth profile; 0 for none. */
  profile: number;
  onFinding: (finding: Finding) => void;
  onStep: (step: number) => void;
}

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
        {run.name}
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
  const columns = useMemo(
    () => (other === null ? [] : columnsIn(other.run, run, rows)),
    [other?.run.layers, run.layers, rows],
  );
  if (other === null) return undefined;
  const {run: of, table} = other;
  return {table, columns, color: colorOf(of), name: of.name, of};
}

interface RunMapProps extends MapProps {
  data: MapData;
  /** Another run, whose profile is drawn over this one's. */
  other: MapData | null;
  /** Whether the labels are the section's tree. */
  tree: boolean;
}

export function RunMap({data, other, ...rest}: RunMapProps): JSX.Element {
  const {run, table, spikes} = data;
  const {rows, label, colorOf} = rest;
  const over = useOther(other, run, rows, colorOf);
  const tell = (of: Row, row: number): Told[] => {
    const names = run.layers.map(({name}) => shortName(name, of.title));
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
      values={rest.domain}
      other={over}
    />
  );
}

/** Another run's map: what it lacks of the selected run's layers is not recorded there. */
export function OtherMap({
  of,
  ...rest
}: Omit<RunMapProps, 'other' | 'tree'> & {of: Run}): JSX.Element {
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
      tree={false}
      onPlace={(row, step) => rest.onPlace(first(row), step)}
      onSelect={row => rest.onSelect(first(row))}
      onToggle={row => rest.onToggle(first(row))}
    />
  );
}

interface DifferenceProps extends MapProps {
  one: MapData;
  two: MapData;
  difference: Difference;
  /** Of the statistic, and the span of the values of both runs. */
  scale: Scale;
  values: Domain | null;
}

export function DifferenceMap(props: DifferenceProps): JSX.Element {
  const {one, two, difference, scale, values, ...rest} = props;
  const {table} = difference;
  const {label, rows, colorOf} = rest;
  const over = useOther(two, one.run, rows, colorOf);
  const columns = useMemo(() => columnsByName(two.run), [two.run.layers]);
  const tell = (of: Row, row: number): Told[] => {
    const most = mostAlarmingCell(table, of.columns, row, row + 1, 'difference');
    if (most === null) return [{label, words: 'not recorded in both'}];
    const {name} = one.run.layers[most.column];
    const where = of.columns.length > 1 ? ` in ${shortName(name, of.title)}` : '';
    const [start, end] = [rowStart(table, row), table.last[row]];
    const theirs = rowOf(two.table, end);
    const column = columns.get(name);
    const isThere = column !== undefined && theirs >= 0 && two.table.last[theirs] > start;
    const words = isThere ? rowWords(two.table, [column], theirs, []) : 'not recorded';
    return [
      {label: 'Difference', words: comparedWords(table, most, scale) + where},
      {label: one.run.name, words: rowWords(one.table, [most.column], row, [])},
      {label: two.run.name, words},
    ];
  };
  return (
    <ProfiledMap
      {...rest}
      run={one.run}
      table={table}
      spikes={null}
      tell={tell}
      what={`${label}, ${one.run.name} against ${two.run.name}, of ${one.run.layers.length} layers`}
      tree
      profiled={one.table}
      values={values}
      other={over}
    />
  );
}

interface ProfiledProps
  extends
    MapProps,
    Pick<Parameters<typeof HeatMap>[0], 'run' | 'table' | 'spikes' | 'tell' | 'tree'> {
  what: string;
  /** What the depth profile is of, with its span. */
  profiled: Table;
  values: Domain | null;
  other: OtherProfile | undefined;
}

/** A map with what happened above it, and how the statistic goes with depth beside it. */
function ProfiledMap(props: ProfiledProps): JSX.Element {
  const {run, rows, table, what, profiled, values, other, profile, onFinding, onStep, ...rest} =
    props;
  const profileRows = useMemo(() => rows.map(profileRow), [rows]);
  // Where maps lie beside each other, both have the room, so that their rows do.
  const quiet =
    rest.room === 'stacked' &&
    run.findings.length === 0 &&
    run.restarts.length === 0 &&
    profile === 0;
  return (
    <HeatMap
      {...rest}
      run={run}
      rows={rows}
      table={table}
      label={what}
      above={
        quiet
          ? undefined
          : layout => (
              <>
                <EventStrip
                  layout={layout}
                  findings={run.findings}
                  restarts={run.restarts}
                  onFinding={onFinding}
                  onStep={onStep}
                />
                {profile > 0 && (
                  <ProfileHead
                    cursor={rest.cursor}
                    selected={rest.step}
                    table={profiled}
                    width={profile}
                  >
                    <ProfileExport
                      run={run}
                      table={profiled}
                      stepOf={() => stepShown(rest.cursor.step, rest.step, profiled)}
                      rows={profileRows}
                      domain={values}
                      label={rest.label}
                      statistic={rest.statistic}
                      color={rest.colorOf(run)}
                      other={other}
                    />
                  </ProfileHead>
                )}
              </>
            )
      }
      beside={
        profile === 0
          ? undefined
          : (layout, first, last) => (
              <ProfileAtStep
                cursor={rest.cursor}
                selected={rest.step}
                table={profiled}
                rows={profileRows}
                rowHeight={layout.rowHeight}
                first={first}
                last={last}
                domain={values}
                label={rest.label}
                color={rest.colorOf(run)}
                other={other}
                width={profile}
                dark={rest.dark}
              />
            )
      }
      besideAxis={profile === 0 ? null : <ProfileAxis domain={values} width={profile} />}
    />
  );
}

/** An open block leaves the profile to its rows. */
function profileRow({columns, open, kind, leads, title}: Row): ProfileRow {
  const main = kind === 'variable' ? leads : open !== true;
  return {columns: open === true ? [] : columns, main, name: title};
}

interface ProfileProps {
  cursor: Cursor;
  selected: number | null;
  table: Table;
  rows: readonly ProfileRow[];
  rowHeight: number;
  first: number;
  last: number;
  domain: Domain | null;
  label: string;
  color: string;
  other: OtherProfile | undefined;
  width: number;
  dark: boolean;
}

function ProfileAtStep({cursor, selected, ...rest}: ProfileProps): JSX.Element {
  return <DepthProfile {...rest} step={useStep(cursor, selected, rest.table)} />;
}

function ProfileHead(
  props: Pick<ProfileProps, 'cursor' | 'selected' | 'table' | 'width'> & {
    children: ComponentChildren;
  },
): JSX.Element {
  const {cursor, selected, table, width} = props;
  const row = rowOf(table, useStep(cursor, selected, table));
  return (
    <div class="profile-head" style={{width: `${width}px`}}>
      <span class="profile-name" aria-hidden="true">
        at {stepWords(table.first[row], table.last[row])}
      </span>
      {props.children}
    </div>
  );
}

function useStep(cursor: Cursor, selected: number | null, table: Table): number {
  return stepShown(useCursor(cursor), selected, table);
}

/** The step that is pointed at, else the selected one, else the last. */
function stepShown(pointed: number | null, selected: number | null, {last}: Table): number {
  return pointed ?? selected ?? last[last.length - 1];
}

function columnsByName({layers}: Run): Map<string, number> {
  return new Map(layers.map(({name}, at) => [name, at]));
}

/** A layer's name within a row's block. */
function shortName(name: string, title: string): string {
  return name.startsWith(`${title}/`) ? name.slice(title.length + 1) : name;
}
