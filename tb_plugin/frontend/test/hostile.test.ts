/** Whatever a server answers is a table or a list of runs, or one Error that says what is wrong: nothing in between. */

import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {env} from 'node:process';
import {afterEach, test, vi} from 'vitest';

import {decodeTable, fetchOverview, NOT_RECORDED, readOverview, type Table} from '../src/api.ts';
import {cellWords, continued, kindOf, marksAt, mostAlarming, rowOf, rowStart} from '../src/table.ts';

const CORPUS = join(import.meta.dirname, '../../../tests/corpus');
/** tests/endurance/fuzz.py asks for other inputs, and more of them. */
const SEED = Number(env.FUZZ_SEED ?? 1);
const TIMES = Number(env.FUZZ_TIMES ?? 1);
const PATIENCE_MS = 60_000 * Math.max(1, TIMES);
const RUNS = readFileSync(join(CORPUS, 'runs.answer'), 'utf8');
const TABLES = readdirSync(CORPUS)
  .filter(name => name.endsWith('.answer') && name !== 'runs.answer')
  .map(name => new Uint8Array(readFileSync(join(CORPUS, name))));

/** Whole numbers from 0 to `below` (exclusive), the same for the same seed: a linear congruence. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ODD_WORDS = [0, 1, 2, 3, 4, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const ODD_STEPS = [NaN, Infinity, -Infinity, -1, 0, 1e300, 2 ** 63];

function spoiled(answer: Uint8Array, random: (below: number) => number): Uint8Array<ArrayBuffer> {
  const longer = random(4) === 0 ? random(40) : 0;
  const whole = new Uint8Array(answer.length + longer);
  whole.set(answer);
  const view = new DataView(whole.buffer);
  for (let change = random(4); change >= 0; change--) {
    const at = random(whole.length);
    const kind = random(5);
    if (kind === 0) whole[at] = random(256);
    else if (kind === 1) view.setUint32(4 * random(6) % 16, ODD_WORDS[random(ODD_WORDS.length)], true);
    else if (kind === 2 && whole.length > 40)
      view.setFloat64(16 + 8 * random(3), ODD_STEPS[random(ODD_STEPS.length)], true);
    else if (kind === 3) whole.fill(random(2) * 255, at, at + random(64));
  }
  return random(3) === 0 ? whole.slice(0, random(whole.length + 1)) : whole;
}

function bytesOf(table: Table): number {
  const planes = [table.first, table.high, table.mean, table.marks];
  if (table.per > 0) planes.push(table.last, table.low);
  return planes.reduce((sum, plane) => sum + (plane?.byteLength ?? 0), table.per > 0 ? 24 : 16);
}

/** Checks that a table is what its type says, and that whoever reads it comes to an end. */
function assertSound(table: Table, answer: Uint8Array): void {
  const rows = table.first.length;
  assert.equal(table.last.length, rows);
  assert.equal(String.fromCharCode(...answer.subarray(0, 4)), 'AOH1');
  for (const plane of [table.high, table.low, table.bits, table.mean ?? table.high])
    assert.equal(plane.length, rows * table.columns);
  assert.equal(bytesOf(table), answer.length);
  for (const plane of [table.first, table.last, table.high, table.low, table.bits])
    assert.equal(plane.buffer, answer.buffer);
  for (const step of [...ODD_STEPS, ...table.first.subarray(0, 3)]) {
    const row = rowOf(table, step);
    assert.ok(row >= -1 && row < rows, `row ${row} of ${rows}`);
    if (row >= 0) assert.ok(!Number.isNaN(rowStart(table, row)));
  }
  for (let at = 0; at < Math.min(table.high.length, 20); at++) {
    assert.ok(marksAt(table, at) >= 0);
    kindOf(table, at, 'log');
    cellWords(table, at);
  }
  if (table.high.length > 0) assert.ok(mostAlarming(table, 0, 0, rows) < rows);
}

function decoded(answer: Uint8Array<ArrayBuffer>): Table | null {
  try {
    return decodeTable(answer.buffer);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.match(error.message, /^The answer/);
    return null;
  }
}

test('what the server answers decodes', () => {
  assert.equal(TABLES.length, 8);
  for (const answer of TABLES.map(bytes => bytes.slice()))
    assertSound(decodeTable(answer.buffer), answer);
});

test('any bytes are a sound table or an error about the answer', () => {
  const random = chance(SEED);
  let tables = 0;
  for (let count = 0; count < 8000 * TIMES; count++) {
    const answer = spoiled(TABLES[count % TABLES.length], random);
    const table = decoded(answer);
    if (table === null) continue;
    assertSound(table, answer);
    tables++;
  }
  assert.ok(tables > 100, `${tables} tables`);
  for (let count = 0; count < 1000 * TIMES; count++)
    decoded(Uint8Array.from({length: random(64)}, () => random(256)));
}, PATIENCE_MS);

test('two tables of any bytes continue one another, or do not', () => {
  const random = chance(SEED + 1);
  let joins = 0;
  for (let count = 0; count < 2000 * TIMES; count++) {
    const of = TABLES[count % TABLES.length];
    const [one, other] = [of, of].map(answer => decoded(spoiled(answer, random)));
    if (one === null || other === null) continue;
    other.first[0] = one.first[one.first.length - 1];
    const whole = continued(one, other);
    if (whole === null) continue;
    assert.equal(whole.first.length, one.first.length - 1 + other.first.length);
    assert.equal(whole.high.length, whole.first.length * whole.columns);
    joins++;
  }
  assert.ok(joins > 5, `${joins} joins`);
}, PATIENCE_MS);

test('sizes that no memory holds are refused without being asked for', () => {
  const [answer] = TABLES;
  for (const [rows, columns, per] of [
    [0xffffffff, 0xffffffff, 0],
    [0xffffffff, 0xffffffff, 1],
    [0, 0xffffffff, 4],
    [0x80000000, 2, 0],
    [1, 0x40000000, 0],
  ]) {
    const odd = answer.slice();
    const head = new DataView(odd.buffer);
    [rows, columns, per].forEach((size, at) => head.setUint32(4 + 4 * at, size, true));
    assert.throws(() => decodeTable(odd.buffer), /^Error: The answer (is|has)/);
  }
});

test('steps that are no numbers, or fall, are refused', () => {
  for (const answer of TABLES.filter(({length}) => length > 300)) {
    for (const step of [NaN, Infinity, -Infinity, 1e300]) {
      const odd = answer.slice();
      new DataView(odd.buffer).setFloat64(24, step, true);
      assert.throws(() => decodeTable(odd.buffer), /steps are not in order: row [0-2] of/);
    }
  }
});

test('a number that is not recorded keeps its bits', () => {
  const [answer] = TABLES;
  const odd = answer.slice();
  new DataView(odd.buffer).setUint32(odd.length - 4, NOT_RECORDED, true);
  const {bits} = decodeTable(odd.buffer);
  assert.equal(bits[bits.length - 1], NOT_RECORDED);
});

const ODD_VALUES = [
  ...[null, true, 0, -1, 1e308, '', 'NaN', '-Infinity', 'x'.repeat(1000), [], {}, [[]], [null]],
  ...[{toString: 5, valueOf: 5}, {length: 1e9}, {constructor: null}, JSON.parse('{"__proto__": 1}')],
];

/** A copy in which one value, somewhere, is another or missing. */
function changed(body: unknown, random: (below: number) => number): unknown {
  if (typeof body !== 'object' || body === null || random(6) === 0)
    return ODD_VALUES[random(ODD_VALUES.length)];
  const entries = Object.entries(body);
  if (entries.length === 0) return ODD_VALUES[random(ODD_VALUES.length)];
  const [name, value] = entries[random(entries.length)];
  if (Array.isArray(body))
    return body.map((own, at) => (String(at) === name ? changed(value, random) : own));
  const rest = Object.fromEntries(entries.filter(([own]) => own !== name));
  return random(8) === 0 ? rest : {...rest, [name]: changed(value, random)};
}

test('any JSON is a list of runs or an error that names a field', () => {
  const random = chance(SEED + 2);
  const body: unknown = JSON.parse(RUNS);
  assert.equal(readOverview(body).runs.length, 1);
  let read = 0;
  for (let count = 0; count < 2000 * TIMES; count++) {
    let odd = body;
    for (let changes = random(3); changes >= 0; changes--) odd = changed(odd, random);
    try {
      readOverview(odd);
      read++;
    } catch (error) {
      assert.ok(error instanceof Error);
      assert.equal(error.constructor, Error);
      assert.match(error.message, /^runs: /);
    }
  }
  assert.ok(read > 20, `${read} lists`);
}, PATIENCE_MS);

test('findings that lie in one another without end are refused in words', () => {
  const body = JSON.parse(RUNS);
  let finding = {...body.runs[0].findings[0], consequences: [] as unknown[]};
  for (let depth = 0; depth < 20_000; depth++) finding = {...finding, consequences: [finding]};
  body.runs[0].findings = [finding];
  assert.throws(() => readOverview(body), /findings lie too deep/);
});

test('a hyperparameter that is no single value is refused by its name', () => {
  for (const value of [{toString: 5, valueOf: 5}, [1], null]) {
    const body = JSON.parse(RUNS);
    body.runs[0].hyperparameters = {momentum: value};
    assert.throws(() => readOverview(body), /^Error: runs: momentum is not a number$/);
  }
});

afterEach(() => vi.unstubAllGlobals());

test('an answer that is a page instead of JSON is said to be one', async () => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('<!DOCTYPE html><p>Hello</p>')));
  await assert.rejects(fetchOverview(null), /^Error: runs: the answer is not JSON/);
});
