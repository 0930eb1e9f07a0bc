import assert from 'node:assert/strict';
import {afterEach, test, vi} from 'vitest';

import {
  decodeTable,
  exportUrl,
  fetchOverview,
  flightUrl,
  layerUrl,
  partUrl,
  readOverview,
  ruleUrl,
  statisticUrl,
} from '../src/api.ts';
import {encodeReduced, encodeTable} from './table.ts';

test('an exact table decodes to its steps and values', () => {
  const table = decodeTable(
    encodeTable(
      [10, 20, 2 ** 40],
      [
        [1, 2],
        [3, 4],
        [5, Infinity],
      ],
    ),
  );
  assert.deepEqual([...table.first], [10, 20, 2 ** 40]);
  assert.deepEqual([table.per, table.columns], [0, 2]);
  assert.deepEqual([...table.high], [1, 2, 3, 4, 5, Infinity]);
  assert.deepEqual([table.last, table.low], [table.first, table.high]);
  assert.deepEqual([table.mean, table.marks], [null, null]);
});

test('a table without steps decodes', () => {
  const table = decodeTable(encodeTable([], []));
  assert.equal(table.first.length, 0);
  assert.equal(table.high.length, 0);
});

const REDUCED = encodeReduced(
  4,
  [
    [1, 4],
    [5, 7],
  ],
  [
    [{low: 1, high: 3, mean: 2}, {marks: 8}],
    [
      {low: -1, high: 1e30, mean: 0, marks: 1},
      {low: 0, high: 0, mean: 0},
    ],
  ],
);

test('a reduced table decodes to its planes, in the memory of the answer', () => {
  const table = decodeTable(REDUCED);
  assert.deepEqual([table.per, table.columns], [4, 2]);
  assert.deepEqual(
    [[...table.first], [...table.last]],
    [
      [1, 5],
      [4, 7],
    ],
  );
  assert.deepEqual([...table.high], [3, NaN, Math.fround(1e30), 0]);
  assert.deepEqual([...table.low], [1, NaN, -1, 0]);
  assert.deepEqual([...(table.mean ?? [])], [2, NaN, 0, 0]);
  assert.deepEqual([...(table.marks ?? [])], [0, 8, 1, 0]);
  assert.equal(table.bits[1], 0x7fffffff);
  for (const plane of [table.first, table.last, table.high, table.low, table.mean, table.marks])
    assert.equal(plane?.buffer, REDUCED);
});

test('a reduced table may come without means and marks', () => {
  const table = decodeTable(encodeReduced(2, [[1, 2]], [[{low: 1, high: 2}]]));
  assert.deepEqual([table.mean, table.marks], [null, null]);
  const marked = decodeTable(encodeReduced(2, [[1, 2]], [[{low: 1, high: 2, marks: 4}]]));
  assert.deepEqual([marked.mean, marked.marks?.[0]], [null, 4]);
});

const WHOLE = encodeTable(
  [1, 2],
  [
    [1, 2],
    [3, 4],
  ],
);

test('a table that is cut off at any byte is refused, and says so', () => {
  for (const whole of [WHOLE, REDUCED]) {
    for (let length = 0; length < whole.byteLength; length++)
      assert.throws(() => decodeTable(whole.slice(0, length)), /cut off/, `${length} bytes`);
  }
});

test('a table with bytes left over is refused', () => {
  for (const whole of [WHOLE, REDUCED]) {
    const longer = new Uint8Array(whole.byteLength + 4);
    longer.set(new Uint8Array(whole));
    assert.throws(() => decodeTable(longer.buffer), /too long/);
  }
});

test('planes that are not known are refused', () => {
  const odd = REDUCED.slice(0);
  new DataView(odd).setUint32(16, 4, true);
  assert.throws(() => decodeTable(odd), /unknown planes: 4/);
});

test('what is not a table is refused', () => {
  const page = new TextEncoder().encode('<!DOCTYPE html><p>Not found</p>');
  assert.throws(() => decodeTable(page.buffer), /not a table/);
});

test('addresses stay below the base of the page and escape names', () => {
  assert.equal(statisticUrl('a/b c&d', 'loss'), './statistic?run=a%2Fb+c%26d&name=loss');
  assert.equal(flightUrl('a/b c&d'), './flight?run=a%2Fb+c%26d');
  assert.equal(layerUrl('r', 'dense/kernel'), './layer?run=r&name=dense%2Fkernel');
  assert.equal(ruleUrl('dead-units', true), './rule?name=dead-units&theme=dark');
  assert.equal(ruleUrl('a&b', false), './rule?name=a%26b&theme=light');
  assert.equal(exportUrl('a&b', 'csv'), './export?run=a%26b&format=csv');
  assert.equal(partUrl('./layer?run=r', {}), './layer?run=r');
  assert.equal(partUrl('./layer?run=r', {first: 7, per: 4}), './layer?run=r&first=7&per=4');
});

const RUN = {
  name: 'exploding',
  generation: 3,
  optimizer: 'AdaMax',
  hyperparameters: {learning_rate: 0.001, amsgrad: false},
  layers: [{name: 'dense/kernel', group: 'dense', shape: [2, 3]}],
  statistics: ['gradient_norm'],
  first_step: 1,
  last_step: 400,
  records: 41,
  summarized_until: null,
  restarts: [101, 301],
  restart_count: 5,
  first_loss: null,
  last_loss: 'NaN',
  loss_curve: {high: [2.31, null], low: [0.5, null], marks: [2, 1]},
  started: 1764115200.25,
  elapsed_s: 312.5,
  flight: {first_step: 273, last_step: 400, updates: 128, reason: 'exception'},
  overhead: 0.013,
  loss_scale: null,
  loss_scaled: false,
  skipped_steps: 3,
  verdict: 'critical',
  judged_step: 400,
  findings: [
    {
      rule: 'nonfinite',
      severity: 'critical',
      layer: null,
      first_step: 40,
      last_step: 400,
      message: 'm',
      suggestion: 's',
      evidence: {count: 12, ratio: 'Infinity'},
      reference: 'Goldberg, 1991: https://docs.oracle.com/',
      consequences: [],
    },
  ],
  notes: [],
};

function answer(...runs: unknown[]): unknown {
  return {
    revision: 'f3a1-12',
    reload_interval_s: 5,
    loading: null,
    statistics: [],
    names: ['exploding'],
    runs,
    errors: [],
  };
}

test('runs are read with the numbers that JSON cannot hold', () => {
  const [run] = readOverview(answer(RUN)).runs;
  assert.equal(run.lastLoss, NaN);
  assert.equal(run.firstLoss, null);
  assert.deepEqual(run.flight, {
    firstStep: 273,
    lastStep: 400,
    updates: 128,
    reason: 'exception',
  });
  assert.deepEqual(
    [run.overhead, run.lossScale, run.lossScaled, run.skippedSteps],
    [0.013, null, false, 3],
  );
  assert.deepEqual([run.origin, run.generation], ['f3a1-12', 3]);
  assert.deepEqual([run.summarizedUntil, run.judgedStep], [null, 400]);
  assert.deepEqual(run.restarts, [101, 301]);
  assert.equal(run.restartCount, 5);
  assert.equal(run.findings[0].firstStep, 40);
  assert.equal(run.findings[0].layer, null);
  assert.deepEqual(run.findings[0].evidence, [
    ['count', 12],
    ['ratio', Infinity],
  ]);
  assert.deepEqual(run.hyperparameters, [
    ['learning_rate', 0.001],
    ['amsgrad', 'false'],
  ]);
});

test('a run is read with its loss in a few rows, and with when it began', () => {
  const [run] = readOverview(answer(RUN)).runs;
  assert.deepEqual(run.lossCurve, {high: [2.31, null], low: [0.5, null], marks: [2, 1]});
  assert.deepEqual([run.started, run.elapsedS], [1764115200.25, 312.5]);
  const [unknown] = readOverview(answer({...RUN, started: null, elapsed_s: 0})).runs;
  assert.deepEqual([unknown.started, unknown.elapsedS], [null, 0]);
  const curve = {high: [], low: []};
  assert.throws(() => readOverview(answer({...RUN, loss_curve: curve})), /marks is not a list/);
  assert.throws(() => readOverview(answer({...RUN, loss_curve: null})), /loss_curve is not an ob/);
});

test('a finding is read with its reference and with what followed from it, however deep', () => {
  const [cause] = RUN.findings;
  const last = {...cause, rule: 'dead-units', layer: 'dense/kernel', first_step: 90};
  const next = {...cause, first_step: 81, severity: 'warning', consequences: [last]};
  const [run] = readOverview(
    answer({...RUN, findings: [{...cause, consequences: [next, last]}]}),
  ).runs;
  const [found] = run.findings;
  assert.equal(found.reference, 'Goldberg, 1991: https://docs.oracle.com/');
  assert.deepEqual(
    found.consequences.map(({rule, severity, layer, firstStep}) => [
      rule,
      severity,
      layer,
      firstStep,
    ]),
    [
      ['nonfinite', 'warning', null, 81],
      ['dead-units', 'critical', 'dense/kernel', 90],
    ],
  );
  assert.equal(found.consequences[0].consequences[0].rule, 'dead-units');
});

test('a finding without its reference or consequences is refused, also within another', () => {
  const [cause] = RUN.findings;
  const read = (finding: unknown): unknown => readOverview(answer({...RUN, findings: [finding]}));
  assert.throws(() => read({...cause, reference: undefined}), /reference is not a text/);
  assert.throws(() => read({...cause, consequences: undefined}), /consequences is not a list/);
  const inside = {...cause, message: 7};
  assert.throws(() => read({...cause, consequences: [inside]}), /message is not a text/);
  assert.throws(() => read({...cause, consequences: ['then']}), /findings is not an object/);
});

test('an answer that is not as described names the field', () => {
  const without = (name: string): unknown => ({...RUN, [name]: undefined});
  assert.throws(() => readOverview(answer(without('records'))), /records is not a number/);
  assert.throws(() => readOverview(answer({...RUN, layers: null})), /layers is not a list/);
  assert.throws(() => readOverview(answer(without('generation'))), /generation is not a number/);
  assert.throws(() => readOverview(answer(without('flight'))), /flight is not an object/);
  assert.throws(() => readOverview(answer(without('overhead'))), /overhead is not a number/);
  assert.throws(() => readOverview(answer({...RUN, verdict: 'fine'})), /unknown verdict "fine"/);
  assert.throws(() => readOverview(null), /not an object/);
});

test('an answer says how far the reading is, and what is not judged or not told again', () => {
  const loading = {loaded_bytes: 5, total_bytes: 10};
  const {layers: _, ...partial} = {...RUN, verdict: null, judged_step: null, findings: []};
  const read = readOverview({...(answer(partial) as object), loading, reload_interval_s: 0.5});
  assert.deepEqual(read.loading, {loadedBytes: 5, totalBytes: 10});
  assert.deepEqual(
    [read.revision, read.reloadIntervalS, read.names],
    ['f3a1-12', 0.5, ['exploding']],
  );
  const [run] = read.runs;
  assert.deepEqual([run.verdict, run.judgedStep, run.layers], ['pending', null, null]);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test('a server that never answers is given up, and so is one that is gone', async () => {
  const given = new AbortController();
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(given.signal);
  const silent = (_: string, {signal}: {signal: AbortSignal}): Promise<Response> =>
    new Promise((_done, failed) => signal.addEventListener('abort', () => failed(signal.reason)));
  vi.stubGlobal('fetch', silent);
  const asked = fetchOverview(null);
  given.abort();
  await assert.rejects(asked, /has not answered for 60 seconds/);
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(new AbortController().signal);
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await assert.rejects(fetchOverview(null), /Is it still running/);
});
