/**
 * What charts and heat map show, as CSV after RFC 4180: lines end in CRLF, numbers are exactly those of the table. Pure.
 *
 * `value`, `low` and `high` are mean, smallest and largest of the finite numbers of a row; without any they are what
 * there is instead, or empty where nothing was recorded. `among` names all that is no finite number in the row.
 */

import {MARK, type Table} from './api.ts';
import {hasNumber, kindOf, marksAt} from './table.ts';
import type {Zoom} from './zoom.ts';

/** One line of a chart: a column of a table, and those of its band's edges, null without them. */
export interface CsvCurve {
  run: string;
  /** Empty for what a step has one number of. */
  layer: string;
  statistic: string;
  table: Table;
  column: number;
  low: number | null;
  high: number | null;
}

const KEYS = ['run', 'layer', 'statistic', 'first_step', 'last_step'];

/** A row per curve and row of its table that lies in the window, also in part. */
export function curvesCsv(curves: readonly CsvCurve[], window: Zoom): string {
  const lines = curves.flatMap(({run, layer, statistic, table, column, low, high}) => {
    const key = [run, layer, statistic].map(csvText).join();
    const columns = [column, low ?? column, high ?? column];
    return rowsWithin(table, window).map(row => {
      const [at, lowAt, highAt] = columns.map(index => row * table.columns + index);
      const numbers = [middle(table, at), edge(table, 'low', lowAt), edge(table, 'high', highAt)];
      const among = amongWords(marksAt(table, at) | marksAt(table, lowAt) | marksAt(table, highAt));
      return [key, table.first[row], table.last[row], ...numbers, among].join();
    });
  });
  return document([...KEYS, 'value', 'low', 'high', 'among'], lines);
}

/** A row per layer, which has its column in the table, and row that lies in the window: layer after layer. */
export function mapCsv(
  run: string,
  layers: readonly {layer: string; column: number}[],
  statistic: string,
  table: Table,
  window: Zoom,
): string {
  const rows = rowsWithin(table, window);
  const lines = layers.flatMap(({layer, column}) => {
    const key = [run, layer, statistic].map(csvText).join();
    return rows.map(row => {
      const at = row * table.columns + column;
      const ends = [edge(table, 'low', at), edge(table, 'high', at)];
      const steps = [table.first[row], table.last[row]];
      return [key, ...steps, ...ends, amongWords(marksAt(table, at))].join();
    });
  });
  return document([...KEYS, 'low', 'high', 'among'], lines);
}

function document(names: readonly string[], lines: readonly string[]): string {
  return [names.join(), ...lines, ''].join('\r\n');
}

function rowsWithin({first, last}: Table, {firstStep, lastStep}: Zoom): number[] {
  const rows = Array.from(first, (_, row) => row);
  return rows.filter(row => last[row] >= firstStep && first[row] <= lastStep);
}

const ODD = {nan: 'NaN', posinf: 'inf', neginf: '-inf', missing: ''};

function edge(table: Table, plane: 'low' | 'high', at: number): string {
  return hasNumber(table, at) ? csvNumber(table[plane][at]) : oddWord(table, at);
}

/** The record, or the mean of several: empty where the table has none and they differ. */
function middle(table: Table, at: number): string {
  const {high, low, mean} = table;
  if (!hasNumber(table, at)) return oddWord(table, at);
  if (mean !== null) return csvNumber(mean[at]);
  return low[at] === high[at] ? csvNumber(high[at]) : '';
}

function oddWord(table: Table, at: number): string {
  const kind = kindOf(table, at, 'linear');
  return kind === 'number' || kind === 'zero' ? '' : ODD[kind];
}

/** `NaN inf missing` */
function amongWords(marks: number): string {
  const kinds = Object.keys(MARK) as (keyof typeof MARK)[];
  return kinds
    .filter(kind => marks & MARK[kind])
    .map(kind => ODD[kind] || kind)
    .join(' ');
}

/** The fewest digits that give the float32 again, with a fraction or an exponent, as `adamax_tb/export.py` has it. */
export function csvNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const short = shortest(value);
  if (Math.abs(short) >= 1e13) return short.toExponential();
  const text = String(short);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Most float32 take eight or nine digits, most of the others few: so from there downwards. */
function shortest(value: number): number {
  let short = value;
  for (let digits = 9; digits > 0; digits--) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) !== value) break;
    short = shorter;
  }
  return short;
}

/**
 * Where a spreadsheet would begin a formula: at the beginning of a cell, or of what becomes one where a semicolon or
 * a tab tells cells apart, whatever is quoted.
 */
const FORMULA = /^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])/g;

/** A cell of words; a single quote stands wherever a formula would begin. As `adamax_tb/export.py` has it. */
export function csvText(text: string): string {
  const safe = text.replace(FORMULA, "'");
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
