import assert from 'node:assert/strict';
import {test} from 'vitest';

import {decodeTable, type Table} from '../src/api.ts';
import {
  asksFor,
  errorOf,
  tableOf,
  withAsk,
  withFailure,
  withRetry,
  withTable,
  wholeOf,
  type Ask,
  type Entry,
  type Source,
} from '../src/levels.ts';
import {encodeReduced, encodeTable} from './table.ts';

const SOURCE: Source = {
  url: './layer?run=a',
  version: 'v1',
  records: 20_000,
  lastStep: 20_000,
  pixels: 1024,
};
const ZOOM = {firstStep: 5001, lastStep: 6000};

/** Rows of `per` records from the step after `from` up to `last`. */
function rows(per: number, last: number, from = 0): Table {
  const steps: [number, number][] = [];
  for (let step = from + 1; step <= last; step += per)
    steps.push([step, Math.min(last, step + per - 1)]);
  return decodeTable(
    encodeReduced(
      per,
      steps,
      steps.map(() => [{low: 1, high: 1}]),
    ),
  );
}

function exact(last: number, from = 0): Table {
  const steps = Array.from({length: last - from}, (_, at) => from + at + 1);
  return decodeTable(
    encodeTable(
      steps,
      steps.map(() => [1]),
    ),
  );
}

function single(asks: Ask[]): Ask {
  assert.equal(asks.length, 1);
  return asks[0];
}

/** What is held after the answer to the only question. */
function answered(source: Source, entry: Entry | undefined, table: Table, zoom = null): Entry {
  const ask = single(asksFor(source, entry, zoom));
  return withTable(withAsk(entry, ask), ask, table);
}

const WHOLE = answered(SOURCE, undefined, rows(32, 20_000));

function zoomed(): {entry: Entry; ask: Ask} {
  const ask = single(asksFor(SOURCE, WHOLE, ZOOM));
  return {entry: withAsk(WHOLE, ask), ask};
}

test('at first the whole run is asked for, about as wide as it is drawn, and once', () => {
  const ask = single(asksFor(SOURCE, undefined, ZOOM));
  assert.equal(ask.url, './layer?run=a&pixels=1024');
  assert.deepEqual(asksFor(SOURCE, withAsk(undefined, ask), ZOOM), []);
  assert.deepEqual(asksFor(SOURCE, WHOLE, null), []);
});

test('a table without levels is asked for as it is, and anew when its version changes', () => {
  const flight = {...SOURCE, pixels: null, records: 128};
  const ask = single(asksFor(flight, undefined, null));
  assert.equal(ask.url, './layer?run=a');
  const held = withTable(withAsk(undefined, ask), ask, exact(128));
  assert.deepEqual(asksFor({...flight, records: 200}, held, ZOOM), []);
  assert.equal(single(asksFor({...flight, version: 'v2'}, held, null)).url, './layer?run=a');
});

test('a zoom asks for its own steps and half as many on each side', () => {
  const {ask} = zoomed();
  assert.equal(ask.url, './layer?run=a&first=4501&last=6500&pixels=2048');
});

test('the whole is drawn until the detail is there, and wherever it does not reach', () => {
  const {entry, ask} = zoomed();
  assert.equal(tableOf(entry, ZOOM), wholeOf(entry));
  const detail = rows(1, 6500, 4500);
  const held = withTable(entry, ask, detail);
  assert.equal(tableOf(held, ZOOM), detail);
  assert.equal(tableOf(held, {firstStep: 4501, lastStep: 5500}), detail);
  assert.equal(tableOf(held, {firstStep: 4500, lastStep: 5499}), wholeOf(held));
  assert.equal(tableOf(held, {firstStep: 6000, lastStep: 6999}), wholeOf(held));
  assert.equal(tableOf(held, null), wholeOf(held));
  assert.equal(tableOf(undefined, ZOOM), null);
});

test('a pan inside of the detail asks for nothing, one that leaves it does', () => {
  const {entry, ask} = zoomed();
  assert.deepEqual(asksFor(SOURCE, entry, ZOOM), [], 'on its way');
  const held = withTable(entry, ask, rows(2, 6500, 4500));
  assert.deepEqual(asksFor(SOURCE, held, {firstStep: 4601, lastStep: 5600}), []);
  const far = single(asksFor(SOURCE, held, {firstStep: 6001, lastStep: 7000}));
  assert.match(far.url, /first=5501&last=7500/);
});

test('a narrower zoom asks for a finer detail, unless every record is there', () => {
  const narrow = {firstStep: 5401, lastStep: 5600};
  const {entry, ask} = zoomed();
  const coarse = withTable(entry, ask, rows(2, 6500, 4500));
  assert.match(single(asksFor(SOURCE, coarse, narrow)).url, /first=5301&last=5700/);
  assert.deepEqual(asksFor(SOURCE, withTable(entry, ask, rows(1, 6500, 4500)), narrow), []);
});

test('an exact whole, and one of which a detail would be no finer, has no details', () => {
  const few = {...SOURCE, records: 1000, lastStep: 1000};
  assert.deepEqual(
    asksFor(few, answered(few, undefined, exact(1000)), {firstStep: 5, lastStep: 9}),
    [],
  );
  const summarised = answered(SOURCE, undefined, rows(1, 20_000));
  assert.deepEqual(asksFor(SOURCE, summarised, ZOOM), []);
  const fine = {...SOURCE, pixels: 2048};
  const whole = answered(fine, undefined, rows(16, 20_000));
  assert.deepEqual(asksFor(fine, whole, {firstStep: 2, lastStep: 19_999}), []);
});

test('a run that grew is continued from the last row, with the records of a row as they are', () => {
  const grown = {...SOURCE, records: 20_010, lastStep: 20_010};
  const ask = single(asksFor(grown, WHOLE, null));
  assert.equal(ask.url, './layer?run=a&first=19969&per=32');
  const table = rows(32, 20_010, 19_968);
  const held = withTable(withAsk(WHOLE, ask), ask, table);
  const whole = wholeOf(held);
  assert.deepEqual(
    [whole?.first.length, whole?.last[624], whole?.last[625]],
    [626, 20_000, 20_010],
  );
  assert.deepEqual(asksFor(grown, held, null), []);
});

test('an exact table is continued from its last step, without a number of records a row', () => {
  const few = {...SOURCE, records: 10, lastStep: 10};
  const held = answered(few, undefined, exact(10));
  const grown = {...few, records: 12, lastStep: 12};
  const ask = single(asksFor(grown, held, null));
  assert.equal(ask.url, './layer?run=a&first=10');
  const whole = wholeOf(withTable(withAsk(held, ask), ask, exact(12, 9)));
  assert.equal(whole?.first.length, 12);
});

test('a table with twice as many rows as wanted is fetched anew', () => {
  const few = {...SOURCE, records: 2000, lastStep: 2000};
  const held = answered(few, undefined, exact(2000));
  const url = (records: number): string => single(asksFor({...few, records}, held, null)).url;
  assert.match(url(2048), /first=2000$/);
  assert.match(url(2049), /pixels=1024$/);
});

test('a detail is continued only where the run ends inside of it', () => {
  const {entry, ask} = zoomed();
  const grown = {...SOURCE, records: 20_100, lastStep: 20_100};
  const inside = withTable(entry, ask, rows(1, 6500, 4500));
  assert.deepEqual(
    asksFor(grown, inside, ZOOM).map(({level}) => level),
    ['whole'],
  );
  const last = {firstStep: 19_501, lastStep: 20_000};
  const end = single(asksFor(SOURCE, WHOLE, last));
  assert.match(end.url, /first=19251&last=20250/);
  const held = withTable(withAsk(WHOLE, end), end, rows(1, 20_000, 19_250));
  const [, more] = asksFor(grown, held, last);
  assert.equal(more.url, './layer?run=a&first=20000&per=1&last=20250');
  const table = withTable(withAsk(held, more), more, rows(1, 20_100, 19_999)).detail.held?.table;
  assert.equal(table?.last[table.last.length - 1], 20_100);
});

test('a detail without rows is fetched anew when the run grew into it', () => {
  const gap = {firstStep: 19_000, lastStep: 20_000};
  const ask = single(asksFor(SOURCE, WHOLE, gap));
  const empty = withTable(withAsk(WHOLE, ask), ask, exact(0));
  assert.deepEqual(asksFor(SOURCE, empty, gap), []);
  const grown = {...SOURCE, records: 20_100, lastStep: 20_100};
  const [, again] = asksFor(grown, empty, gap);
  assert.equal(again.url, ask.url);
});

test('a new version is fetched afresh, and the old one is drawn until it is there', () => {
  const began = {...SOURCE, version: 'v2', records: 50, lastStep: 50};
  const {entry, ask: detail} = zoomed();
  const held = withTable(entry, detail, rows(1, 6500, 4500));
  const ask = single(asksFor(began, held, ZOOM));
  assert.equal(ask.url, './layer?run=a&pixels=1024');
  const asked = withAsk(held, ask);
  assert.equal(tableOf(asked, ZOOM), held.detail.held?.table);
  const now = withTable(asked, ask, rows(32, 20_000));
  assert.equal(tableOf(now, ZOOM), wholeOf(now), 'no detail of the old version');
});

test('an answer that something newer was asked for since is dropped', () => {
  const grown = {...SOURCE, records: 20_010, lastStep: 20_010};
  const tail = single(asksFor(grown, WHOLE, null));
  const waiting = withAsk(WHOLE, tail);
  const anew = single(asksFor({...grown, version: 'v2'}, waiting, null));
  const asked = withAsk(waiting, anew);
  assert.equal(withTable(asked, tail, rows(32, 20_010, 19_968)), asked);
  assert.equal(withFailure(asked, tail, 'no'), asked);
  const fresh = withTable(asked, anew, exact(50));
  assert.equal(withTable(fresh, tail, rows(32, 20_010, 19_968)), fresh);
});

test('an answer that does not fit the table held makes it be fetched afresh, still drawn', () => {
  const grown = {...SOURCE, records: 20_010, lastStep: 20_010};
  const ask = single(asksFor(grown, WHOLE, null));
  const held = withTable(withAsk(WHOLE, ask), ask, rows(16, 20_010, 19_968));
  assert.equal(wholeOf(held), wholeOf(WHOLE));
  assert.match(single(asksFor(grown, held, null)).url, /pixels=1024$/);
});

test('a page that became wider wants more rows, where there are more', () => {
  const wider = {...SOURCE, pixels: 2048};
  assert.match(single(asksFor(wider, WHOLE, null)).url, /pixels=2048$/);
  const few = answered(SOURCE, undefined, exact(900));
  assert.deepEqual(asksFor(wider, {...few}, null), []);
});

test('what failed is asked for again on retry, or when the run has changed', () => {
  const ask = single(asksFor(SOURCE, undefined, null));
  const failed = withFailure(withAsk(undefined, ask), ask, 'no');
  assert.equal(errorOf(failed), 'no');
  assert.deepEqual(asksFor(SOURCE, failed, null), []);
  assert.equal(asksFor({...SOURCE, records: 20_001}, failed, null).length, 1);
  assert.equal(asksFor(SOURCE, withRetry(failed), null).length, 1);
  const {entry, ask: detail} = zoomed();
  const coarse = withFailure(entry, detail, 'no');
  assert.deepEqual(asksFor(SOURCE, coarse, ZOOM), []);
  assert.equal(tableOf(coarse, ZOOM), wholeOf(coarse));
});

test('a detail of a window between two records has the records around it', () => {
  const every100 = (records: number, per: number): Table => {
    const steps = Array.from({length: records / per}, (_, row) => {
      const first = 100 * (row * per + 1);
      return [first, first + 100 * (per - 1)] as const;
    });
    return decodeTable(encodeReduced(per, steps, steps.map(() => [{low: 1, high: 2}])));
  };
  const source: Source = {...SOURCE, records: 3000, lastStep: 300_000};
  const entry = answered(source, undefined, every100(3000, 4));
  const ask = single(asksFor(source, entry, {firstStep: 50_040, lastStep: 50_060}));
  const [, first, last] = /first=(\d+)&last=(\d+)/.exec(ask.url)?.map(Number) ?? [];
  assert.ok(first <= 50_000, `${first}`);
  assert.ok(last >= 50_100, `${last}`);
});

test('a detail without a record is not drawn', () => {
  const {entry, ask} = zoomed();
  const held = withTable(entry, ask, exact(0));
  assert.equal(tableOf(held, ZOOM), wholeOf(held));
});
