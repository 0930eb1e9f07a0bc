/** A view as words for its address, and back: what the user chose to look at, as far as it is not the usual. Pure. */

import type {Scale} from './api.ts';
import {SORT_KEYS, type Sort} from './runtable.ts';
import {MOST_SMOOTHING} from './smoothing.ts';
import {FIRST_CHOICES, usuallyShown, type Choices, type State} from './state.ts';
import type {Zoom} from './zoom.ts';

export type View = Readonly<Record<string, string>>;

/** Between the entries of a list; an entry's own is escaped. */
const COMMA = ',';

/** The choices as words, by names of their own; empty until the user chooses something. */
export function viewOf(state: State): View {
  if (!state.touched) return {};
  const {table, zoom, step, collapsed, open, run, compared, statistic} = state;
  const said: [name: string, value: string | null][] = [
    ['run', run],
    ['runs', sameNames(state.shown, usuallyShown(state)) ? null : listWords(state.shown)],
    ['statistic', statistic === FIRST_CHOICES.statistic ? null : statistic],
    ['layers', state.layers.length === 0 ? null : listWords(state.layers)],
    ['step', step === null ? null : String(step)],
    ['steps', zoom === null ? null : `${zoom.firstStep}-${zoom.lastStep}`],
    ['together', flagWord(state.together)],
    ['closed', collapsed === null ? null : listWords(collapsed)],
    ['with', compared],
    ['difference', flagWord(state.difference)],
    ['fit', flagWord(state.fitted)],
    ['smoothing', state.smoothing === 0 ? null : String(state.smoothing)],
    ['scales', scaleWords(state.scales)],
    ['names', flagWord(state.tallRows)],
    ['all', flagWord(state.allFindings)],
    ['open', open === null ? null : listWords(open)],
    ['filter', table.filter === '' ? null : table.filter],
    ['sort', sameSort(table.sort, FIRST_CHOICES.table.sort) ? null : sortWord(table.sort)],
    ['pinned', table.pinned.size === 0 ? null : listWords(table.pinned)],
  ];
  return Object.fromEntries(said.filter((entry): entry is [string, string] => entry[1] !== null));
}

/**
 * The view as words for somebody who may have other runs: also the run and the ticked ones where they are the usual
 * ones here.
 */
export function sharedViewOf(state: State): View {
  return {...viewOf({...state, touched: true}), runs: listWords(state.shown)};
}

/** What an address says of the choices; what it does not say, or what makes no sense, is left out. */
export function choicesOf(view: View): Partial<Choices> {
  const {run, runs, statistic, layers, step, steps, closed, smoothing, scales, open} = view;
  const filter = (view.filter ?? '').slice(0, LONGEST_FILTER);
  const pinned = new Set(view.pinned === undefined ? [] : listOf(view.pinned));
  const table = {filter, sort: sortOf(view.sort), pinned};
  return {
    ...(run === undefined ? {} : {run}),
    ...(runs === undefined ? {} : {shown: new Set(listOf(runs))}),
    ...(statistic === undefined ? {} : {statistic}),
    ...(layers === undefined ? {} : {layers: [...new Set(listOf(layers))]}),
    ...(isStep(Number(step)) ? {step: Number(step)} : {}),
    ...(steps === undefined ? {} : {zoom: zoomOf(steps)}),
    ...(view.together === undefined ? {} : {together: true}),
    ...(closed === undefined ? {} : {collapsed: new Set(listOf(closed))}),
    ...(view.with === undefined ? {} : {compared: view.with}),
    ...(view.difference === undefined ? {} : {difference: true}),
    ...(view.fit === undefined ? {} : {fitted: true}),
    ...(smoothing === undefined ? {} : smoothingOf(smoothing)),
    ...(scales === undefined ? {} : {scales: scalesOf(scales)}),
    ...(view.names === undefined ? {} : {tallRows: true}),
    ...(view.all === undefined ? {} : {allFindings: true}),
    ...(open === undefined ? {} : {open: new Set(listOf(open))}),
    ...((view.filter ?? view.sort ?? view.pinned) === undefined ? {} : {table}),
  };
}

const LONGEST_FILTER = 200;

function flagWord(flag: boolean): string | null {
  return flag ? '1' : null;
}

/** `a,b`; none is a comma alone. */
function listWords(names: Iterable<string>): string {
  const escaped = [...names].map(name => name.replaceAll(/[\\,]/g, '\\$&'));
  return escaped.length === 0 ? COMMA : escaped.join(COMMA);
}

function listOf(words: string): string[] {
  if (words === COMMA) return [];
  const entries = [''];
  const add = (letter: string): string => (entries[entries.length - 1] += letter);
  for (let at = 0; at < words.length; at++) {
    if (words[at] === '\\') add(words[++at] ?? '');
    else if (words[at] === COMMA) entries.push('');
    else add(words[at]);
  }
  return entries;
}

function sameNames(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every(name => other.has(name));
}

function scaleWords(scales: Choices['scales']): string | null {
  const unusual = [...scales].filter(([name, scale]) => FIRST_CHOICES.scales.get(name) !== scale);
  return unusual.length === 0 ? null : unusual.map(pair => pair.join(':')).join(COMMA);
}

function scalesOf(words: string): ReadonlyMap<string, Scale> {
  const said = words.split(COMMA).map(pair => pair.split(':'));
  const known = said.flatMap(([name, scale]): [string, Scale][] =>
    scale === 'log' || scale === 'linear' ? [[name, scale]] : [],
  );
  return new Map([...FIRST_CHOICES.scales, ...known]);
}

function zoomOf(words: string): Zoom | null {
  const [firstStep, lastStep] = words.split('-').map(Number);
  return isStep(firstStep) && isStep(lastStep) && firstStep <= lastStep
    ? {firstStep, lastStep}
    : null;
}

function isStep(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

const UNSORTED = 'none';

function sameSort(one: Sort | null, other: Sort | null): boolean {
  return one?.by === other?.by && one?.down === other?.down;
}

function sortWord(sort: Sort | null): string {
  return sort === null ? UNSORTED : `${sort.down ? '-' : ''}${sort.by}`;
}

function sortOf(words: string | undefined): Sort | null {
  if (words === UNSORTED) return null;
  const down = words?.startsWith('-') ?? false;
  const by = SORT_KEYS.find(key => key === (down ? words?.slice(1) : words));
  return by === undefined ? FIRST_CHOICES.table.sort : {by, down};
}

function smoothingOf(words: string): {smoothing?: number} {
  const smoothing = words === '' ? NaN : Number(words);
  return smoothing >= 0 && smoothing <= MOST_SMOOTHING ? {smoothing} : {};
}
