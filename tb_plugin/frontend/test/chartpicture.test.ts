import assert from 'node:assert/strict';
import {test} from 'vitest';

import {closedAxis, evenAxis} from '../src/axis.ts';
import {chartPicture, mixed, type ChartView} from '../src/chartpicture.ts';
import {curveOf, type Curve} from '../src/curves.ts';
import {chartSvg} from '../src/pictures.ts';
import {run} from './runs.ts';
import {tableOf} from './table.ts';

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

function curve(...cells: number[]): Curve {
  const show = {name: 'x', low: null, high: 'peak', scale: 'log'} as const;
  const look = {label: 'a', color: '#000000', dash: [4, 3], width: 1.5};
  const rows = cells.map(cell => [cell, 2 * cell]);
  const made = curveOf(run('a', {restarts: [3]}), look, tableOf(rows), ['x', 'peak'], show);
  assert.ok(made !== null);
  return made;
}

function view(curves: readonly Curve[], change: Partial<ChartView> = {}): ChartView {
  const window = {firstStep: 1, lastStep: 5};
  return {
    title: 'Gradient norm',
    unit: 'loss per weight',
    area: {width: 400, height: 190, axis: evenAxis(window), scale: 'log', range: [1, 100]},
    window,
    curves,
    marks: [],
    reference: null,
    step: null,
    notes: ['a note'],
    colors: COLORS,
    ...change,
  };
}

test('a picture has the lines of the chart where they are in the plot', () => {
  const [line] = chartPicture(view([curve(1, 10, 100, NaN, 1)])).lines;
  assert.deepEqual(line.x, [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(line.y, [0, 0.5, 1, null, 0]);
  assert.equal(line.dash, '4 3');
  assert.equal(line.band?.high[0], Math.log(2) / Math.log(100));
});

test('the recorded values of a smoothed line are faint behind it, without a name', () => {
  const raw = curve(1, 10);
  const {lines} = chartPicture(view([{...raw, raw: raw.values, values: [1, 1]}]));
  assert.deepEqual(
    lines.map(({label, y}) => [label, y]),
    [
      ['', [0, 0.5]],
      ['a', [0, 0]],
    ],
  );
  assert.equal(lines[0].color, '#b3b3b3');
});

test('gaps, restarts, findings and the selected step are in the picture', () => {
  const marks = [{step: 2, severity: 'critical', words: 'a: nonfinite at step 2'} as const];
  const picture = chartPicture(view([curve(1, 0, NaN, NaN, 1)], {marks, step: 4}));
  assert.deepEqual(
    picture.strips.map(({edge, from, to, words}) => [edge, from, to, words]),
    [
      ['top', 0.5, 0.75, 'a: NaN at steps 3–4'],
      ['bottom', 0.25, 0.25, 'a: 0 at step 2'],
    ],
  );
  assert.deepEqual(
    picture.marks.map(({kind, at}) => [kind, at]),
    [
      ['restart', 0.5],
      ['finding', 0.25],
      ['step', 0.75],
    ],
  );
  assert.match(chartSvg(picture), /^<svg /);
});

test('no line of a picture crosses a break', () => {
  const axis = closedAxis([1, 2, 4, 5], null);
  const area = {...view([]).area, axis};
  const steps = [1, 2, 4, 5];
  const cut = {...curve(1, 1, 1, 1), steps};
  const [line] = chartPicture(view([cut], {area})).lines;
  assert.deepEqual(
    Array.from(line.x, Number.isNaN),
    [false, false, true, false, false],
  );
  assert.equal(line.y[2], null);
});

test('only a range is shaded', () => {
  const shaded = (from: number, to: number): ReturnType<typeof chartPicture>['range'] =>
    chartPicture(view([curve(1)], {reference: {from, to, words: 'w'}})).range;
  assert.deepEqual(shaded(1, 10), {from: 0, to: 0.5, words: 'usual range'});
  assert.equal(shaded(10, 10), null);
});

test('a colour that covers the page in part is a colour of its own', () => {
  assert.equal(mixed('#000000', '#fff', 0.5), '#808080');
  assert.equal(mixed('#ff0000', '#000000', 1), '#ff0000');
  assert.equal(mixed('#ff0000', 'white', 0.5), '#ff0000');
});

test('a point alone is a dot that can be seen, and what is below zero is marked at the bottom', () => {
  const dot = (...cells: number[]): number =>
    Number(/<circle [^>]*r="([\d.]+)"/.exec(chartSvg(chartPicture(view([curve(...cells)]))))?.[1]);
  assert.ok(dot(10) > 2 * dot(10, NaN, 10) - 1);
  assert.ok(dot(10) >= 4);
  const {strips} = chartPicture(view([curve(1, -2, 1)]));
  assert.deepEqual(
    strips.map(({edge, words}) => [edge, words]),
    [['bottom', 'a: zero or less at step 2']],
  );
});
