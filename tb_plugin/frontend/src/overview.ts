/** The overview over time: what an answer of `runs` changes, and when to ask again. Pure. */

import type {Answer, ChangedRun, Loading, Overview, Run} from './api.ts';
import {formatBytes} from './format.ts';

/**
 * The overview after an answer: all of it when nothing is held, else what changed put into what is held, which itself
 * is returned when nothing did. Null when the answer leaves out layers that are not held: then all must be asked for.
 */
export function mergedOverview(held: Overview | null, answer: Answer): Overview | null {
  const {names, runs: changed, ...rest} = answer;
  const before = new Map(held?.runs.map(run => [run.name, run]));
  for (const run of changed) {
    const whole = withLayers(run, before.get(run.name));
    if (whole === null) return null;
    before.set(run.name, whole);
  }
  const runs = names.flatMap(name => before.get(name) ?? []);
  if (held === null) return {...rest, runs};
  const {runs: earlier, ...others} = held;
  const unchanged = runs.length === earlier.length && runs.every((run, at) => run === earlier[at]);
  if (unchanged && same(others, rest)) return held;
  // The same objects for what is as it was, so that nothing is drawn again.
  const {statistics} = same(held.statistics, rest.statistics) ? held : rest;
  return {...rest, statistics, runs: unchanged ? earlier : runs};
}

function withLayers(changed: ChangedRun, before: Run | undefined): Run | null {
  const {layers} = changed;
  if (layers !== null) return {...changed, layers};
  return before === undefined ? null : {...changed, layers: before.layers, origin: before.origin};
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const SOON_MS = 1000;
/** After a failure, also where the server does not look for new records. */
const RETRY_MS = 5000;

/** Milliseconds until the next look at the runs; null when the server will have nothing new by itself. */
export function pollDelay(overview: Overview | null, failed: boolean): number | null {
  const interval = 1000 * (overview?.reloadIntervalS ?? 0);
  if (failed) return interval > 0 ? interval : RETRY_MS;
  if (overview === null || unsettled(overview)) return SOON_MS;
  return interval > 0 ? interval : null;
}

/** Whether the log directory is still being read, or a run still being judged. */
export function unsettled({loading, runs}: Overview): boolean {
  return loading !== null || runs.some(({verdict}) => verdict === 'pending');
}

/** `Reading the log directory: 310 MB of 1.6 GB`. */
export function loadingWords({loadedBytes, totalBytes}: Loading): string {
  const size = totalBytes > 0 ? `: ${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}` : '…';
  return `Reading the log directory${size}`;
}
