/** What the heat map shows of a run, from the tables that are there: the cells, the spikes, what failed. */

import {useMemo} from 'preact/hooks';

import {statisticUrl, type Run, type Scale, type Table} from '../api.ts';
import {differenceDomain, differenceTable} from '../difference.ts';
import {errorOf, tableOf, wholeOf} from '../levels.ts';
import {sharedDomain} from '../mapScale.ts';
import type {Domain} from '../scale.ts';
import {peakUrl} from '../sources.ts';
import {spikesOf, type Spikes} from '../spikes.ts';
import type {State} from '../state.ts';

export interface MapData {
  run: Run;
  /** Of the whole run. */
  whole: Table;
  /** What to draw: a part of it in more detail, where there is one and a zoom that it serves. */
  table: Table;
  /** The peaks of the whole run; null without any. */
  peaks: Table | null;
  spikes: Spikes | null;
}

export interface Maps {
  data: MapData | null;
  /** What could not be read, by its address. */
  failed: {url: string; error: string} | null;
}

type Source = Pick<State, 'tables' | 'statistic' | 'zoom'>;

/** Of one run; nothing of no run. */
export function useMapData(run: Run | null, {tables, statistic, zoom}: Source): Maps {
  const url = run === null ? null : statisticUrl(run.name, statistic);
  const entry = url === null ? undefined : tables.get(url);
  const peaksUrl = run === null ? null : peakUrl(run, statistic);
  const peakEntry = peaksUrl === null ? undefined : tables.get(peaksUrl);
  // While a reload is on its way the run may have layers that its older table has not.
  const columns = run?.layers.length;
  const whole = fitting(wholeOf(entry), columns);
  const table = fitting(tableOf(entry, zoom), columns);
  const peaks = fitting(wholeOf(peakEntry), columns);
  const fine = fitting(tableOf(peakEntry, zoom), columns);
  const spikes = useMemo(
    () => (table === null || fine === null ? null : spikesOf(table, fine)),
    [table, fine],
  );
  const data = useMemo(
    () =>
      run === null || whole === null || table === null ? null : {run, whole, table, peaks, spikes},
    [run, whole, table, peaks, spikes],
  );
  const errors = [
    {url, error: errorOf(entry)},
    {url: peaksUrl, error: errorOf(peakEntry)},
  ];
  const [failed = null] = errors.flatMap(({url: at, error}) =>
    at === null || error === null ? [] : [{url: at, error}],
  );
  return {data, failed};
}

function fitting(table: Table | null, columns: number | undefined): Table | null {
  return table?.columns === columns ? table : null;
}

/** The span of the colours, over the whole runs, so that a zoom leaves them as they are. */
export function useDomain(one: MapData | null, other: MapData | null, scale: Scale): Domain | null {
  const tables = [one?.whole, one?.peaks, other?.whole, other?.peaks];
  return useMemo(
    () =>
      sharedDomain(
        tables.filter(table => table != null),
        scale,
      ),
    [...tables, scale],
  );
}

export interface Difference {
  table: Table;
  domain: Domain | null;
}

/** A linear scale's colours stay pale for differences below this part of the values' span. */
const LEAST_PART = 0.05;

/** What the one run is against the other; null while it is not wanted, or something of it is not there. */
export function useDifference(
  one: MapData | null,
  other: MapData | null,
  wanted: boolean,
  scale: Scale,
  values: Domain | null,
): Difference | null {
  const [ones, others] = wanted ? [one, other] : [null, null];
  const columnOf = useMemo(() => {
    const columns = new Map(others?.run.layers.map(({name}, at) => [name, at]));
    return ones?.run.layers.map(({name}) => columns.get(name) ?? -1) ?? [];
  }, [ones?.run.layers, others?.run.layers]);
  const whole = useTable(ones?.whole, others?.whole, columnOf, scale);
  const zoomed = ones !== null && (ones.table !== ones.whole || others?.table !== others?.whole);
  const part = useTable(
    zoomed ? ones.table : undefined,
    zoomed ? others?.table : undefined,
    columnOf,
    scale,
  );
  const least =
    scale === 'log' || values === null ? undefined : LEAST_PART * (values.high - values.low);
  return useMemo(
    () => (whole === null ? null : {table: part ?? whole, domain: differenceDomain(whole, least)}),
    [whole, part, least],
  );
}

function useTable(
  one: Table | undefined,
  other: Table | undefined,
  columnOf: readonly number[],
  scale: Scale,
): Table | null {
  return useMemo(
    () =>
      one === undefined || other === undefined
        ? null
        : differenceTable(one, other, columnOf, scale),
    [one, other, columnOf, scale],
  );
}
