import assert from 'node:assert/strict';
import {test} from 'vitest';

import {
  curveOf,
  edgeOf,
  shownCurves,
  spansOf,
  valueRange,
  type Curve,
} from '../src/curves.ts';
import {
  allSpanWords,
  bandWords,
  chartWords,
  readoutWords,
  spanWords,
  valueAt,
} from '../src/curvewords.ts';
import {elide, formatNumber, formatPercent} from '../src/format.ts';
import {run} from './runs.ts';
import {decodeTable} from '../src/api.ts';
import {encodeReduced, encodeTable, reducedOf, tableOf} from './table.ts';

const LOOK = {label: 'a', color: '#000000', dash: [], width: 1.5};
const NAMES = ['gradient_norm', 'gradient_norm_peak'];
const show = {name: 'gradient_norm', low: null, high: 'gradient_norm_peak', scale: 'log'} as const;

test('what is no point of a log line is a gap: NaN, infinity, zero, not recorded', () => {
  const table = tableOf([
    [2, 3],
    [NaN, 3],
    [Infinity, 3],
    [0, 3],
    ['missing', 3],
    [4, 5],
  ]);
  const curve = curveOf(run('a'), LOOK, table, NAMES, show);
  assert.deepEqual(curve?.values, [2, null, null, null, null, 4]);
  assert.deepEqual(curve?.high, [3, 3, 3, 3, 3, 5]);
});

test('zero is a point of a linear line', () => {
  const curve = curveOf(run('a'), LOOK, tableOf([[0, 0]]), NAMES, {...show, scale: 'linear'});
  assert.deepEqual(curve?.values, [0]);
});

test('a run that lacks the statistic has no curve, and one that lacks the edge no band', () => {
  assert.equal(curveOf(run('a'), LOOK, tableOf([[1]]), ['loss'], show), null);
  assert.equal(curveOf(run('a'), LOOK, tableOf([[1]]), ['gradient_norm'], show)?.high, null);
});

test('gaps of one kind that follow each other are one span; not recorded is none', () => {
  const table = tableOf([[1], [NaN], [NaN], [Infinity], ['missing'], [Infinity], [0]]);
  assert.deepEqual(spansOf(table, 0, 'log'), [
    {gap: 'nan', firstStep: 2, lastStep: 3, where: 'at'},
    {gap: 'posinf', firstStep: 4, lastStep: 4, where: 'at'},
    {gap: 'posinf', firstStep: 6, lastStep: 6, where: 'at'},
    {gap: 'zero', firstStep: 7, lastStep: 7, where: 'at'},
  ]);
});

test('where every step has its row, a missing step ends a span', () => {
  const table = decodeTable(encodeTable([4, 5, 9], [[NaN], [NaN], [NaN]]));
  const ends = (everyStep: boolean): number[] =>
    spansOf(table, 0, 'log', everyStep).map(({lastStep}) => lastStep);
  assert.deepEqual([ends(true), ends(false)], [[5, 9], [9]]);
});

test('a peak that is no number is told, though every record is one', () => {
  const rows = [
    [1, 1],
    [1, Infinity],
    [1, Infinity],
    [NaN, NaN],
    [0, NaN],
  ];
  const table = decodeTable(encodeTable([10, 20, 30, 40, 50], rows));
  const curve = curveOf(run('a'), LOOK, table, NAMES, show);
  assert.ok(curve !== null);
  assert.deepEqual(curve.spans, [
    {gap: 'posinf', firstStep: 10, lastStep: 30, where: 'between'},
    {gap: 'nan', firstStep: 40, lastStep: 40, where: 'at'},
    {gap: 'nan', firstStep: 40, lastStep: 50, where: 'between'},
    {gap: 'zero', firstStep: 50, lastStep: 50, where: 'at'},
  ]);
  assert.equal(spanWords(curve), '+∞ between steps 10 and 30, NaN at step 40, and 2 more stretches');
  assert.deepEqual(
    [5, 10, 20, 35, 40, 50].map(step => valueAt(curve, step)),
    ['–', '1', '1 (to +∞)', '1 (to +∞)', 'NaN', '0 (to NaN)'],
  );
});

test('a value is told with its band, where that says more', () => {
  const at = (...cells: number[]): string => {
    const bands = {...show, name: 'mean', low: 'min', high: 'max'};
    const curve = curveOf(run('a'), LOOK, tableOf([cells]), ['mean', 'max', 'min'], bands);
    return curve === null ? '' : valueAt(curve, 1);
  };
  assert.deepEqual(
    [at(2, 3, 1), at(2, 2, 2), at(2, 3), at(2, 2)],
    ['2 (1 to 3)', '2', '2 (to 3)', '2'],
  );
});

test('a chart is told in words, with the highest of its bands', () => {
  const table = tableOf([
    [2, 2],
    [1, 50],
    [NaN, NaN],
  ]);
  const curve = curveOf(run('a'), LOOK, table, NAMES, show);
  assert.ok(curve !== null);
  assert.equal(
    chartWords('Gradient norm', [curve]),
    'Gradient norm; a 2 at step 1 to NaN at step 3, highest 50',
  );
  assert.equal(chartWords('Loss', []), 'Loss');
});

test('a part of a whole has two digits, and is never nothing', () => {
  const parts = [0, 1e-5, 0.00099, 0.001, 0.0134, 0.0999, 0.12345, 0.994, 0.997, 1, 1.5];
  assert.deepEqual(parts.map(formatPercent), [
    'under 0.1 %',
    'under 0.1 %',
    'under 0.1 %',
    '0.10 %',
    '1.3 %',
    '10 %',
    '12 %',
    '99 %',
    '100 %',
    '100 %',
    '150 %',
  ]);
});

test('spans are told in words', () => {
  const curve = curveOf(
    run('a'),
    LOOK,
    tableOf([
      [1, 1],
      [NaN, 1],
      [NaN, 1],
      [Infinity, 1],
      [0, 1],
    ]),
    NAMES,
    show,
  );
  assert.ok(curve !== null);
  assert.equal(spanWords(curve), 'NaN at steps 2–3, +∞ at step 4, and 1 more stretch');
});

test('a range holds all lines, differs at its ends, and stays positive on a log scale', () => {
  for (const scale of ['log', 'linear'] as const) {
    for (const rows of [
      [[1, 1]],
      [[1e-30, 1e30]],
      [[NaN, NaN]],
      [
        [3, 3],
        [3, 3],
      ],
    ]) {
      const curve = curveOf(run('a'), LOOK, tableOf(rows), NAMES, {...show, scale});
      assert.ok(curve !== null);
      const [low, high] = valueRange([curve], scale);
      assert.ok(
        low < high && Number.isFinite(low) && Number.isFinite(high),
        `${scale} ${rows}: ${low}–${high}`,
      );
      assert.ok(scale === 'linear' || low > 0);
      for (const value of curve.values)
        assert.ok(value === null || (low <= value && value <= high));
    }
  }
});

test('numbers are short, with exponents as findings have them, and names keep their ends', () => {
  const numbers = [0, 1, 1200, 0.0123456, 0.0002, 1.23e-7, 1e9, 3.0409e31, 1e-45, 2e100, 123456.7];
  const texts = [...numbers, NaN, Infinity, -Infinity].map(formatNumber);
  assert.deepEqual(texts, [
    '0',
    '1',
    '1,200',
    '0.01235',
    '0.0002',
    '1.23e-07',
    '1e+09',
    '3.041e+31',
    '1e-45',
    '2e+100',
    '123,500',
    'NaN',
    '∞',
    '−∞',
  ]);
  assert.equal(elide('encoder/block_12/attention/query/kernel', 20), 'encoder…query/kernel');
  assert.equal(elide('dense/kernel', 20), 'dense/kernel');
});

function reduced(scale: 'log' | 'linear', ...cells: Parameters<typeof reducedOf>[1]): Curve {
  const plain = {name: 'loss', low: null, high: null, scale};
  const curve = curveOf(run('a'), LOOK, reducedOf(4, cells), ['loss'], plain);
  assert.ok(curve !== null);
  return curve;
}

test('a reduced table is a line of means in the middle of its rows, in a band that holds every record', () => {
  const curve = reduced('log', {low: 1, high: 1000, mean: 5}, {low: 2, high: 2, mean: 2});
  assert.deepEqual(curve.steps, [3, 7]);
  assert.deepEqual(
    [curve.values, curve.low, curve.high],
    [
      [5, 2],
      [1, 2],
      [1000, 2],
    ],
  );
  assert.equal(curve.per, 4);
  assert.ok(valueRange([curve], 'log')[1] >= 1000);
});

test('without means the line goes through the middle', () => {
  assert.deepEqual(reduced('linear', {low: -1, high: 3}).values, [1]);
});

test('where all records of each point are the same there is no band', () => {
  const flat = reduced('linear', {low: 1, high: 1, mean: 1}, {low: 2, high: 2, mean: 2});
  assert.deepEqual([flat.low, flat.high, flat.values], [null, null, [1, 2]]);
});

test('a run that records every step has no band up to the largest since the record before', () => {
  const bandOf = (...rows: number[][]): unknown =>
    curveOf(run('a'), LOOK, tableOf(rows), NAMES, show)?.high;
  assert.equal(bandOf([1, 1], [2, 2], [NaN, NaN]), null);
  assert.deepEqual(bandOf([1, 1], [2, 3]), [1, 3]);
});

test('the band of a statistic reaches from the lowest of the lower edge to the highest of the upper', () => {
  const steps = [[1, 4]] as const;
  const cells = [
    [
      {low: 2, high: 4, mean: 3},
      {low: 5, high: 9, mean: 7},
      {low: 0.5, high: 1, mean: 1},
    ],
  ];
  const table = decodeTable(encodeReduced(4, steps, cells));
  const names = ['mean', 'max', 'min'];
  const both = {...show, name: 'mean', low: 'min', high: 'max'};
  const curve = curveOf(run('a'), LOOK, table, names, both);
  assert.deepEqual([curve?.low, curve?.values, curve?.high], [[0.5], [3], [9]]);
  const one = curveOf(run('a'), LOOK, table, names, {...both, low: null});
  assert.deepEqual([one?.low, one?.high], [[2], [9]]);
});

test('what is no number among the records of a point is told, and the line goes on', () => {
  const curve = reduced(
    'log',
    {low: 1, high: 3, mean: 2, marks: 1},
    {low: 1, high: 3, mean: 2},
    {marks: 1},
    {marks: 2 + 8},
    {low: 0, high: 3, mean: 1},
    {low: 0, high: 0, mean: 0},
    {marks: 8},
  );
  assert.deepEqual(curve.values, [2, 2, null, null, 1, null, null]);
  assert.deepEqual(curve.spans, [
    {gap: 'nan', firstStep: 1, lastStep: 4, where: 'among'},
    {gap: 'nan', firstStep: 9, lastStep: 12, where: 'at'},
    {gap: 'posinf', firstStep: 13, lastStep: 16, where: 'among'},
    {gap: 'zero', firstStep: 17, lastStep: 20, where: 'among'},
    {gap: 'zero', firstStep: 21, lastStep: 24, where: 'at'},
  ]);
  assert.equal(spanWords(curve), 'NaN among steps 1–4, NaN at steps 9–12, and 3 more stretches');
  assert.deepEqual(
    [1, 6, 10, 13, 18, 22, 27].map(step => valueAt(curve, step)),
    ['2 (1 to 3), some NaN', '2 (1 to 3)', 'NaN', '+∞', '1 (1 to 3), some 0', '0', '–'],
  );
});

test('a readout names the steps that the point under it stands for', () => {
  const curve = reduced('log', {low: 1, high: 3, mean: 2}, {low: 1, high: 3, mean: 2});
  assert.equal(readoutWords([curve], 6), 'steps 5–8');
  assert.equal(readoutWords([curve], 60), 'step 60');
  assert.equal(readoutWords([], 6), 'step 6');
  const exact = curveOf(run('a'), LOOK, tableOf([[1], [2]]), ['loss'], {...show, name: 'loss'});
  assert.ok(exact !== null);
  assert.equal(readoutWords([exact], 2), 'step 2');
});

test('a band says what it means, also that a point stands for several records', () => {
  const many = reduced('log', {low: 1, high: 3, mean: 2});
  const few = curveOf(run('a'), LOOK, tableOf([[1, 2]]), NAMES, show);
  const lone = curveOf(run('a'), LOOK, tableOf([[1]]), ['gradient_norm'], show);
  assert.ok(few !== null && lone !== null);
  const words = (band: string | undefined, ...curves: Curve[]): string | null =>
    bandWords(band, curves, curves);
  assert.equal(words('Band: b', few), 'Band: b');
  assert.equal(words('Band: b', lone), null);
  assert.equal(words(undefined, few), null);
  assert.equal(
    words(undefined, lone, many),
    'Mean of up to 4 records. Band: from the smallest to the largest',
  );
  assert.equal(words('Band: b', few, many), 'Mean of up to 4 records. Band: b');
  assert.equal(words(undefined, reduced('log', {low: 1, high: 1, mean: 1})), null);
});

test('a chart keeps its words in a zoom: the page does not jump', () => {
  const whole = reduced('log', {low: 1, high: 3, mean: 2, marks: 1});
  const exact = (...cells: number[]): Curve => {
    const rows = cells.map(cell => [cell]);
    const curve = curveOf(run('a'), LOOK, tableOf(rows), ['loss'], {...show, name: 'loss'});
    assert.ok(curve !== null);
    return curve;
  };
  assert.equal(bandWords(undefined, [exact(1)], [whole]), 'Every record.');
  assert.equal(bandWords('Band: b', [exact(1)], [whole]), 'Every record. Band: b');
  assert.deepEqual(allSpanWords([exact(1, NaN)], [whole]), ['a: NaN at step 2']);
  assert.deepEqual(allSpanWords([exact(1)], [whole]), ['a: NaN among steps 1–4']);
  assert.deepEqual(allSpanWords([exact(1)], [exact(1)]), []);
  const lines = {...exact(1, NaN), run: 'a\nb'};
  assert.deepEqual(allSpanWords([lines], [whole]), ['a: NaN at step 2']);
});

test('a chart of a reduced table is told from its first step to its last', () => {
  const curve = reduced('log', {low: 1, high: 9, mean: 5}, {low: 2, high: 2, mean: 2});
  assert.equal(chartWords('Loss', [curve]), 'Loss; a 5 at step 1 to 2 at step 8, highest 9');
});

function plain(label: string, layer: string, ...cells: number[]): Curve {
  const rows = cells.map(cell => [cell]);
  const show = {name: 'loss', low: null, high: null, scale: 'linear'} as const;
  const curve = curveOf(run('a'), {...LOOK, label}, tableOf(rows), ['loss'], show, layer);
  assert.ok(curve !== null);
  return curve;
}

test('the range is of what the window shows, lower edges included, and of all where it shows nothing', () => {
  const curve = plain('a', '', 100, 3, 1, 2, 50);
  const range = (firstStep: number, lastStep: number): number[] =>
    valueRange([curve], 'linear', {firstStep, lastStep}).map(value => Math.round(value));
  assert.deepEqual(range(2, 4), [1, 3]);
  assert.deepEqual(range(1, 5), [-4, 105]);
  assert.deepEqual(range(5, 9), [25, 75]);
  assert.deepEqual(range(8, 9), [-4, 105]);
  const banded = {...curve, low: [0, -9, 0, 0, 0], high: curve.values};
  assert.equal(Math.round(valueRange([banded], 'linear', {firstStep: 2, lastStep: 4})[0]), -10);
});

test('a row that only begins or ends in the window is of it', () => {
  const curve = reduced(
    'linear',
    {low: 1, high: 1, mean: 1},
    {low: 2, high: 2, mean: 2},
    {low: 9, high: 9, mean: 9},
  );
  const [low, high] = valueRange([curve], 'linear', {firstStep: 4, lastStep: 5});
  assert.ok(low > 0.9 && low <= 1 && high >= 2 && high < 2.1);
});

test('what is the same but for its last digit is level, also among numbers below zero', () => {
  for (const sign of [1, -1]) {
    const [low, high] = valueRange([plain('a', '', sign, sign * (1 + 1e-7))], 'linear');
    assert.ok(high - low > 0.9, `${low} to ${high}`);
  }
  const [low, high] = valueRange([plain('a', '', 1, 1 + 1e-5)], 'linear');
  assert.ok(high - low < 1e-4);
});

test('what is 0 all the time lies at the bottom', () => {
  assert.deepEqual(valueRange([plain('a', '', 0, 0)], 'linear'), [-0.05, 1]);
});

test('a smoothed line tells what was recorded, too, and a chart in words only that', () => {
  const curve = {...plain('a', '', 1, 9), raw: [1, 9], values: [1, 5]};
  assert.deepEqual([valueAt(curve, 1), valueAt(curve, 2)], ['1 (1)', '5 (9)']);
  const banded = {...curve, low: [0, 0], high: [1, 10]};
  assert.equal(valueAt(banded, 2), '5 (9, 0 to 10)');
  assert.match(chartWords('Loss', [curve]), /to 9 at step 2, highest 9$/);
  assert.ok(valueRange([curve], 'linear')[1] >= 9);
});

test('layers that have the same gaps are told together, and of many gaps only some', () => {
  const gone = (layer: string): Curve => plain(`a · ${layer}`, layer, 1, NaN);
  const both = [gone('x'), gone('y'), plain('a · z', 'z', NaN, 1)];
  assert.deepEqual(allSpanWords(both, both), [
    'a, 2 layers: NaN at step 2',
    'a · z: NaN at step 1',
  ]);
  const many = Array.from({length: 7}, (_, nth) => ({...gone('x'), run: `${nth}`}));
  assert.equal(allSpanWords(many, many).length, 5);
  assert.equal(allSpanWords(many, many)[4], 'and 3 more lines with such gaps');
});

test('a chart of very many lines is told without all of them', () => {
  const many = Array.from({length: 40}, (_, nth) => plain(`line ${nth}`, '', 1));
  const words = chartWords('Loss', many);
  assert.match(words, /line 11 .*; and 28 more lines$/);
  assert.doesNotMatch(words, /line 12 /);
});

test('what is shown of a line is what lies in the window, and a point beyond its edges', () => {
  const [shown] = shownCurves([plain('a', '', 1, 2, 3, NaN, 5, 6)], {firstStep: 3, lastStep: 4});
  assert.deepEqual([shown.steps, shown.values], [[2, 3, 4, 5], [2, 3, null, 5]]);
  assert.deepEqual(shown.spans.map(({firstStep}) => firstStep), [4]);
  const [all] = shownCurves([plain('a', '', 1, 2)], {firstStep: 1, lastStep: 2});
  assert.deepEqual(all.values, [1, 2]);
});

test('numbers below zero are told as what they are, which on a log scale is no zero', () => {
  const of = (...cells: number[]): Curve => {
    const curve = curveOf(run('a'), LOOK, tableOf(cells.map(cell => [cell])), ['loss'], {
      ...show,
      name: 'loss',
    });
    assert.ok(curve !== null);
    return curve;
  };
  const curve = of(1, 0, -0.5, -2, 3, NaN);
  assert.equal(spanWords(curve), 'zero or less at steps 2–4, NaN at step 6');
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(step => valueAt(curve, step)),
    ['1', '0', '-0.5', '-2', '3', 'NaN'],
  );
  assert.match(chartWords('Loss', [of(-2, 3)]), /a -2 at step 1 to 3 at step 2/);
  assert.deepEqual(curve.spans.map(edgeOf), ['bottom', 'top']);
  assert.equal(spanWords(of(1, 0, -Infinity)), '0 at step 2, −∞ at step 3');
});

test('of several records some may be below zero', () => {
  const curve = reduced(
    'log',
    {low: -1, high: 3, mean: 1},
    {low: -4, high: 2, mean: -1},
    {low: -4, high: -2, mean: -3},
  );
  assert.deepEqual(curve.values, [1, null, null]);
  assert.equal(
    spanWords(curve),
    'zero or less among steps 1–8, zero or less at steps 9–12',
  );
  assert.equal(valueAt(curve, 2), '1 (1 to 3), some zero or less');
  assert.match(valueAt(curve, 6), /^-1.*, some zero or less$/);
  assert.equal(valueAt(curve, 10), '-3');
});
