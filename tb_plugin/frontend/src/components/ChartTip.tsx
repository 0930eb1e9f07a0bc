/** A line through a chart at the step under the pointer, of this chart or any other; in this one, with the values beside it. */

import type {JSX, RefObject} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Cursor} from '../cursor.ts';
import type {Curve, Span} from '../curves.ts';
import {readoutWords, valueAt} from '../curvewords.ts';
import type {Mark} from '../flight.ts';
import {elide} from '../format.ts';
import {MARGIN, plotHeight, plotWidth, stepLeft, valueTop, type PlotArea} from '../plotarea.ts';
import {entriesAt, isLow, nearestEntries, shortLabels, type Entry, type Told} from '../readout.ts';
import {LineKey} from './LineKey.tsx';
import {useCursor} from './useCursor.ts';
import {usePointerTop} from './usePointed.ts';

interface Props {
  /** The box of the chart, at whose left and top the area begins. */
  box: RefObject<HTMLElement | null>;
  cursor: Cursor;
  area: PlotArea;
  curves: readonly Curve[];
  marks: readonly Mark[];
  /** Whether a line has a value only at the very steps of its records. */
  exact: boolean;
  /** The step that the keys of this chart went to. */
  keyed: number | null;
}

const LINE_HEIGHT = 15;
/** The box hides what is behind it: of many layers the keys above have all values. */
const MOST_LINES = 6;
/** Of so few lines all is told. */
const FEW_LINES = 4;
/** Pixels between the line and the words. */
const APART = 10;
/** A mark so close to the step is told. */
const NEAR = 3;
/** Of the words, about: the widths of a letter, and of all but name and value. */
const LETTER = 6.2;
const BESIDES = 52;
const SHORTEST_NAME = 8;
/** So many letters of a name are worth more than a band, or what was recorded of a smoothed line. */
const ENOUGH_NAME = 18;

export function ChartTip(props: Props): JSX.Element | null {
  const {box, cursor, area, curves, exact, keyed} = props;
  const step = useCursor(cursor);
  const y = usePointerTop(box);
  const names = useMemo(() => shortLabels(curves), [curves]);
  if (step === null || area.width === 0) return null;
  const left = stepLeft(area, step);
  const entries = entriesAt(curves, step, exact);
  if (left === null || entries.length === 0) return null;
  const lines = Math.floor(plotHeight(area) / LINE_HEIGHT) - 2;
  const told = nearestEntries(entries, Math.min(lines, MOST_LINES), y, value =>
    valueTop(area, value),
  );
  return (
    <div class="chart-cursor">
      <div
        class="cursor-line"
        style={{left: px(left), top: px(MARGIN.top), height: px(plotHeight(area))}}
      />
      {told.entries.map(({curve, value}) => (
        <Dot key={curve.label} area={area} left={left} color={curve.color} value={value} />
      ))}
      {(y !== null || step === keyed) && (
        <Readout {...props} step={step} left={left} told={told} names={names} />
      )}
    </div>
  );
}

/** The words, on the side of the line that has more room, and where they hide fewer of its points. */
function Readout({
  area,
  curves,
  marks,
  step,
  left,
  told,
  names,
}: Props & {
  step: number;
  left: number;
  told: Told;
  names: ReadonlyMap<Curve, string>;
}): JSX.Element {
  const right = left > MARGIN.left + plotWidth(area) / 2;
  const room = (right ? left : area.width - left) - APART;
  const place = right ? {right: px(area.width - left + APART)} : {left: px(left + APART)};
  const letters = Math.floor((room - BESIDES) / LETTER);
  const rows = rowsOf(told.entries, names, step, letters);
  const isNear = (mark: Mark): boolean =>
    Math.abs((stepLeft(area, mark.step) ?? Infinity) - left) <= NEAR;
  const near = marks.filter(isNear).slice(0, 2);
  const tops = told.entries.map(({value}) => (value === null ? NaN : valueTop(area, value)));
  const folded = rows.filter(row => row.folded).length;
  const tall = LINE_HEIGHT * (1 + rows.length + folded + near.length + (told.more > 0 ? 1 : 0));
  const side = isLow(tops, tall, area) ? {bottom: px(MARGIN.bottom)} : {top: px(MARGIN.top)};
  return (
    <div class="readout" style={{...place, ...side, maxWidth: px(room)}}>
      <span class="at">
        {readoutWords(curves, step)}
        {smoothedWords(rows)}
      </span>
      {rows.map(({entry, name, words, folded}) => (
        <span
          key={entry.curve.label}
          class={[
            'row',
            ...(entry === told.nearest && rows.length > 1 ? ['nearest'] : []),
            ...(folded ? ['folded'] : []),
          ].join(' ')}
          title={entry.curve.label}
        >
          <LineKey color={entry.curve.color} dash={entry.curve.dash} />
          <span class="name">{name}</span> <span class="value">{words}</span>
        </span>
      ))}
      {told.more > 0 && <span class="more">+{told.more} more</span>}
      {near.map(({words, severity}) => (
        <span key={words} class={`told ${severity}`}>
          <span class="key finding-key" />
          {words}
        </span>
      ))}
    </div>
  );
}

function px(length: number): string {
  return `${length.toFixed(1)}px`;
}

/** The value with all that belongs to it, and with less and less, for where there is no room. */
function valuesAt(curve: Curve, step: number): string[] {
  const line = {...curve, low: null, high: null, spans: curve.spans.filter(atRecords)};
  return [curve, line, {...line, raw: null}].map(of => valueAt(of, step));
}

function atRecords({where}: Span): boolean {
  return where !== 'between';
}

interface Row {
  entry: Entry;
  name: string;
  words: string;
  /** Whether the words have what was recorded of a smoothed line. */
  recorded: boolean;
  /** Whether they stand below the name, as there is no room beside it. */
  folded: boolean;
}

/** What lines say of a step in about so many letters each: all as much, and all of it where they are few. */
function rowsOf(
  entries: readonly Entry[],
  names: ReadonlyMap<Curve, string>,
  step: number,
  letters: number,
): Row[] {
  const all = entries.map(({curve}) => valuesAt(curve, step));
  const labels = entries.map(({curve}) => names.get(curve) ?? curve.label);
  const fits = (words: string, nth: number): boolean =>
    words.length + Math.min(labels[nth].length, ENOUGH_NAME) <= letters;
  const whole = entries.length <= FEW_LINES;
  const much = [0, 1].find(less => all.every((words, nth) => fits(words[less], nth))) ?? 2;
  const chosen = whole ? 0 : much;
  const folded = whole && much > 0 && all.some(([full, line]) => full !== line);
  return entries.map((entry, nth) => {
    const words = all[nth][chosen];
    const left = folded ? letters : letters - words.length;
    const name = elide(labels[nth], Math.max(SHORTEST_NAME, left));
    return {entry, name, words, recorded: entry.curve.raw !== null && chosen < 2, folded};
  });
}

function smoothedWords(rows: readonly Row[]): string {
  if (rows.every(({entry}) => entry.curve.raw === null)) return '';
  return rows.some(({recorded}) => recorded) ? ' · smoothed (recorded)' : ' · smoothed';
}

function Dot({
  area,
  left,
  color,
  value,
}: {
  area: PlotArea;
  left: number;
  color: string;
  value: number | null;
}): JSX.Element | null {
  const top = value === null ? NaN : valueTop(area, value);
  const inside = top >= MARGIN.top && top <= MARGIN.top + plotHeight(area);
  const style = {left: px(left), top: px(top), background: color};
  return inside ? <div class="cursor-dot" style={style} /> : null;
}
