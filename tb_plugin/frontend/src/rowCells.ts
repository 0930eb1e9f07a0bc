/** What a cell of the heat map holds where its row stands for several variables: which of them shows, and all in words. Pure. */

import {MARK, type Run, type Scale, type Table} from './api.ts';
import {differenceWords} from './difference.ts';
import {counted, formatExact, formatNumber, formatStep} from './format.ts';
import type {Scheme} from './raster.ts';
import type {Spikes} from './spikes.ts';
import {cellWords, hasNumber, kindOf, marksAt, mostAlarming, rowStart} from './table.ts';

/** A cell of the table. */
interface Place {
  row: number;
  column: number;
}

/** Of the rows `from` to `to` (exclusive) and some columns the most alarming cell, of equals the first; null without columns. */
export function mostAlarmingCell(
  table: Table,
  columns: readonly number[],
  from: number,
  to: number,
  scheme: Scheme = 'size',
): Place | null {
  if (scheme === 'difference') return mostDifferent(table, columns, from, to);
  const places = columns.map(column => ({column, row: mostAlarming(table, column, from, to)}));
  return places.reduce<Place | null>(
    (most, place) => (most === null || isMore(table, place, most) ? place : most),
    null,
  );
}

function mostDifferent(
  table: Table,
  columns: readonly number[],
  from: number,
  to: number,
): Place | null {
  let most: Place | null = null;
  for (const column of columns)
    for (let row = from; row < to; row++)
      if (most === null || isMore(table, {row, column}, most, Math.abs)) most = {row, column};
  return most;
}

const RANKS = {missing: 0, zero: 1, number: 1, neginf: 2, posinf: 3, nan: 4};

function isMore(
  table: Table,
  one: Place,
  other: Place,
  sizeOf: (value: number) => number = value => value,
): boolean {
  const [at, against] = [one, other].map(({row, column}) => row * table.columns + column);
  const [rank, before] = [at, against].map(cell => RANKS[kindOf(table, cell, 'linear')]);
  return rank === before ? sizeOf(table.high[at]) > sizeOf(table.high[against]) : rank > before;
}

/**
 * A row's cell in words: of one variable as `cellWords`, of several `0.1 to 3 in 12 variables, largest in dense_3/kernel`,
 * `NaN in dense_3/kernel and 2 more, 0.1 to 3 in 9 variables`.
 *
 * @param names of each column.
 */
export function rowWords(
  table: Table,
  columns: readonly number[],
  row: number,
  names: readonly string[],
): string {
  const cell = (column: number): number => row * table.columns + column;
  if (columns.length === 0) return 'not recorded';
  if (columns.length === 1) return cellWords(table, cell(columns[0]));
  const odd = ODD_WORDS.flatMap(([mark, word]) => {
    const those = columns.filter(column => marksAt(table, cell(column)) & mark);
    return those.length === 0 ? [] : [`${word} in ${firstOf(those.map(at => names[at]))}`];
  });
  const told = [
    ...odd,
    ...rangeWords(
      table,
      columns.filter(at => hasNumber(table, cell(at))),
      row,
      names,
    ),
  ];
  return told.length === 0 ? 'not recorded' : told.join(', ');
}

const ODD_WORDS: readonly [mark: number, word: string][] = [
  [MARK.nan, 'NaN'],
  [MARK.posinf, '+∞'],
  [MARK.neginf, '−∞'],
];

function firstOf(names: readonly string[]): string {
  return names.length === 1 ? names[0] : `${names[0]} and ${names.length - 1} more`;
}

function rangeWords(
  table: Table,
  columns: readonly number[],
  row: number,
  names: readonly string[],
): string[] {
  if (columns.length === 0) return [];
  const {high, low} = table;
  const cell = (column: number): number => row * table.columns + column;
  const largest = columns.reduce((most, at) => (high[cell(at)] > high[cell(most)] ? at : most));
  const least = Math.min(...columns.map(at => low[cell(at)]));
  const [from, to] = [formatExact(least), formatExact(high[cell(largest)])];
  const range = from === to ? from : `${from} to ${to}`;
  const where = from === to ? '' : `, largest in ${names[largest]}`;
  return [`${range} in ${counted(columns.length, 'variable')}${where}`];
}

/** `up to 1e4 between steps 500 and 510`, of the highest spike of a row's variables; null where there is none. */
export function spikeWords(
  table: Table,
  spikes: Spikes | null,
  columns: readonly number[],
  row: number,
  names: readonly string[],
): string | null {
  const here = columns.flatMap(column =>
    (spikes?.get(column) ?? [])
      .filter(spike => spike.row === row)
      .map(({peak}) => ({column, peak})),
  );
  if (here.length === 0) return null;
  const higher = (one: number, other: number): boolean => Number.isNaN(one) || one > other;
  const top = here.reduce((most, one) => (higher(one.peak, most.peak) ? one : most));
  const peak = Number.isNaN(top.peak) ? 'NaN' : `up to ${formatNumber(top.peak)}`;
  const where = columns.length > 1 ? ` in ${names[top.column]}` : '';
  const exact = table.first[row] === table.last[row];
  const [from, to] = exact
    ? [rowStart(table, row), table.last[row]]
    : [table.first[row], table.last[row]];
  return `${peak} between steps ${formatStep(from)} and ${formatStep(to)}${where}`;
}

/** What a run has in a cell that is compared: what is no number there, as a sum of `MARK`. */
export interface Side {
  name: string;
  marks: number;
}

/** What some rows `from` to `to` (exclusive) have in a column that is no number, as a sum of `MARK`. */
export function marksWithin(table: Table, column: number, from: number, to: number): number {
  let marks = 0;
  for (let row = from; row < to; row++) marks |= marksAt(table, row * table.columns + column);
  return marks;
}

/** A cell of a map of differences: `4.2 times larger than in b`, `NaN only in a`, `not recorded in both`. */
export function comparedWords(
  table: Table,
  {row, column}: Place,
  scale: Scale,
  sides: readonly [one: Side, other: Side],
): string {
  const at = row * table.columns + column;
  const kind = kindOf(table, at, 'linear');
  if (kind === 'missing') return 'not recorded in both';
  if (kind === 'number' || kind === 'zero')
    return differenceWords(table.high[at], scale, sides[1].name);
  const told = new Map(ODD_WORDS).get(MARK[kind]) ?? cellWords(table, at);
  const having = sides.filter(({marks}) => marks & MARK[kind]);
  if (having.length === 0) return told;
  return having.length === 2 ? `${told} in both` : `${told} only in ${having[0].name}`;
}

/** The names of a run's variables within a row's block. */
export function shortNames({layers}: Pick<Run, 'layers'>, title: string): string[] {
  return layers.map(({name}) => shortName(name, title));
}

export function shortName(name: string, title: string): string {
  return name.startsWith(`${title}/`) ? name.slice(title.length + 1) : name;
}
