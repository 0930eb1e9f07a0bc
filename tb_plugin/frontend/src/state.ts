/** The panel's whole state and the one function that changes it. Pure: the components fetch, this file decides what. */

import {
  flightUrl,
  layerUrl,
  statisticUrl,
  type Finding,
  type Flight,
  type Overview,
  type Run,
  type Scale,
  type Table,
} from './api.ts';
import {statisticFor, worstRun} from './findings.ts';
import {
  asksFor,
  withAsk,
  withFailure,
  withRetry,
  withTable,
  type Ask,
  type Entry,
  type Source,
} from './levels.ts';
import {unsettled} from './overview.ts';
import type {Zoom} from './zoom.ts';

export interface State {
  dark: boolean;
  overview: Overview | null;
  error: string | null;
  /** By the address of their source. */
  tables: ReadonlyMap<string, Entry>;
  /** Rows wanted of the heat map's table. */
  pixels: number;
  /** Whether the run is the user's choice, or all were judged: from then on it stays. */
  settled: boolean;
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
  | {type: 'pixels'; pixels: number}
  | {type: 'asked'; asks: readonly Ask[]}
  | {type: 'received'; ask: Ask; table: Table}
  | {type: 'failed'; ask: Ask; error: string}
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
/** Rows wanted of a curve's table: curves are narrower than the heat map, and there are seven in a chart. */
const CURVE_PIXELS = 512;
/** Sources whose tables are kept though nothing shows them: what is looked at again is there at once. */
const MOST_SPARE = 6;

/** Rows wanted of a heat map on a page so many device pixels wide: one of few numbers, so that few widths fetch anew. */
export function mapPixels(pageWidth: number): number {
  return pageWidth <= 1536 ? 1024 : 2048;
}

export function initialState(dark: boolean, pixels: number): State {
  return {
    dark,
    overview: null,
    error: null,
    tables: new Map(),
    pixels,
    settled: false,
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

/** What a user does to a page that may still change its run by itself. */
const CHOICES: readonly Action['type'][] = [
  'run',
  'statistic',
  'layer',
  'step',
  'place',
  'finding',
  'zoom',
  'toggle',
];

export function reduceState(state: State, action: Action): State {
  const next = reduced(state, action);
  return next.settled || !CHOICES.includes(action.type) ? next : {...next, settled: true};
}

function reduced(state: State, action: Action): State {
  switch (action.type) {
    case 'dark':
      return {...state, dark: action.dark};
    case 'overview':
      return withOverview(state, action.overview);
    case 'overview-failed':
      return {...state, error: action.error};
    case 'pixels':
      return {...state, pixels: action.pixels};
    case 'asked':
      return withAsks(state, action.asks);
    case 'received':
      return withEntry(state, action.ask.key, entry => withTable(entry, action.ask, action.table));
    case 'failed':
      return withEntry(state, action.ask.key, entry =>
        withFailure(entry, action.ask, action.error),
      );
    case 'retry':
      return withEntry(state, action.url, withRetry);
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
export function neededSources(state: State): Source[] {
  const run = selectedRun(state);
  const map =
    run === null ? [] : [source(run, statisticUrl(run.name, state.statistic), state.pixels)];
  return [...map, ...shownRuns(state).flatMap(other => curveSources(other, state.layer))];
}

function curveSources(run: Run, layer: string | null): Source[] {
  const {name, flight} = run;
  const urls: string[] = [];
  if (run.lastLoss !== null) urls.push(statisticUrl(name, 'loss'));
  urls.push(statisticUrl(name, 'learning_rate'));
  if (run.lossScaled) urls.push(statisticUrl(name, 'loss_scale'));
  if (layer !== null && hasLayer(run, layer)) urls.push(layerUrl(name, layer));
  const curves = urls.map(url => source(run, url, CURVE_PIXELS));
  return flight === null ? curves : [...curves, flightSource(run, flight)];
}

function source(run: Run, url: string, pixels: number): Source {
  const {records, lastStep} = run;
  return {url, version: versionOf(run), records, lastStep, pixels};
}

/** A flight record has no levels of detail, and is not added to but written anew. */
function flightSource(run: Run, {firstStep, lastStep, updates}: Flight): Source {
  const version = [versionOf(run), firstStep, lastStep, updates].join(' ');
  return {url: flightUrl(run.name), version, records: updates, lastStep, pixels: null};
}

function versionOf({origin, generation}: Run): string {
  return `${origin} ${generation}`;
}

/** What to ask the server for now. */
export function missingAsks(state: State): Ask[] {
  return neededSources(state).flatMap(needed =>
    asksFor(needed, state.tables.get(needed.url), state.zoom),
  );
}

export function hasLayer(run: Run, layer: string): boolean {
  return run.layers.some(({name}) => name === layer);
}

function withOverview(state: State, overview: Overview): State {
  if (overview === state.overview) return state.error === null ? state : {...state, error: null};
  const shown = shownAfter(state, overview);
  const settled = state.settled || (overview.runs.length > 0 && !unsettled(overview));
  const next = {...state, overview, error: null, shown, settled};
  const current = overview.runs.find(run => run.name === state.run);
  const kept = current !== undefined && state.settled ? current : worstRun(overview);
  if (kept === null) return {...next, run: null, tables: new Map()};
  const asLeft = state.settled && kept.name === state.run;
  const chosen = withRun(
    asLeft ? next : {...next, shown: new Set([...shown, kept.name])},
    kept.name,
  );
  // A run that began anew may end before the window that was looked at.
  const ended = state.zoom !== null && state.zoom.firstStep > kept.lastStep;
  return {...chosen, zoom: ended ? null : state.zoom, tables: withoutSpare(chosen)};
}

/** The first runs, until there is a choice of the user's to keep; then new runs are added while there is room. */
function shownAfter({overview: before, shown, settled}: State, {runs}: Overview): Set<string> {
  const names = runs.map(({name}) => name);
  if (!settled) return new Set(names.slice(0, MOST_SHOWN));
  const known = new Set(before?.runs.map(({name}) => name));
  const kept = names.filter(name => shown.has(name));
  const added = names.filter(name => !known.has(name));
  return new Set([...kept, ...added.slice(0, Math.max(0, MOST_SHOWN - kept.length))]);
}

/** The tables without those that nothing shows, of which the latest are kept. */
function withoutSpare(state: State): Map<string, Entry> {
  const needed = new Set(neededSources(state).map(({url}) => url));
  const spare = [...state.tables.keys()].filter(url => !needed.has(url));
  const gone = new Set(spare.slice(0, Math.max(0, spare.length - MOST_SPARE)));
  return new Map([...state.tables].filter(([url]) => !gone.has(url)));
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

function withAsks(state: State, asks: readonly Ask[]): State {
  const tables = withoutSpare(state);
  for (const ask of asks) {
    const entry = withAsk(tables.get(ask.key), ask);
    tables.delete(ask.key); // so that the latest come last
    tables.set(ask.key, entry);
  }
  return {...state, tables};
}

/** Changes what is held of a source, if anything is: what nobody waits for any more is dropped. */
function withEntry(state: State, url: string, changed: (entry: Entry) => Entry): State {
  const entry = state.tables.get(url);
  const next = entry && changed(entry);
  if (next === undefined || next === entry) return state;
  return {...state, tables: new Map(state.tables).set(url, next)};
}

function toggled(names: ReadonlySet<string>, name: string): Set<string> {
  const next = new Set(names);
  if (!next.delete(name)) next.add(name);
  return next;
}
