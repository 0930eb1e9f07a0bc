/** The plugin's routes: the only file that fetches and decodes. It draws nothing and keeps nothing. */

export type Severity = 'critical' | 'warning' | 'info';
export type Verdict = Severity | 'healthy';
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
}

/** The last updates before something went wrong, each of them kept. */
export interface Flight {
  firstStep: number;
  lastStep: number;
  updates: number;
  /** Why the last stretch of it was written. */
  reason: string;
}

export interface Run {
  name: string;
  optimizer: string;
  hyperparameters: [name: string, value: string | number][];
  layers: Layer[];
  statistics: string[];
  firstStep: number;
  lastStep: number;
  records: number;
  /** The updates before which m and u were cleared; of several between two records the last. */
  restarts: number[];
  /** How often they were, all counted. */
  restartCount: number;
  firstLoss: number | null;
  lastLoss: number | null;
  flight: Flight | null;
  /** The part of the training time that recording takes. */
  overhead: number | null;
  lossScale: number | null;
  /** Whether a record has a loss scale other than 1. */
  lossScaled: boolean;
  /** Batches that loss scaling threw away. */
  skippedSteps: number;
  verdict: Verdict;
  findings: Finding[];
  notes: string[];
}

export interface RunError {
  run: string;
  error: string;
}

/** The answer of `runs`: everything but the numbers. */
export interface Overview {
  statistics: Statistic[];
  runs: Run[];
  errors: RunError[];
}

/** Numbers over steps: `values` holds row after row, `bits` is the same memory as unsigned integers. */
export interface Table {
  steps: Float64Array;
  columns: number;
  values: Float32Array;
  bits: Uint32Array;
}

/** The bits of *not recorded*: a NaN whose payload JavaScript does not promise to keep, so it is compared as bits. */
export const NOT_RECORDED = 0x7fffffff;

const HEADER_BYTES = 16;
const SIGNATURE = 'AOH1';

/** Decodes the binary table of http_api.md; throws an Error that says what is wrong with the bytes. */
export function decodeTable(buffer: ArrayBuffer): Table {
  if (buffer.byteLength < HEADER_BYTES) {
    throw new Error(
      `The answer is cut off: ${buffer.byteLength} bytes, a table has at least ${HEADER_BYTES}.`,
    );
  }
  const head = new DataView(buffer, 0, HEADER_BYTES);
  const signature = String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  if (signature !== SIGNATURE) {
    throw new Error(
      `The answer is not a table: it starts with “${signature}”, not “${SIGNATURE}”.`,
    );
  }
  const rows = head.getUint32(4, true);
  const columns = head.getUint32(8, true);
  const expected = HEADER_BYTES + 8 * rows + 4 * rows * columns;
  if (buffer.byteLength !== expected) {
    const state = buffer.byteLength < expected ? 'cut off' : 'too long';
    throw new Error(
      `The answer is ${state}: ${buffer.byteLength} bytes, ${rows} steps × ${columns} columns take ${expected}.`,
    );
  }
  const start = HEADER_BYTES + 8 * rows;
  return {
    steps: new Float64Array(buffer, HEADER_BYTES, rows),
    columns,
    values: new Float32Array(buffer, start, rows * columns),
    bits: new Uint32Array(buffer, start, rows * columns),
  };
}

/** The values of one column. *Not recorded* and NaN both read as NaN here; `bits` tells them apart. */
export function column(table: Table, index: number): {values: Float32Array; recorded: Uint8Array} {
  const rows = table.steps.length;
  const values = new Float32Array(rows);
  const recorded = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * table.columns + index;
    values[row] = table.values[at];
    recorded[row] = table.bits[at] === NOT_RECORDED ? 0 : 1;
  }
  return {values, recorded};
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

export async function fetchOverview(): Promise<Overview> {
  const response = await answered('./runs');
  return readOverview(await response.json());
}

export async function fetchTable(url: string): Promise<Table> {
  const response = await answered(url);
  return decodeTable(await response.arrayBuffer());
}

async function answered(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error('TensorBoard does not answer. Is it still running?');
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
export function readOverview(body: unknown): Overview {
  const answer = record(body, 'runs');
  return {
    statistics: list(answer, 'statistics').map(readStatistic),
    runs: list(answer, 'runs').map(readRun),
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

function readRun(entry: unknown): Run {
  const run = record(entry, 'runs');
  return {
    name: text(run, 'name'),
    optimizer: text(run, 'optimizer'),
    hyperparameters: Object.entries(record(run.hyperparameters, 'hyperparameters')).map(
      ([name, value]) => [name, typeof value === 'number' ? value : String(value)],
    ),
    layers: list(run, 'layers').map(readLayer),
    statistics: list(run, 'statistics').map(String),
    firstStep: number(run, 'first_step'),
    lastStep: number(run, 'last_step'),
    records: number(run, 'records'),
    restarts: list(run, 'restarts').map(Number),
    restartCount: number(run, 'restart_count'),
    firstLoss: numberOrNull(run, 'first_loss'),
    lastLoss: numberOrNull(run, 'last_loss'),
    flight: run.flight === null ? null : readFlight(run.flight),
    overhead: numberOrNull(run, 'overhead'),
    lossScale: numberOrNull(run, 'loss_scale'),
    lossScaled: run.loss_scaled === true,
    skippedSteps: number(run, 'skipped_steps'),
    verdict: readVerdict(run.verdict),
    findings: list(run, 'findings').map(readFinding),
    notes: list(run, 'notes').map(String),
  };
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
    shape: list(layer, 'shape').map(Number),
  };
}

function readFinding(entry: unknown): Finding {
  const finding = record(entry, 'findings');
  const severity = readVerdict(finding.severity);
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
  };
}

function readVerdict(value: unknown): Verdict {
  if (value === 'critical' || value === 'warning' || value === 'info' || value === 'healthy')
    return value;
  throw new Error(`runs: unknown verdict ${JSON.stringify(value)}`);
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
  const value = of[name];
  if (typeof value !== 'string') throw new Error(`runs: ${name} is not a text`);
  return value;
}

/** A number, or one of the three words that JSON cannot hold as a number. */
function number(of: Json, name: string): number {
  const value = of[name];
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  throw new Error(`runs: ${name} is not a number`);
}

function numberOrNull(of: Json, name: string): number | null {
  return of[name] === null ? null : number(of, name);
}
