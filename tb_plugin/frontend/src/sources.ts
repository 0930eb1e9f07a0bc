/** The tables that the page shows now, and so what to ask the server for. Pure. */

import {flightUrl, layerUrl, statisticUrl, type Flight, type Run} from './api.ts';
import {asksFor, type Ask, type Source} from './levels.ts';
import {comparedRun, drawnLayers, hasLayer, selectedRun, shownRuns} from './selection.ts';
import type {State} from './state.ts';

/** Rows wanted of a curve's table: curves are narrower than the heat map, and there are seven in a chart. */
const CURVE_PIXELS = 512;

/** The statistic whose heat map shows its peaks between two records, too. */
const PEAKED = 'gradient_norm';
const PEAK = 'gradient_norm_peak';

/** The heat map's and the compared run's, the timeline's, the curves' of each shown run, the flight record. */
export function neededSources(state: State): Source[] {
  const run = selectedRun(state);
  if (run === null) return [];
  const compared = comparedRun(state);
  const needed = [
    ...mapSources(run, state),
    ...(compared === null ? [] : mapSources(compared, state)),
    ...lossSources(run),
    ...shownRuns(state).flatMap(other => curveSources(other, drawnLayers(state))),
    ...(run.flight === null ? [] : [flightSource(run, run.flight)]),
  ];
  return [...new Map(needed.map(source => [source.url, source])).values()];
}

/** The address of the peaks of a run's statistic between two records; null where there are none. */
export function peakUrl(run: Run, statistic: string): string | null {
  const recorded = statistic === PEAKED && run.statistics.includes(PEAK);
  return recorded ? statisticUrl(run.name, PEAK) : null;
}

/** The address of the largest losses since the record before. */
export function lossPeakUrl({name}: Run): string {
  return statisticUrl(name, 'loss_peak');
}

function mapSources(run: Run, {statistic, pixels}: State): Source[] {
  if (!run.statistics.includes(statistic)) return [];
  const peak = peakUrl(run, statistic);
  const urls = [statisticUrl(run.name, statistic), ...(peak === null ? [] : [peak])];
  return urls.map(url => source(run, url, pixels));
}

function lossSources(run: Run): Source[] {
  if (run.lastLoss === null) return [];
  const urls = [statisticUrl(run.name, 'loss'), lossPeakUrl(run)];
  return urls.map(url => source(run, url, CURVE_PIXELS));
}

function curveSources(run: Run, layers: readonly string[]): Source[] {
  const {name} = run;
  const urls = [
    statisticUrl(name, 'learning_rate'),
    ...(run.lossScaled ? [statisticUrl(name, 'loss_scale')] : []),
    ...layers.filter(layer => hasLayer(run, layer)).map(layer => layerUrl(name, layer)),
  ];
  const curves = urls.map(url => source(run, url, CURVE_PIXELS));
  return [...lossSources(run), ...curves];
}

function source(run: Run, url: string, pixels: number): Source {
  const {records, lastStep} = run;
  return {url, version: versionOf(run), records, lastStep, pixels};
}

/** A flight record has no levels of detail, and is not added to but written anew. */
function flightSource(run: Run, {firstStep, lastStep, updates}: Flight): Source {
  const version = [versionOf(run), firstStep, lastStep, updates].join(' ');
  return {url: flightUrl(run.name), version, records: updates, lastStep, pixels: null};
}

function versionOf({origin, generation}: Run): string {
  return `${origin} ${generation}`;
}

/** What to ask the server for now. */
export function missingAsks(state: State): Ask[] {
  return neededSources(state).flatMap(needed =>
    asksFor(needed, state.tables.get(needed.url), state.zoom),
  );
}
