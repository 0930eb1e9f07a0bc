/** The panel's whole state and the one function that changes it. Pure: the components fetch, this file decides what. */

import type {Finding, Overview, Run, Scale, Table} from './api.ts';
import {findingKey, statisticFor, worstRun} from './findings.ts';
import {
  withAsk,
  withDrop,
  withFailure,
  withRetry,
  withTable,
  type Ask,
  type Entry,
} from './levels.ts';
import {outOfHearing} from './muting.ts';
import {unsettled} from './overview.ts';
import type {Sort, TableView} from './runtable.ts';
import {hasLayer, runNamed, selectedRun} from './selection.ts';
import {neededSources} from './sources.ts';
import type {Zoom} from './zoom.ts';

/** What the user chose to look at: what the address of a view holds. */
export interface Choices {
  run: string | null;
  /** The runs drawn in the curves. */
  shown: ReadonlySet<string>;
  /** The overview of the runs: which are listed, and how. */
  table: TableView;
  statistic: string;
  /** The layers drawn in the curves, the first selected first. */
  layers: readonly string[];
  step: number | null;
  zoom: Zoom | null;
  /** Whether all variables of a Keras layer, such as kernel and bias, share a row of the heat map. */
  together: boolean;
  /** The blocks of the heat map that are one row each; null until the user closes or opens one. */
  collapsed: ReadonlySet<string> | null;
  /** The run beside the selected one. */
  compared: string | null;
  /** Whether the heat map shows what the compared run differs by, instead of both. */
  difference: boolean;
  /** Whether the heat map's colours span what is shown of the runs, not all of them. */
  fitted: boolean;
  /** Of the curves: 0 draws them as they are, 0.99 hardly leaves a bend. */
  smoothing: number;
  /** Where a chart's scale is not its own, by the name of its statistic. */
  scales: ReadonlyMap<string, Scale>;
  tallRows: boolean;
  allFindings: boolean;
  /** The findings of the selected run that are told in full, by their keys; null for the first of them. */
  open: ReadonlySet<string> | null;
}

export interface State extends Choices {
  dark: boolean;
  /** As the server told it. */
  told: Overview | null;
  /** Without the findings that are muted: what the page is about. */
  overview: Overview | null;
  error: string | null;
  /** By the address of their source. */
  tables: ReadonlyMap<string, Entry>;
  /** Rows wanted of the heat map's table. */
  pixels: number;
  /** Whether the run is the user's choice, or all were judged: from then on it stays. */
  settled: boolean;
  /** Whether the user has chosen anything: before, a view has no address of its own. */
  touched: boolean;
  /** All runs that were ever there, in the order in which they were first seen: it decides their colours. */
  order: readonly string[];
  /** The findings that shall not be told any more. */
  muted: ReadonlySet<string>;
  /** The run that is drawn in the curves only because it is selected. */
  lent: string | null;
  /** Counts the jumps from a card to the heat map, which scrolls into view at each. */
  jumps: number;
}

export type Action =
  | {type: 'dark'; dark: boolean}
  | {type: 'overview'; overview: Overview; order?: readonly string[]}
  | {type: 'overview-failed'; error: string}
  | {type: 'pixels'; pixels: number}
  | {type: 'asked'; asks: readonly Ask[]}
  | {type: 'received'; ask: Ask; table: Table}
  | {type: 'failed'; ask: Ask; error: string}
  | {type: 'dropped'; ask: Ask}
  | {type: 'retry'; url: string}
  | {type: 'view'; choices: Partial<Choices>}
  | {type: 'run'; run: string}
  | {type: 'toggle'; run: string}
  | {type: 'show'; runs: readonly string[]; shown: boolean}
  | {type: 'pin'; run: string}
  | {type: 'filter'; filter: string}
  | {type: 'sort'; sort: Sort | null}
  | {type: 'statistic'; statistic: string}
  | {type: 'layers'; layers: readonly string[]}
  | {type: 'toggle-layers'; layers: readonly string[]}
  | {type: 'step'; step: number | null}
  | {type: 'place'; layers: readonly string[]; step: number | null}
  | {type: 'finding'; finding: Finding}
  | {type: 'open'; key: string; open: boolean}
  | {type: 'mute'; keys: readonly string[]; muted: boolean}
  | {type: 'zoom'; zoom: Zoom | null}
  | {type: 'together'; together: boolean}
  | {type: 'collapse'; collapsed: ReadonlySet<string>}
  | {type: 'compare'; run: string | null}
  | {type: 'difference'; difference: boolean}
  | {type: 'fit'; fitted: boolean}
  | {type: 'smoothing'; smoothing: number}
  | {type: 'scale'; name: string; scale: Scale}
  | {type: 'tall-rows'; tall: boolean}
  | {type: 'all-findings'; all: boolean};

const MOST_SHOWN = 7;
const FIRST_STATISTIC = 'gradient_norm';
/** Sources whose tables are kept though nothing shows them: what is looked at again is there at once. */
const MOST_SPARE = 8;

/** Rows wanted of a heat map on a page so many device pixels wide: one of few numbers, so that few widths fetch anew. */
export function mapPixels(pageWidth: number): number {
  return pageWidth <= 1536 ? 1024 : 2048;
}

export const FIRST_CHOICES: Choices = {
  run: null,
  shown: new Set(),
  table: {filter: '', sort: {by: 'verdict', down: false}, pinned: new Set()},
  statistic: FIRST_STATISTIC,
  layers: [],
  step: null,
  zoom: null,
  together: false,
  collapsed: null,
  compared: null,
  difference: false,
  fitted: false,
  smoothing: 0,
  scales: new Map(),
  tallRows: false,
  allFindings: false,
  open: null,
};

export function initialState(
  dark: boolean,
  pixels: number,
  muted: ReadonlySet<string> = new Set(),
): State {
  return {
    ...FIRST_CHOICES,
    dark,
    told: null,
    overview: null,
    error: null,
    tables: new Map(),
    pixels,
    settled: false,
    touched: false,
    order: [],
    muted,
    lent: null,
    jumps: 0,
  };
}

/** What a user does to a page that may still change its run by itself. */
const ABOUT_THE_RUN: readonly Action['type'][] = [
  'run',
  'statistic',
  'layers',
  'toggle-layers',
  'step',
  'place',
  'finding',
  'open',
  'zoom',
  'toggle',
  'show',
  'compare',
];
/** What no user does. */
const BY_ITSELF: readonly Action['type'][] = [
  'dark',
  'overview',
  'overview-failed',
  'pixels',
  'asked',
  'received',
  'failed',
  'dropped',
];

export function reduceState(state: State, action: Action): State {
  const next = reduced(state, action);
  const settled = next.settled || ABOUT_THE_RUN.includes(action.type);
  const touched = next.touched || !BY_ITSELF.includes(action.type);
  return settled === next.settled && touched === next.touched ? next : {...next, settled, touched};
}

function reduced(state: State, action: Action): State {
  switch (action.type) {
    case 'dark':
      return {...state, dark: action.dark};
    case 'overview':
      return withOverview(state, action.overview, action.order ?? []);
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
    case 'dropped':
      return withEntry(state, action.ask.key, entry => withDrop(entry, action.ask));
    case 'retry':
      return withEntry(state, action.url, withRetry);
    case 'mute':
      return withMuted(state, action.keys, action.muted);
    case 'run':
      return withRun(withLent(state, action.run), action.run);
    case 'finding':
      return withFinding(state, action.finding);
    case 'view':
      return withView(state, action.choices);
    default:
      return {...state, ...chosen(state, action)};
  }
}

/** What an action changes of the choices, where it changes nothing else. */
function chosen(state: State, action: Action): Partial<State> {
  const {table, layers} = state;
  switch (action.type) {
    case 'toggle':
      return {shown: toggled(state.shown, action.run), lent: null};
    case 'show':
      return {shown: shownWith(state.shown, action.runs, action.shown), lent: null};
    case 'pin':
      return {table: {...table, pinned: toggled(table.pinned, action.run)}};
    case 'filter':
      return {table: {...table, filter: action.filter}};
    case 'sort':
      return {table: {...table, sort: action.sort}};
    case 'statistic':
      return {statistic: action.statistic};
    case 'layers':
      return {layers: action.layers};
    case 'toggle-layers':
      return {layers: layersWith(layers, action.layers)};
    case 'step':
      return {step: action.step};
    case 'place':
      return {layers: action.layers, step: action.step};
    case 'open':
      return {open: shownWith(openFindings(state), [action.key], action.open)};
    case 'zoom':
      return {zoom: action.zoom};
    case 'together':
      return {together: action.together};
    case 'collapse':
      return {collapsed: action.collapsed};
    case 'compare':
      return {compared: action.run, difference: state.difference && action.run !== null};
    case 'difference':
      return {difference: action.difference};
    case 'fit':
      return {fitted: action.fitted};
    case 'smoothing':
      return {smoothing: action.smoothing};
    case 'scale':
      return {scales: new Map(state.scales).set(action.name, action.scale)};
    case 'tall-rows':
      return {tallRows: action.tall};
    case 'all-findings':
      return {allFindings: action.all};
    default:
      return {};
  }
}

/** The findings of the selected run that are told in full. */
export function openFindings(state: State): ReadonlySet<string> {
  if (state.open !== null) return state.open;
  const first = selectedRun(state)?.findings[0];
  return new Set(first === undefined ? [] : [findingKey(first)]);
}

/** Takes a view as its address says it; what that leaves out is as at first. */
function withView(state: State, choices: Partial<Choices>): State {
  const usual = {...FIRST_CHOICES, run: state.run, shown: usuallyShown(state)};
  const settled = state.settled || choices.run != null;
  const next = {...state, ...usual, ...choices, settled};
  return next.run === null ? next : withRun(next, next.run);
}

/** The runs drawn in the curves before the user chooses. */
export function usuallyShown({overview}: Pick<State, 'overview'>): ReadonlySet<string> {
  return new Set(overview?.runs.slice(0, MOST_SHOWN).map(({name}) => name));
}

function withOverview(state: State, told: Overview, seen: readonly string[]): State {
  if (told === state.told) return state.error === null ? state : {...state, error: null};
  const overview = outOfHearing(told, state.muted);
  const shown = shownAfter(state, overview);
  const settled = state.settled || (overview.runs.length > 0 && !unsettled(overview));
  const order = orderAfter(state.order, [...seen, ...told.runs.map(({name}) => name)]);
  const next = {...state, told, overview, order, error: null, shown, settled};
  const current = runNamed(next, state.run);
  // A run that the address of the view names may still have to be read.
  if (current === null && state.settled && state.run !== null && overview.loading !== null)
    return next;
  const kept = current !== null && state.settled ? current : worstRun(overview);
  // Without any run for a moment, a server that starts again say, the choices wait.
  if (kept === null) return {...next, shown: state.shown, tables: new Map()};
  const asLeft = state.settled && kept.name === state.run;
  const taken = withRun(
    asLeft ? next : {...next, shown: new Set([...shown, kept.name])},
    kept.name,
  );
  return {...taken, tables: withoutSpare(taken)};
}

/** A run keeps the place that it got when it was first seen, also when it is gone. */
function orderAfter(order: readonly string[], names: readonly string[]): readonly string[] {
  const known = new Set(order);
  const added = [...new Set(names)].filter(name => !known.has(name));
  return added.length === 0 ? order : [...order, ...added];
}

/** The first runs, until there is a choice of the user's to keep; then new runs are added while there is room. */
function shownAfter(state: State, {runs, loading}: Overview): ReadonlySet<string> {
  const {overview: before, shown, settled, touched} = state;
  const names = runs.map(({name}) => name);
  const said = before === null && shown.size > 0;
  if (!settled && !said) return new Set(names.slice(0, MOST_SHOWN));
  // What the address of the view names may still have to be read.
  if (touched && (said || loading !== null)) return shown;
  const kept = names.filter(name => shown.has(name));
  // After a moment without any run these are no new ones.
  if (before?.runs.length === 0 && shown.size > 0) return new Set(kept);
  const known = new Set(before?.runs.map(({name}) => name));
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

/** Draws a run in the curves while it is selected; it stays there only where the user ticked it. */
function withLent(state: State, name: string): State {
  const {shown, lent} = state;
  const kept = lent === null || lent === name ? shown : shownWith(shown, [lent], false);
  const added = kept.has(name) ? lent === name : true;
  return {...state, shown: shownWith(kept, [name], true), lent: added ? name : null};
}

/** Takes a run, and what it has of the selected layers, statistic, step and window. */
function withRun(state: State, name: string): State {
  const run = runNamed(state, name);
  if (run === null) return state;
  const {statistic, step, zoom} = state;
  const outside = (first: number, last: number): boolean =>
    first > run.lastStep || last < run.firstStep;
  const fallback = run.statistics.includes(FIRST_STATISTIC)
    ? FIRST_STATISTIC
    : (run.statistics[0] ?? FIRST_STATISTIC);
  const layers = state.layers.filter(layer => hasLayer(run, layer));
  return {
    ...state,
    run: name,
    statistic: run.statistics.includes(statistic) ? statistic : fallback,
    // The same object where nothing of it changes, so that nothing is drawn again.
    layers: layers.length === state.layers.length ? state.layers : layers,
    step: step === null || outside(step, step) ? null : step,
    // A run that began anew, or another one, may have nothing in the window that was looked at.
    zoom: zoom === null || outside(zoom.firstStep, zoom.lastStep) ? null : zoom,
    ...(state.run === name ? {} : ofNoOther(selectedRun(state), run)),
  };
}

/** What another run than the one before begins with. */
function ofNoOther(before: Run | null, run: Run): Partial<State> {
  const names = run.layers.map(({name}) => name);
  const alike = before !== null && before.layers.every(({name}, at) => name === names[at]);
  return {open: null, allFindings: false, ...(alike ? {} : {collapsed: null})};
}

function withFinding(state: State, finding: Finding): State {
  const run = selectedRun(state);
  const {zoom} = state;
  const outside =
    zoom !== null && (finding.firstStep < zoom.firstStep || finding.firstStep > zoom.lastStep);
  return {
    ...state,
    statistic: (run === null ? null : statisticFor(finding, run)) ?? state.statistic,
    layers: finding.layer === null ? [] : [finding.layer],
    step: finding.firstStep,
    zoom: outside ? null : zoom,
    jumps: state.jumps + 1,
  };
}

function withMuted(state: State, keys: readonly string[], silent: boolean): State {
  const muted = shownWith(state.muted, keys, silent);
  const overview = state.told === null ? null : outOfHearing(state.told, muted);
  return {...state, muted, overview};
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
  return shownWith(names, [name], !names.has(name));
}

function shownWith(
  names: ReadonlySet<string>,
  some: readonly string[],
  shown: boolean,
): Set<string> {
  const next = new Set(names);
  for (const name of some) {
    if (shown) next.add(name);
    else next.delete(name);
  }
  return next;
}

/** The layers with these of them, or without them when they have all. */
function layersWith(layers: readonly string[], toggle: readonly string[]): readonly string[] {
  const others = layers.filter(layer => !toggle.includes(layer));
  const all = toggle.every(layer => layers.includes(layer));
  return all ? others : [...others, ...toggle];
}
