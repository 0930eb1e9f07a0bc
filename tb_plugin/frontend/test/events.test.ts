import assert from 'node:assert/strict';
import {test} from 'vitest';

import type {Finding} from '../src/api.ts';
import {
  countOf,
  eventMarks,
  eventTitle,
  eventWords,
  leadOf,
  markAfterKey,
  widthOfMark,
  type EventMark,
} from '../src/events.ts';
import {finding} from './runs.ts';

const SPAN = {low: 0, high: 1000, width: 1000};

function marks(findings: Finding[], restarts: number[] = [], span = SPAN): EventMark[] {
  return eventMarks(findings, restarts, span);
}

function at(firstStep: number, change: Partial<Finding> = {}): Finding {
  return finding({firstStep, ...change});
}

test('a finding is marked in the middle of its first step, a restart where the step before it ends', () => {
  assert.deepEqual(
    marks([at(100)], [501], {low: 0, high: 1000, width: 2000}).map(({x}) => x),
    [199, 1000],
  );
  assert.deepEqual(
    marks([at(100)], [101], {low: 90, high: 110, width: 1000}).map(({x}) => x),
    [475, 500],
  );
});

test('a title has a line for each event, whatever layers are called', () => {
  const [mark] = marks([at(50, {layer: 'a\ncritical: nonfinite'}), at(50, {layer: 'b'})]);
  assert.equal(eventTitle(mark).split('\n').length, 2);
});

test('only what begins in view is marked', () => {
  const span = {low: 100, high: 200, width: 500};
  const found = marks([at(100), at(101), at(200), at(201)], [100, 150, 201], span);
  assert.deepEqual(
    found.map(({firstStep}) => firstStep),
    [101, 150, 200],
  );
});

test('events closer than twelve pixels are one mark, others are not', () => {
  assert.equal(marks([at(100), at(111)]).length, 1);
  assert.equal(marks([at(100), at(112)]).length, 2);
});

test('a mark of several needs room for its count, too', () => {
  assert.equal(widthOfMark(marks([at(100), at(105)])[0]), 19);
  assert.equal(marks([at(100), at(105), at(118)]).length, 1);
  assert.equal(marks([at(100), at(105), at(119)]).length, 2);
  assert.equal(widthOfMark(marks(Array.from({length: 10}, () => at(100)))[0]), 26);
});

test('no two marks overlap, however many events there are', () => {
  const findings = Array.from({length: 60}, (_, nth) => at(1 + ((nth * 37) % 997)));
  const restarts = Array.from({length: 300}, (_, nth) => 2 + nth * 3);
  for (const width of [80, 400, 1500]) {
    const found = marks(findings, restarts, {...SPAN, width});
    found.slice(1).forEach(({x}, nth) => {
      assert.ok(x - found[nth].x >= widthOfMark(found[nth]), `${width}: ${x}`);
    });
    const all = found.reduce((sum, mark) => sum + countOf(mark), 0);
    assert.equal(all, 360);
  }
});

test('a mark is as bad as the worst of its findings, whatever their order', () => {
  const [one] = marks([
    at(100, {severity: 'info'}),
    at(102, {severity: 'critical'}),
    at(104, {severity: 'warning'}),
  ]);
  assert.equal(one.severity, 'critical');
  assert.deepEqual([one.firstStep, one.lastStep, countOf(one)], [100, 104, 3]);
  assert.equal(marks([], [5])[0].severity, null);
});

test('consequences are marked too, as minor ones while no cause is beside them', () => {
  const later = at(600, {rule: 'spike-stall'});
  const found = marks([at(100, {consequences: [at(103), later]})]);
  assert.deepEqual(
    found.map(({firstStep, minor}) => [firstStep, minor]),
    [
      [100, false],
      [600, true],
    ],
  );
  assert.equal(leadOf(found[1]), later);
});

test('a mark leads to its first cause, also when a consequence of another came before', () => {
  const cause = at(104, {rule: 'dead-units'});
  const [, mark] = marks([at(50, {consequences: [at(100)]}), cause]);
  assert.equal(countOf(mark), 2);
  assert.equal(leadOf(mark), cause);
  assert.equal(leadOf(marks([], [7])[0]), null);
});

test('at the same step a cause comes before a consequence', () => {
  const cause = at(100, {rule: 'dead-units'});
  const [mark] = marks([at(95, {consequences: [at(100)]}), cause]);
  assert.deepEqual(
    mark.findings.map(({cause: of}) => of === null),
    [true, true, false],
  );
});

test('a mark says severity, rule, place and step; a mark of several how many there are', () => {
  const exploding = at(240, {rule: 'exploding-gradient', layer: 'digits/dense_2/kernel'});
  assert.equal(
    eventWords(marks([exploding])[0]),
    'critical: exploding-gradient in digits/dense_2/kernel since step 240',
  );
  assert.equal(
    eventWords(marks([at(1, {layer: null, severity: 'info'})])[0]),
    'info: nonfinite since step 1',
  );
  assert.equal(eventWords(marks([], [1000])[0]), 'restart at step 1,000');
  assert.equal(
    eventWords(marks([exploding], [239, 242])[0]),
    '3 events: critical: exploding-gradient in digits/dense_2/kernel since step 240, and 2 more',
  );
  assert.equal(
    eventWords(marks([at(240, {severity: 'info'}), at(241)])[0]),
    '2 events: info: nonfinite in a/kernel since step 240, and 1 more, critical among them',
  );
  assert.equal(eventWords(marks([], [5, 6])[0]), '2 events: restart at step 5, and 1 more');
});

test('a consequence says what it came after', () => {
  const [, mark] = marks([at(100, {rule: 'exploding-gradient', consequences: [at(300)]})]);
  assert.equal(
    eventWords(mark),
    'critical: nonfinite in a/kernel since step 300, after exploding-gradient',
  );
});

test('a title has a line for each event, up to eight', () => {
  const lines = (count: number): string[] =>
    eventTitle(marks(Array.from({length: count}, () => at(50)))[0]).split('\n');
  assert.equal(lines(3).length, 3);
  assert.equal(lines(8).length, 8);
  assert.deepEqual(lines(9).slice(8), ['and 1 more']);
  assert.deepEqual(lines(1200).slice(8), ['and 1,192 more']);
});

test('the arrow keys go from mark to mark and stop at the ends', () => {
  assert.equal(markAfterKey('ArrowRight', 0, 3), 1);
  assert.equal(markAfterKey('ArrowRight', 2, 3), 2);
  assert.equal(markAfterKey('ArrowLeft', 0, 3), 0);
  assert.equal(markAfterKey('ArrowLeft', 2, 3), 1);
  assert.equal(markAfterKey('Home', 2, 3), 0);
  assert.equal(markAfterKey('End', 0, 3), 2);
  assert.equal(markAfterKey('Enter', 0, 3), null);
});
