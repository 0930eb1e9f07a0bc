/** The panel's whole state and the one function that changes it. Pure: the components fetch, this file decides what. */

import {
  flightUrl,
  layerUrl,
  statisticUrl,
  type Finding,
  type Overview,
  type Run,
  type Scale,
  type Table,
} from './api.ts';
import {statisticFor, worstRun} from './findings.ts';
import type {Zoom} from './layout.ts';

/** One table on its way or here; an older one stays until the newer arrives, so that a reload does not flicker. */
export interface Entry {
  table: Table | null;
  error: string | null;
  generation: number;
}

export interface State {
  dark: boolean;
  overview: Overview | null;
  error: string | null;
  /** Counts the answers of `runs`; a table of an older generation is fetched again. */
  generation: number;
  tables: ReadonlyMap<string, Entry>;
  run: string | null;
  /** The runs drawn in the curves. */
  shown: ReadonlySet<string>;
  statistic: string;
  layer: string | null;
  step: number | null;
  zoom: Zoom | null;
  lossScale: Scale;
  tallRows: boolean;
  allFindings: boolean;
  /** Counts the jumps from a card to the heat map, which scrolls into view at each. */
  jumps: number;
}

export type Action =
  | {type: 'dark'; dark: boolean}
  | {type: 'overview'; overview: Overview}
  | {type: 'overview-failed'; error: string}
  | {type: 'requested'; urls: readonly string[]}
  | {type: 'received'; url: string; generation: number; table: Table}
  | {type: 'failed'; url: string; generation: number; error: string}
  | {type: 'retry'; url: string}
  | {type: 'run'; run: string}
  | {type: 'toggle'; run: string}
  | {type: 'statistic'; statistic: string}
  | {type: 'layer'; layer: string | null}
  | {type: 'step'; step: number}
  | {type: 'place'; layer: string | null; step: number}
  | {type: 'finding'; finding: Finding}
  | {type: 'zoom'; zoom: Zoom | null}
  | {type: 'loss-scale'; scale: Scale}
  | {type: 'tall-rows'; tall: boolean}
  | {type: 'all-findings'; all: boolean};

const MOST_SHOWN = 7;
const FIRST_STATISTIC = 'gradient_norm';

export function initialState(dark: boolean): State {
  return {
    dark,
    overview: null,
    error: null,
    generation: 0,
    tables: new Map(),
    run: null,
    shown: new Set(),
    statistic: FIRST_STATISTIC,
    layer: null,
    step: null,
    zoom: null,
    lossScale: 'log',
    tallRows: false,
    allFindings: false,
    jumps: 0,
  };
}

export function reduceState(state: State, action: Action): State {
  switch (action.type) {
    case 'dark':
      return {...state, dark: action.dark};
    case 'overview':
      return withOverview(state, action.overview);
    case 'overview-failed':
      return {...state, error: action.error};
    case 'requested':
      return {...state, tables: withRequested(state, action.urls)};
    case 'received':
      return withAnswer(state, action.url, action.generation, {table: action.table, error: null});
    case 'failed':
      return withAnswer(state, action.url, action.generation, {table: null, error: action.error});
    case 'retry':
      return {...state, tables: new Map([...state.tables].filter(([url]) => url !== action.url))};
    case 'run':
      return withRun(
        {...state, zoom: null, allFindings: false, shown: new Set([...state.shown, action.run])},
        action.run,
      );
    case 'toggle':
      return {...state, shown: toggled(state.shown, action.run)};
    case 'statistic':
      return {...state, statistic: action.statistic};
    case 'layer':
      return {...state, layer: action.layer};
    case 'step':
      return {...state, step: action.step};
    case 'place':
      return {...state, layer: action.layer, step: action.step};
    case 'finding':
      return withFinding(state, action.finding);
    case 'zoom':
      return {...state, zoom: action.zoom};
    case 'loss-scale':
      return {...state, lossScale: action.scale};
    case 'tall-rows':
      return {...state, tallRows: action.tall};
    case 'all-findings':
      return {...state, allFindings: action.all};
  }
}

export function selectedRun(state: State): Run | null {
  return state.overview?.runs.find(run => run.name === state.run) ?? null;
}

/** The runs drawn in the curves, in the order of the list. */
export function shownRuns(state: State): Run[] {
  return state.overview?.runs.filter(run => state.shown.has(run.name)) ?? [];
}

/** The tables that the page shows now: the heat map's, and of each shown run what its curves are drawn from. */
export function neededUrls(state: State): string[] {
  const run = selectedRun(state);
  const urls = run === null || run.records === 0 ? [] : [statisticUrl(run.name, state.statistic)];
  for (const other of shownRuns(state)) {
    if (other.lastLoss !== null) urls.push(statisticUrl(other.name, 'loss'));
    urls.push(statisticUrl(other.name, 'learning_rate'));
    if (other.lossScaled) urls.push(statisticUrl(other.name, 'loss_scale'));
    if (other.flight !== null) urls.push(flightUrl(other.name));
    if (state.layer !== null && hasLayer(other, state.layer))
      urls.push(layerUrl(other.name, state.layer));
  }
  return urls;
}

export function missingUrls(state: State): string[] {
  return neededUrls(state).filter(
    url => (state.tables.get(url)?.generation ?? -1) < state.generation,
  );
}

export function hasLayer(run: Run, layer: string): boolean {
  return run.layers.some(({name}) => name === layer);
}

function withOverview(state: State, overview: Overview): State {
  const known = new Set(state.overview?.runs.map(run => run.name));
  const shown = new Set<string>();
  for (const {name} of overview.runs) if (state.shown.has(name)) shown.add(name);
  for (const {name} of overview.runs)
    if (!known.has(name) && shown.size < MOST_SHOWN) shown.add(name);
  const next = {...state, overview, error: null, generation: state.generation + 1, shown};
  const kept = overview.runs.some(run => run.name === state.run)
    ? state.run
    : (worstRun(overview)?.name ?? null);
  if (kept === null) return {...next, run: null, tables: new Map()};
  const chosen = withRun(
    kept === state.run ? next : {...next, shown: new Set([...shown, kept])},
    kept,
  );
  const needed = new Set(neededUrls(chosen));
  return {...chosen, tables: new Map([...state.tables].filter(([url]) => needed.has(url)))};
}

/** Takes a run, and what it has of the selected layer and statistic. */
function withRun(state: State, name: string): State {
  const run = state.overview?.runs.find(other => other.name === name);
  if (run === undefined) return state;
  const fallback = run.statistics.includes(FIRST_STATISTIC)
    ? FIRST_STATISTIC
    : (run.statistics[0] ?? FIRST_STATISTIC);
  return {
    ...state,
    run: name,
    statistic: run.statistics.includes(state.statistic) ? state.statistic : fallback,
    layer: state.layer !== null && hasLayer(run, state.layer) ? state.layer : null,
  };
}

function withFinding(state: State, finding: Finding): State {
  const run = selectedRun(state);
  const {zoom} = state;
  const outside =
    zoom !== null && (finding.firstStep < zoom.firstStep || finding.firstStep > zoom.lastStep);
  return {
    ...state,
    statistic: (run === null ? null : statisticFor(finding, run)) ?? state.statistic,
    layer: finding.layer,
    step: finding.firstStep,
    zoom: outside ? null : zoom,
    jumps: state.jumps + 1,
  };
}

function withRequested(state: State, urls: readonly string[]): Map<string, Entry> {
  const tables = new Map(state.tables);
  for (const url of urls) {
    tables.set(url, {
      table: tables.get(url)?.table ?? null,
      error: null,
      generation: state.generation,
    });
  }
  return tables;
}

/** Takes an answer, unless a reload has asked again since. */
function withAnswer(
  state: State,
  url: string,
  generation: number,
  answer: Omit<Entry, 'generation'>,
): State {
  if (state.tables.get(url)?.generation !== generation) return state;
  return {...state, tables: new Map(state.tables).set(url, {...answer, generation})};
}

function toggled(names: ReadonlySet<string>, name: string): Set<string> {
  const next = new Set(names);
  if (!next.delete(name)) next.add(name);
  return next;
}
