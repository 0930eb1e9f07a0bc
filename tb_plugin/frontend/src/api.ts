/** The plugin's routes: the only file that fetches and decodes. It draws nothing and keeps nothing. */

export type Severity = 'critical' | 'warning' | 'info';
/**
 * `early` when there are too few records to call the run healthy, `pending` until the server has judged it, `muted` when
 * the user wants to hear of none of its findings.
 */
export type Verdict = Severity | 'healthy' | 'early' | 'pending' | 'muted';
export type Scale = 'log' | 'linear';

export interface Statistic {
  name: string;
  label: string;
  description: string;
  unit: string;
  scale: Scale;
}

export interface Layer {
  name: string;
  group: string;
  shape: number[];
}

export interface Finding {
  rule: string;
  severity: Severity;
  layer: string | null;
  firstStep: number;
  lastStep: number;
  message: string;
  suggestion: string;
  evidence: [name: string, value: number][];
  /** Where to read about it: words with an address in them, or nothing. */
  reference: string;
  /** What else was found and follows from this, in the order in which it came. */
  consequences: Finding[];
}

/** The last updates before something went wrong, each of them kept. */
export interface Flight {
  firstStep: number;
  lastStep: number;
  updates: number;
  /** Why the last stretch of it was written. */
  reason: string;
}

/** The loss of a whole run in a few rows of equally many records, for a small picture; empty when none is known. */
export interface LossCurve {
  /** The largest and the smallest finite loss of each row, null without one. */
  high: (number | null)[];
  low: (number | null)[];
  /** What of a row was not finite: sums of `MARK`. */
  marks: number[];
}

/** Rows of a table stay valid, and are only added to at the end, while neither of these changes. */
interface Origin {
  /** The revision with which the run's layers came, which is new after a restart of the server, too. */
  origin: string;
  generation: number;
}

export interface Run extends Origin {
  name: string;
  optimizer: string;
  hyperparameters: [name: string, value: string | number][];
  layers: Layer[];
  statistics: string[];
  firstStep: number;
  lastStep: number;
  records: number;
  /** Up to this step only summaries are kept; null when every record is. */
  summarizedUntil: number | null;
  /** The updates before which m and u were cleared; of several between two records the last. */
  restarts: number[];
  /** How often they were, all counted. */
  restartCount: number;
  firstLoss: number | null;
  lastLoss: number | null;
  lossCurve: LossCurve;
  /** When the first record was made, in seconds since 1970. */
  started: number | null;
  /** How long after it the last one was made. */
  elapsedS: number;
  flight: Flight | null;
  /** The part of the training time that recording takes. */
  overhead: number | null;
  lossScale: number | null;
  /** Whether a record has a loss scale other than 1. */
  lossScaled: boolean;
  /** Batches that loss scaling threw away. */
  skippedSteps: number;
  verdict: Verdict;
  /** The last step that verdict and findings are about; null while there is none. */
  judgedStep: number | null;
  findings: Finding[];
  notes: string[];
}

interface RunError {
  run: string;
  error: string;
}

/** How much of the log directory was read. */
export interface Loading {
  loadedBytes: number;
  totalBytes: number;
}

/** All that is known but the numbers. */
export interface Overview {
  revision: string;
  /** How often the server looks for new records; 0 when it does not. */
  reloadIntervalS: number;
  /** Null once the log directory was read for the first time. */
  loading: Loading | null;
  statistics: Statistic[];
  runs: Run[];
  errors: RunError[];
}

/** A run as an answer tells of it: `layers` is null where they are as they were. */
export type ChangedRun = Omit<Run, 'layers'> & {layers: Layer[] | null};

/** The answer of `runs`: all of them, or of `names` those that changed. */
export type Answer = Omit<Overview, 'runs'> & {names: string[]; runs: ChangedRun[]};

/**
 * Numbers over steps, row after row. In an exact table (`per` is 0) a row is one record: `first` and `last` are the
 * same array, and so are `high` and `low`. In a reduced one a row stands for up to `per` records.
 */
export interface Table {
  per: number;
  columns: number;
  /** The first and the last step of each row. */
  first: Float64Array;
  last: Float64Array;
  /** Exact: the values, NaN and infinities among them. Reduced: largest and smallest of the finite ones. */
  high: Float32Array;
  low: Float32Array;
  /** The memory of `high` as unsigned integers. */
  bits: Uint32Array;
  /** Only in reduced tables, and there not of all. */
  mean: Float32Array | null;
  /** Only in reduced tables: sums of `MARK`; null where all are 0. */
  marks: Uint8Array | null;
}

/** The bits of *not recorded*: a NaN whose payload JavaScript does not promise to keep, so it is compared as bits. */
export const NOT_RECORDED = 0x7fffffff;

/** What is no finite number among the records of a row. */
export const MARK = {nan: 1, posinf: 2, neginf: 4, missing: 8} as const;

const SIGNATURE = 'AOH1';
const EXACT_HEADER = 16;
const REDUCED_HEADER = 24;
const MEAN_PLANE = 1;
const MARKS_PLANE = 2;

/** Decodes the binary table of http_api.md without copying; throws an Error that says what is wrong with the bytes. */
export function decodeTable(buffer: ArrayBuffer): Table {
  demand(buffer, EXACT_HEADER, 'a table has at least');
  const head = new DataView(buffer);
  const signature = String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  if (signature !== SIGNATURE) {
    throw new Error(
      `The answer is not a table: it starts with “${signature}”, not “${SIGNATURE}”.`,
    );
  }
  const rows = head.getUint32(4, true);
  const columns = head.getUint32(8, true);
  const per = head.getUint32(12, true);
  return per === 0 ? exactTable(buffer, rows, columns) : reducedTable(buffer, rows, columns, per);
}

function exactTable(buffer: ArrayBuffer, rows: number, columns: number): Table {
  const cells = rows * columns;
  const start = EXACT_HEADER + 8 * rows;
  demandAll(buffer, start + 4 * cells, rows, columns);
  const steps = new Float64Array(buffer, EXACT_HEADER, rows);
  demandOrder(steps, steps);
  const high = new Float32Array(buffer, start, cells);
  const bits = new Uint32Array(buffer, start, cells);
  return {
    per: 0,
    columns,
    first: steps,
    last: steps,
    high,
    low: high,
    bits,
    mean: null,
    marks: null,
  };
}

function reducedTable(buffer: ArrayBuffer, rows: number, columns: number, per: number): Table {
  demand(buffer, REDUCED_HEADER, 'a reduced table has at least');
  const planes = new DataView(buffer).getUint32(16, true);
  if (planes > MEAN_PLANE + MARKS_PLANE)
    throw new Error(`The answer has unknown planes: ${planes}.`);
  const cells = rows * columns;
  let end = REDUCED_HEADER;
  const claim = (bytes: number): number => (end += bytes) - bytes;
  const [first, last, high, low] = [8 * rows, 8 * rows, 4 * cells, 4 * cells].map(claim);
  const mean = planes & MEAN_PLANE ? claim(4 * cells) : null;
  const marks = planes & MARKS_PLANE ? claim(cells) : null;
  demandAll(buffer, end, rows, columns);
  const steps = [first, last].map(at => new Float64Array(buffer, at, rows));
  demandOrder(steps[0], steps[1]);
  return {
    per,
    columns,
    first: steps[0],
    last: steps[1],
    high: new Float32Array(buffer, high, cells),
    low: new Float32Array(buffer, low, cells),
    bits: new Uint32Array(buffer, high, cells),
    mean: mean === null ? null : new Float32Array(buffer, mean, cells),
    marks: marks === null ? null : new Uint8Array(buffer, marks, cells),
  };
}

function demand({byteLength}: ArrayBuffer, least: number, why: string): void {
  if (byteLength < least)
    throw new Error(`The answer is cut off: ${byteLength} bytes, ${why} ${least}.`);
}

function demandAll(
  {byteLength}: ArrayBuffer,
  expected: number,
  rows: number,
  columns: number,
): void {
  if (byteLength === expected) return;
  const state = byteLength < expected ? 'cut off' : 'too long';
  throw new Error(
    `The answer is ${state}: ${byteLength} bytes, ${rows} rows × ${columns} columns take ${expected}.`,
  );
}

/** Whoever looks for a step halves the rows: the steps must be numbers that do not fall. */
function demandOrder(first: Float64Array, last: Float64Array): void {
  let before = -Number.MAX_VALUE;
  for (let row = 0; row < first.length; row++) {
    if (!(first[row] >= before && last[row] >= first[row] && last[row] <= Number.MAX_VALUE)) {
      const which = `row ${row} of ${first.length} is from ${first[row]} to ${last[row]}`;
      throw new Error(`The answer's steps are not in order: ${which}, the one before to ${before}.`);
    }
    before = last[row];
  }
}

export function statisticUrl(run: string, name: string): string {
  return `./statistic?${new URLSearchParams({run, name})}`;
}

export function layerUrl(run: string, name: string): string {
  return `./layer?${new URLSearchParams({run, name})}`;
}

/** The flight record: a column per layer of the run, then the loss. */
export function flightUrl(run: string): string {
  return `./flight?${new URLSearchParams({run})}`;
}

/** The page about a rule, which is for people. */
export function ruleUrl(name: string, dark: boolean): string {
  return `./rule?${new URLSearchParams({name, theme: dark ? 'dark' : 'light'})}`;
}

/** What of a table is asked for; all of it without any of these. */
export interface Part {
  first?: number;
  last?: number;
  pixels?: number;
  per?: number;
}

export function partUrl(url: string, part: Part): string {
  const parameters = Object.entries(part).map(([name, value]) => `&${name}=${value}`);
  return url + parameters.join('');
}

export const EXPORT_FORMATS = {csv: 'CSV', json: 'JSON', parquet: 'Parquet'} as const;
export type ExportFormat = keyof typeof EXPORT_FORMATS;

export function exportUrl(run: string, format: ExportFormat): string {
  return `./export?${new URLSearchParams({run, format})}`;
}

/** Why the server has no such file, in its words; null when it has. */
export async function exportProblem(url: string): Promise<string | null> {
  const head = await fetch(url, {method: 'HEAD'}).catch(() => null);
  if (head?.ok) return null;
  return answered(url).then(
    () => null,
    (error: Error) => error.message,
  );
}

/** Seconds that the server may wait for the first reading to end: not long, so that its progress is soon seen. */
const WAIT_S = '0.3';

/** Asks for all runs, or for what changed since an answer with the revision `since`. */
export async function fetchOverview(since: string | null): Promise<Answer> {
  const parameters = {...(since === null ? {} : {since}), wait_s: WAIT_S};
  const response = await answered(`./runs?${new URLSearchParams(parameters)}`);
  const body: unknown = await response.json().catch(() => {
    throw new Error('runs: the answer is not JSON');
  });
  return readOverview(body);
}

export async function fetchTable(url: string, signal: AbortSignal): Promise<Table> {
  const response = await answered(url, signal);
  return decodeTable(await response.arrayBuffer());
}

/** No answer takes so long but one that will not come. */
const PATIENCE_MS = 60_000;

async function answered(url: string, signal: AbortSignal | null = null): Promise<Response> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response: Response;
  try {
    response = await fetch(url, {
      signal: signal === null ? patience : AbortSignal.any([signal, patience]),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error(
      patience.aborted
        ? `TensorBoard has not answered for ${PATIENCE_MS / 1000} seconds.`
        : 'TensorBoard does not answer. Is it still running?',
    );
  }
  if (!response.ok) {
    throw new Error(
      (await reason(response)) ?? `TensorBoard answered ${response.status} to ${url}.`,
    );
  }
  return response;
}

async function reason(response: Response): Promise<string | null> {
  try {
    const body: unknown = await response.json();
    return isRecord(body) && typeof body.error === 'string' ? body.error : null;
  } catch {
    return null;
  }
}

type Json = Record<string, unknown>;

/** Checks and renames the answer of `runs`; throws an Error that names the first field that is not as described. */
export function readOverview(body: unknown): Answer {
  const answer = record(body, 'runs');
  const revision = text(answer, 'revision');
  return {
    revision,
    reloadIntervalS: number(answer, 'reload_interval_s'),
    loading: answer.loading === null ? null : readLoading(answer.loading),
    statistics: list(answer, 'statistics').map(readStatistic),
    names: texts(answer, 'names'),
    runs: list(answer, 'runs').map(run => readRun(run, revision)),
    errors: list(answer, 'errors').map(entry => {
      const error = record(entry, 'errors');
      return {run: text(error, 'run'), error: text(error, 'error')};
    }),
  };
}

function readStatistic(entry: unknown): Statistic {
  const statistic = record(entry, 'statistics');
  return {
    name: text(statistic, 'name'),
    label: text(statistic, 'label'),
    description: text(statistic, 'description'),
    unit: text(statistic, 'unit'),
    scale: statistic.scale === 'linear' ? 'linear' : 'log',
  };
}

function readLoading(entry: unknown): Loading {
  const loading = record(entry, 'loading');
  return {loadedBytes: number(loading, 'loaded_bytes'), totalBytes: number(loading, 'total_bytes')};
}

function readRun(entry: unknown, revision: string): ChangedRun {
  const run = record(entry, 'runs');
  return {
    name: text(run, 'name'),
    origin: revision,
    generation: number(run, 'generation'),
    optimizer: text(run, 'optimizer'),
    hyperparameters: Object.entries(record(run.hyperparameters, 'hyperparameters')).map(
      ([name, value]) => [name, typeof value === 'number' ? value : word(value, name)],
    ),
    layers: run.layers === undefined ? null : list(run, 'layers').map(readLayer),
    statistics: texts(run, 'statistics'),
    firstStep: number(run, 'first_step'),
    lastStep: number(run, 'last_step'),
    records: number(run, 'records'),
    summarizedUntil: numberOrNull(run, 'summarized_until'),
    restarts: numbers(run, 'restarts'),
    restartCount: number(run, 'restart_count'),
    firstLoss: numberOrNull(run, 'first_loss'),
    lastLoss: numberOrNull(run, 'last_loss'),
    lossCurve: readLossCurve(run.loss_curve),
    started: numberOrNull(run, 'started'),
    elapsedS: number(run, 'elapsed_s'),
    flight: run.flight === null ? null : readFlight(run.flight),
    overhead: numberOrNull(run, 'overhead'),
    lossScale: numberOrNull(run, 'loss_scale'),
    lossScaled: run.loss_scaled === true,
    skippedSteps: number(run, 'skipped_steps'),
    verdict: readVerdict(run.verdict),
    judgedStep: numberOrNull(run, 'judged_step'),
    findings: list(run, 'findings').map(finding => readFinding(finding)),
    notes: texts(run, 'notes'),
  };
}

function readLossCurve(entry: unknown): LossCurve {
  const curve = record(entry, 'loss_curve');
  const losses = (name: string): (number | null)[] =>
    list(curve, name).map(value => (value === null ? null : asNumber(value, name)));
  return {high: losses('high'), low: losses('low'), marks: numbers(curve, 'marks')};
}

function readFlight(entry: unknown): Flight {
  const flight = record(entry, 'flight');
  return {
    firstStep: number(flight, 'first_step'),
    lastStep: number(flight, 'last_step'),
    updates: number(flight, 'updates'),
    reason: text(flight, 'reason'),
  };
}

function readLayer(entry: unknown): Layer {
  const layer = record(entry, 'layers');
  return {
    name: text(layer, 'name'),
    group: text(layer, 'group'),
    shape: numbers(layer, 'shape'),
  };
}

/** So deep may findings lie within one another: the rules have a few levels. */
const MOST_CONSEQUENCES = 100;

function readFinding(entry: unknown, depth = 0): Finding {
  if (depth > MOST_CONSEQUENCES) throw new Error('runs: findings lie too deep in one another');
  const finding = record(entry, 'findings');
  const severity = readSeverity(finding.severity);
  return {
    rule: text(finding, 'rule'),
    severity: severity === 'healthy' ? 'info' : severity,
    layer: finding.layer === null ? null : text(finding, 'layer'),
    firstStep: number(finding, 'first_step'),
    lastStep: number(finding, 'last_step'),
    message: text(finding, 'message'),
    suggestion: text(finding, 'suggestion'),
    evidence: Object.keys(record(finding.evidence, 'evidence')).map(name => [
      name,
      number(record(finding.evidence, 'evidence'), name),
    ]),
    reference: text(finding, 'reference'),
    consequences: list(finding, 'consequences').map(inner => readFinding(inner, depth + 1)),
  };
}

function readVerdict(value: unknown): Verdict {
  if (value === null) return 'pending';
  return value === 'early' ? value : readSeverity(value);
}

function readSeverity(value: unknown): Severity | 'healthy' {
  if (value === 'critical' || value === 'warning' || value === 'info' || value === 'healthy')
    return value;
  throw new Error(`runs: unknown verdict ${typeof value === 'string' ? `"${value}"` : typeof value}`);
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(value: unknown, name: string): Json {
  if (!isRecord(value)) throw new Error(`runs: ${name} is not an object`);
  return value;
}

function list(of: Json, name: string): unknown[] {
  const value = of[name];
  if (!Array.isArray(value)) throw new Error(`runs: ${name} is not a list`);
  return value;
}

function text(of: Json, name: string): string {
  return asText(of[name], name);
}

function asText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new Error(`runs: ${name} is not a text`);
  return value;
}

function texts(of: Json, name: string): string[] {
  return list(of, name).map(value => asText(value, name));
}

function numbers(of: Json, name: string): number[] {
  return list(of, name).map(value => asNumber(value, name));
}

/** A hyperparameter in words, where it is none of the numbers. */
function word(value: unknown, name: string): string {
  if (typeof value === 'object') throw new Error(`runs: ${name} is not a number`);
  return String(value);
}

/** A number, or one of the three words that JSON cannot hold as a number. */
function number(of: Json, name: string): number {
  return asNumber(of[name], name);
}

function asNumber(value: unknown, name: string): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  throw new Error(`runs: ${name} is not a number`);
}

function numberOrNull(of: Json, name: string): number | null {
  return of[name] === null ? null : number(of, name);
}
