/** What the heat map shows of a run, from the tables that are there: the cells, the spikes, what failed. */

import {useMemo, useRef} from 'preact/hooks';

import {statisticUrl, type Run, type Scale, type Table} from '../api.ts';
import {differenceDomain, differenceTable} from '../difference.ts';
import {errorOf, tableOf, wholeOf} from '../levels.ts';
import {rowsWithin, sameDomain, sharedDomain} from '../mapScale.ts';
import {columnsByName} from '../mapview.ts';
import type {Domain} from '../scale.ts';
import {peakUrl} from '../sources.ts';
import {spikesOf, type Spikes} from '../spikes.ts';
import type {State} from '../state.ts';
import type {Zoom} from '../zoom.ts';

export interface MapData {
  run: Run;
  /** Of the whole run. */
  whole: Table;
  /** What to draw: a part of it in more detail, where there is one and a zoom that it serves. */
  table: Table;
  /** The peaks of the whole run; null without any. */
  peaks: Table | null;
  /** The peaks in as much detail as there is of them. */
  fine: Table | null;
  spikes: Spikes | null;
}

interface Maps {
  data: MapData | null;
  failed: Failed | null;
}

/** What could not be read, by its address. */
export interface Failed {
  url: string;
  error: string;
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
      run === null || whole === null || table === null
        ? null
        : {run, whole, table, peaks, fine, spikes},
    [run, whole, table, peaks, fine, spikes],
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

/** The span of the values, over the whole runs, so that a zoom leaves it as it is. */
export function useValues(one: MapData | null, other: MapData | null, scale: Scale): Domain | null {
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

/** The span of what is in a window; null without one, and where nothing is in it. */
export function useFitted(
  one: MapData | null,
  other: MapData | null,
  scale: Scale,
  window: Zoom | null,
): Domain | null {
  const tables = [one?.table, one?.fine, other?.table, other?.fine];
  const domain = useMemo(() => {
    if (window === null) return null;
    const parts = tables.filter(table => table != null).map(table => rowsWithin(table, window));
    return sharedDomain(parts, scale);
  }, [...tables, scale, window]);
  return useKept(domain);
}

/** The same object while nothing of it changes: another one has all cells coloured anew. */
function useKept(domain: Domain | null): Domain | null {
  const kept = useRef(domain);
  if (!sameDomain(kept.current, domain)) kept.current = domain;
  return kept.current;
}

export interface Difference {
  table: Table;
  domain: Domain | null;
}

/** A linear scale's colours stay pale for differences below this part of the values' span. */
const LEAST_PART = 0.05;

/**
 * What the one run is against the other; null while it is not wanted, or something of it is not there.
 *
 * @param window what the colours fit; null for the whole runs.
 */
export function useDifference(
  one: MapData | null,
  other: MapData | null,
  wanted: boolean,
  scale: Scale,
  values: Domain | null,
  window: Zoom | null,
): Difference | null {
  const [ones, others] = wanted ? [one, other] : [null, null];
  const columnOf = useMemo(() => {
    const columns = columnsByName(others?.run ?? {layers: []});
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
  const table = part ?? whole;
  const all = useMemo(
    () => (whole === null ? null : differenceDomain(whole, least)),
    [whole, least],
  );
  const inWindow = useMemo(
    () =>
      table === null || window === null
        ? null
        : differenceDomain(rowsWithin(table, window), least),
    [table, window, least],
  );
  const domain = useKept(inWindow ?? all);
  return useMemo(() => (table === null ? null : {table, domain}), [table, domain]);
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
