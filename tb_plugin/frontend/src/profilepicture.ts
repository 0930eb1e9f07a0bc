/** The depth profile as it is on the page, as what a picture of it is drawn from: left the first layer. Pure. */

import type {Table} from './api.ts';
import type {ChartColors} from './chartpicture.ts';
import {counted, elide, formatNumber, stepWords} from './format.ts';
import {SMALL, type Tick} from './frame.ts';
import type {ChartPicture, PictureLine, PictureStrip} from './pictures.ts';
import {named} from './plain.ts';
import {
  isPlaced,
  profileWords,
  SIDE_WORDS,
  sideOf,
  type Profile,
  type ProfileRow,
} from './profile.ts';
import {positions, valueTicks, type Domain} from './scale.ts';
import {textWidth} from './svg.ts';

/** One run's line. */
interface ProfileLine {
  run: string;
  color: string;
  table: Table;
  profile: Profile;
}

export interface ProfileView {
  /** Of the statistic. */
  label: string;
  rows: readonly ProfileRow[];
  /** The run's own, then the other one's. */
  lines: readonly [ProfileLine, ...ProfileLine[]];
  domain: Domain | null;
  colors: ChartColors;
}

const WIDTH = 760;
const HEIGHT = 240;
/** What the axes and margins take at least of the width. */
const AROUND = 90;
const NAME_LENGTH = 24;

export function profilePicture({label, rows, lines, domain, colors}: ProfileView): ChartPicture {
  const {page, text, muted, grid} = colors;
  const scale = domain?.scale ?? 'log';
  // An open block has no value of its own.
  const shown = [...rows.keys()].filter(row => rows[row].columns.length > 0);
  const x = shown.map((_, nth) => (nth + 0.5) / shown.length);
  const [{table, profile}] = lines;
  const {at} = profile;
  const when = at < 0 ? 'no record' : stepWords(table.first[at], table.last[at]);
  const said = lines.map(line => profileWords(label, line.table, line.profile, rows, scale));
  return {
    title: `${label} over depth`,
    unit: '',
    description: said.join('. '),
    axis: 'layer',
    width: WIDTH,
    plotHeight: HEIGHT,
    xTicks: namesThatFit(shown.map((row, nth) => ({at: x[nth], label: rows[row].name}))),
    yTicks: domain === null ? [] : ticksOf(domain),
    lines: lines.flatMap((line, nth) =>
      domain === null ? [] : drawn(line, nth > 0, domain, rows, shown, x),
    ),
    strips: lines.flatMap((line, nth) => stripsOf(line, nth, scale, rows, shown, x)),
    breaks: [],
    range: null,
    marks: [],
    notes: lines.flatMap(line => sidesOf(line, scale, shown)),
    footer: [...lines.map(({run}) => run), when, 'adamax-tb'].join(' · '),
    colors: {page, text, muted, grid},
  };
}

function ticksOf(domain: Domain): Tick[] {
  const at = positions(domain);
  return valueTicks(domain, 5).map(value => ({at: at(value), label: formatNumber(value)}));
}

/** The names that have room beside the one before. */
function namesThatFit(names: readonly Tick[]): Tick[] {
  let taken = -Infinity;
  return names.flatMap(({at, label}) => {
    const short = elide(label, NAME_LENGTH);
    const half = textWidth(short, SMALL) / 2;
    const x = at * (WIDTH - AROUND);
    if (x - half < taken) return [];
    taken = x + half + 12;
    return [{at, label: short}];
  });
}

/** The line through the main rows; the others are dots without a line. */
function drawn(
  {run, color, profile}: ProfileLine,
  dashed: boolean,
  domain: Domain,
  rows: readonly ProfileRow[],
  shown: readonly number[],
  x: readonly number[],
): PictureLine[] {
  const position = positions(domain);
  const valueOf = (row: number): number | null =>
    isPlaced(profile, row, domain.scale) ? position(profile.high[row]) : null;
  const part = (main: boolean): number[] =>
    [...shown.keys()].filter(nth => rows[shown[nth]].main === main);
  const line = part(true);
  // Between two dots a place that is none.
  const dots = part(false).flatMap(nth => [nth, -1]);
  const style = {color, width: 1.5, dash: dashed ? '4 3' : undefined};
  return [
    {...style, label: run, x: line.map(nth => x[nth]), y: line.map(nth => valueOf(shown[nth]))},
    {
      ...style,
      label: '',
      x: dots.map(nth => (nth < 0 ? NaN : x[nth])),
      y: dots.map(nth => (nth < 0 ? null : valueOf(shown[nth]))),
    },
  ];
}

/** What is no number on the scale: NaN and +∞ at the top, −∞ and zero at the bottom. */
function stripsOf(
  {run, color, profile}: ProfileLine,
  nth: number,
  scale: Domain['scale'],
  rows: readonly ProfileRow[],
  shown: readonly number[],
  x: readonly number[],
): PictureStrip[] {
  const words = new Map(SIDE_WORDS);
  return shown.flatMap((row, at): PictureStrip[] => {
    const side = sideOf(profile, row, scale);
    if (side === null) return [];
    const edge = side === 'nan' || side === 'posinf' ? 'top' : 'bottom';
    const told = `${named(run)}: ${words.get(side)} in ${named(rows[row].name)}`;
    return [{from: x[at], to: x[at], color, edge, nth, words: told}];
  });
}

function sidesOf(
  {run, profile}: ProfileLine,
  scale: Domain['scale'],
  shown: readonly number[],
): string[] {
  const told = SIDE_WORDS.flatMap(([side, word]) => {
    const count = shown.filter(row => sideOf(profile, row, scale) === side).length;
    return count === 0 ? [] : [`${word} in ${counted(count, 'row')}`];
  });
  return told.length === 0 ? [] : [`${named(run)}: ${told.join(', ')}`];
}
