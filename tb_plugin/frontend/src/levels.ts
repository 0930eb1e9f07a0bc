/**
 * Levels of detail: of each table the page holds the whole run at about the width of its chart, and in a zoom a finer part
 * of it. Decides what to ask the server for, and which of the two to draw. Pure.
 */

import {partUrl, type Part, type Table} from './api.ts';
import {continued, rowOf} from './table.ts';
import {widened, widthOf, type Zoom} from './zoom.ts';

/** Where a table comes from, and what the server has of it now. */
export interface Source {
  url: string;
  /** Another one: the rows held are no longer those of the server. */
  version: string;
  records: number;
  lastStep: number;
  /** How many rows are wanted of the whole run; null for a table that is only there as a whole. */
  pixels: number | null;
}

/** A table, and what it was asked for. */
interface Held {
  table: Table;
  version: string;
  records: number;
  pixels: number | null;
  /** Null for the whole run. */
  window: Zoom | null;
}

type Level = 'whole' | 'detail';

/** A question to the server. */
export interface Ask extends Omit<Held, 'table'> {
  /** The source that it is about. */
  key: string;
  level: Level;
  url: string;
  /** Whether the answer continues the table held; else it takes its place. */
  continues: boolean;
}

/** One level of a source: the table held stays until a better one is there, also when that one failed. */
interface Shelf {
  held: Held | null;
  asked: Ask | null;
  failed: {ask: Ask; error: string} | null;
}

export type Entry = Record<Level, Shelf>;

const NOTHING: Shelf = {held: null, asked: null, failed: null};
const EMPTY: Entry = {whole: NOTHING, detail: NOTHING};

/** A detail is twice as wide as the zoom, and may have twice the rows of the whole, but no more than so many. */
const MOST_PIXELS = 2048;
/** A zoom so many times narrower than a detail's window gets a new detail. */
const NARROW = 3;
/** A table that has grown to so many times the rows wanted is fetched anew, with more records a row. */
const CROWDED = 2;

/** What to ask for now, of one source. */
export function asksFor(source: Source, entry: Entry | undefined, zoom: Zoom | null): Ask[] {
  const {whole, detail} = entry ?? EMPTY;
  const asks = [wholeAsk(source, whole), detailAsk(source, whole.held, detail, zoom)];
  return asks.filter(ask => ask !== null);
}

function wholeAsk(source: Source, {held, asked, failed}: Shelf): Ask | null {
  if (asked?.version === source.version || tried(source, failed)) return null;
  const ask = {...about(source), level: 'whole', window: null} as const;
  const {pixels} = source;
  const anew = {...ask, ...part(source.url, pixels === null ? {} : {pixels}), continues: false};
  if (held?.version !== source.version) return anew;
  if (pixels === null) return null;
  if (finer(held, pixels)) return anew;
  if (held.records === source.records) return null;
  const rows = held.table.last.length;
  const more = (source.records - held.records) / Math.max(1, held.table.per);
  return rows === 0 || rows + more > CROWDED * pixels
    ? anew
    : {...ask, ...part(source.url, tailOf(held.table)), continues: true};
}

/** Whether more rows are wanted than were when the table was asked for, and there are more. */
function finer({table, pixels}: Held, wanted: number): boolean {
  return table.per > 1 && pixels !== null && wanted > pixels;
}

function detailAsk(
  source: Source,
  whole: Held | null,
  {held, asked, failed}: Shelf,
  zoom: Zoom | null,
): Ask | null {
  if (zoom === null || source.pixels === null || whole?.version !== source.version) return null;
  const pixels = Math.min(MOST_PIXELS, 2 * source.pixels);
  if (!refinable(whole.table, zoom, pixels)) return null;
  const serves = (other: Pick<Held, 'version' | 'window'>, per = Infinity): boolean =>
    other.version === source.version && fits(other.window, per, zoom, source.lastStep);
  if (asked !== null && serves(asked)) return null;
  if (tried(source, failed) && serves(failed.ask)) return null;
  const ask = {...about(source), level: 'detail', pixels} as const;
  if (held !== null && serves(held, held.table.per)) {
    const {table, window} = held;
    const end = Math.min(window?.lastStep ?? Infinity, source.lastStep);
    if (held.records === source.records || lastStepOf(table) >= end) return null;
    const tail = {...tailOf(table), ...(window === null ? {} : {last: window.lastStep})};
    if (table.last.length > 0) return {...ask, window, ...part(source.url, tail), continues: true};
  }
  const window = aroundRecords(whole.table, widened(zoom));
  const {firstStep: first, lastStep: last} = window;
  const wanted = part(source.url, {first, last, pixels});
  return {...ask, window, ...wanted, continues: false};
}

/** Of a window in so few rows of the whole table hardly any record may be inside. */
const FEW_ROWS = 3;

/** The window, or where that may lie between two records the rows that it is in, and the one before. */
function aroundRecords(table: Table, window: Zoom): Zoom {
  const {first, last} = table;
  const [from, to] = [rowOf(table, window.firstStep), rowOf(table, window.lastStep)];
  if (to - from >= FEW_ROWS) return window;
  return {
    firstStep: Math.min(window.firstStep, first[Math.max(0, from - 1)]),
    lastStep: Math.max(window.lastStep, last[to]),
  };
}

function about({
  url,
  version,
  records,
  pixels,
}: Source): Pick<Ask, 'key' | 'version' | 'records' | 'pixels'> {
  return {key: url, version, records, pixels};
}

function part(url: string, wanted: Part): Pick<Ask, 'url'> {
  return {url: partUrl(url, wanted)};
}

/** From the last row on, which may have got more records since. */
function tailOf({per, first}: Table): Part {
  return {first: first[first.length - 1], ...(per === 0 ? {} : {per})};
}

/** Whether this failed before, and nothing has changed since. */
function tried(source: Source, failed: Shelf['failed']): failed is NonNullable<Shelf['failed']> {
  return failed?.ask.version === source.version && failed.ask.records === source.records;
}

/** Whether a finer table of the zoom can be had: rows stand for several records, and it has not too many of them. */
function refinable(table: Table, zoom: Zoom, pixels: number): boolean {
  if (table.per <= 1 || table.last.length === 0) return false;
  const {firstStep, lastStep} = widened(zoom);
  const rows = rowOf(table, lastStep) - rowOf(table, firstStep) + 1;
  return 2 * rows <= pixels;
}

/** Whether a detail covers the zoom up to the run's end, and is not much coarser than one of its own would be. */
function fits(window: Zoom | null, per: number, zoom: Zoom, end: number): boolean {
  if (window === null || !covers(window, zoom, end)) return false;
  return per <= 1 || widthOf(window) <= NARROW * widthOf(zoom);
}

function covers(window: Zoom, {firstStep, lastStep}: Zoom, end: number): boolean {
  return window.firstStep <= Math.max(1, firstStep) && window.lastStep >= Math.min(lastStep, end);
}

function lastStepOf({last}: Table): number {
  return last.length === 0 ? 0 : last[last.length - 1];
}

export function withAsk(entry: Entry | undefined, ask: Ask): Entry {
  const held = entry ?? EMPTY;
  return {...held, [ask.level]: {...held[ask.level], asked: ask, failed: null}};
}

/** A version that no source has: what is held is shown until it is replaced. */
const BROKEN = '';

/** Takes an answer, unless something else has been asked for since. */
export function withTable(entry: Entry, ask: Ask, table: Table): Entry {
  const {held, asked} = entry[ask.level];
  if (asked !== ask) return entry;
  const {version, records, pixels, window} = ask;
  const shelve = (next: Held): Entry => ({
    ...entry,
    [ask.level]: {held: next, asked: null, failed: null},
  });
  if (!ask.continues || held === null) return shelve({table, version, records, pixels, window});
  const whole = continued(held.table, table);
  return whole === null
    ? shelve({...held, version: BROKEN})
    : shelve({table: whole, version, records, pixels: held.pixels, window});
}

/** Forgets a question that was broken off: it is asked again when its answer is wanted again. */
export function withDrop(entry: Entry, ask: Ask): Entry {
  const shelf = entry[ask.level];
  return shelf.asked === ask ? {...entry, [ask.level]: {...shelf, asked: null}} : entry;
}

export function withFailure(entry: Entry, ask: Ask, error: string): Entry {
  const shelf = entry[ask.level];
  if (shelf.asked !== ask) return entry;
  return {...entry, [ask.level]: {...shelf, asked: null, failed: {ask, error}}};
}

/** Lets what failed be asked for again. */
export function withRetry({whole, detail}: Entry): Entry {
  return {whole: {...whole, failed: null}, detail: {...detail, failed: null}};
}

/** The table to draw: the detail where it covers the zoom, else the whole. */
export function tableOf(entry: Entry | undefined, zoom: Zoom | null): Table | null {
  const {whole, detail} = entry ?? EMPTY;
  if (whole.held === null) return null;
  const {table, version} = whole.held;
  const fine = detail.held;
  const usable =
    zoom !== null &&
    fine?.window != null &&
    fine.table.last.length > 0 &&
    fine.version === version &&
    fine.table.per < table.per &&
    covers(fine.window, zoom, lastStepOf(table));
  return usable ? fine.table : table;
}

/** Of the whole run, whatever the zoom. */
export function wholeOf(entry: Entry | undefined): Table | null {
  return entry?.whole.held?.table ?? null;
}

export function errorOf(entry: Entry | undefined): string | null {
  return (entry?.whole.failed ?? entry?.detail.failed)?.error ?? null;
}
