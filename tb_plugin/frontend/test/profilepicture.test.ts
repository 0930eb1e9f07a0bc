import assert from 'node:assert/strict';
import {test} from 'vitest';

import {chartSvg} from '../src/pictures.ts';
import {profileAt, type ProfileRow} from '../src/profile.ts';
import {profilePicture, type ProfileView} from '../src/profilepicture.ts';
import {tableOf} from './table.ts';
import {xmlProblem} from './xml.ts';

const COLORS = {
  page: '#fff',
  text: '#222222',
  muted: '#666666',
  grid: '#eeeeee',
  accent: '#f57c00',
  critical: '#b3261e',
  warning: '#8a5000',
  info: '#1a5fb4',
};

/** An open block, then a kernel, its bias and another kernel. */
const ROWS: ProfileRow[] = [
  {columns: [], main: false, name: 'block'},
  {columns: [0], main: true, name: 'block/one/kernel'},
  {columns: [1], main: false, name: 'block/one/bias'},
  {columns: [2], main: true, name: 'block/two/kernel'},
];

function view(cells: number[], change: Partial<ProfileView> = {}): ProfileView {
  const table = tableOf([cells]);
  const profile = profileAt(
    table,
    1,
    ROWS.map(({columns}) => columns),
  );
  return {
    label: 'Gradient norm',
    rows: ROWS,
    lines: [{run: 'a', color: '#0000ff', table, profile}],
    domain: {scale: 'log', low: 1, high: 100},
    colors: COLORS,
    ...change,
  };
}

function percents(parts: ArrayLike<number | null>): (number | null)[] {
  return Array.from(parts, part => (part === null ? null : Math.round(100 * part)));
}

test('the line goes through the kernels, and the bias is a dot', () => {
  const picture = profilePicture(view([1, 10, 100]));
  const [line, dots] = picture.lines;
  assert.deepEqual([line.label, line.x, percents(line.y)], ['a', [0.5 / 3, 2.5 / 3], [0, 100]]);
  assert.deepEqual([dots.label, dots.x, percents(dots.y)], ['', [0.5, NaN], [50, null]]);
  assert.equal(chartSvg(picture).match(/<circle /g)?.length, 1);
});

test('it says where it is from, and the step', () => {
  const picture = profilePicture(view([1, 10, 100]));
  assert.equal(picture.title, 'Gradient norm over depth');
  assert.equal(picture.footer, 'a · step 1 · adamax-tb');
  assert.match(picture.description, /1 in block\/one\/kernel, 100 in block\/two\/kernel/);
  assert.equal(xmlProblem(chartSvg(picture)), null);
});

test('what is no number is at an edge and told below', () => {
  const {lines, strips, notes} = profilePicture(view([NaN, 0, 100]));
  assert.deepEqual(percents(lines[0].y), [null, 100]);
  assert.deepEqual(
    strips.map(({edge, words}) => [edge, words]),
    [
      ['top', 'a: NaN in block/one/kernel'],
      ['bottom', 'a: zero in block/one/bias'],
    ],
  );
  assert.deepEqual(notes, ['a: NaN in 1 row, zero in 1 row']);
});

test('the other run is dashed', () => {
  const [own] = view([1, 10, 100]).lines;
  const picture = profilePicture(view([1, 10, 100], {lines: [own, {...own, run: 'b'}]}));
  assert.deepEqual(
    picture.lines.map(({label, dash}) => [label, dash]),
    [
      ['a', undefined],
      ['', undefined],
      ['b', '4 3'],
      ['', '4 3'],
    ],
  );
  assert.equal(picture.footer, 'a · b · step 1 · adamax-tb');
});

test('names that would run into each other are left out', () => {
  const many = Array.from({length: 60}, (_, at) => ({...ROWS[1], name: `layer_${at}/kernel`}));
  const profile = profileAt(
    tableOf([[1]]),
    1,
    many.map(({columns}) => columns),
  );
  const [own] = view([1]).lines;
  const {xTicks} = profilePicture(view([1], {rows: many, lines: [{...own, profile}]}));
  assert.ok(xTicks.length > 3 && xTicks.length < 10);
  assert.equal(xTicks[0].label, 'layer_0/kernel');
});
