/** What of the state the page is about: runs, steps, scales. Pure. */

import type {Layer, Run, Scale} from './api.ts';
import {runColor} from './palette.ts';
import type {State} from './state.ts';
import type {Zoom} from './zoom.ts';

export function runNamed(state: Pick<State, 'overview'>, name: string | null): Run | null {
  return state.overview?.runs.find(run => run.name === name) ?? null;
}

export function selectedRun(state: Pick<State, 'overview' | 'run'>): Run | null {
  return runNamed(state, state.run);
}

/** A run as the server told it, with the findings that are muted. */
export function runToldAs({told}: Pick<State, 'told'>, name: string): Run | null {
  return told?.runs.find(run => run.name === name) ?? null;
}

/** The run beside the selected one, if there is one and it is another. */
export function comparedRun(state: Pick<State, 'overview' | 'run' | 'compared'>): Run | null {
  return state.compared === state.run ? null : runNamed(state, state.compared);
}

/** The runs drawn in the curves, in the order of the list. */
export function shownRuns(state: Pick<State, 'overview' | 'shown'>): Run[] {
  return state.overview?.runs.filter(run => state.shown.has(run.name)) ?? [];
}

/** The steps of the selected run, and of the one that it is compared with: what charts show without a window. */
export function allSteps(state: Pick<State, 'overview' | 'run' | 'compared'>): Zoom {
  const runs = [selectedRun(state), comparedRun(state)].filter(run => run !== null);
  const firstStep = runs.reduce((least, run) => Math.min(least, run.firstStep), Infinity);
  const lastStep = runs.reduce((most, run) => Math.max(most, run.lastStep), -Infinity);
  return firstStep <= lastStep ? {firstStep, lastStep} : {firstStep: 0, lastStep: 1};
}

/** The scale of a chart: the user's, else the statistic's own. */
export function scaleOf({scales}: Pick<State, 'scales'>, name: string, own: Scale): Scale {
  return scales.get(name) ?? own;
}

/** The names of a run's layers, found once: they are asked for with every change of the state. */
const layerNames = new WeakMap<readonly Layer[], ReadonlySet<string>>();

export function hasLayer({layers}: Run, layer: string): boolean {
  const known = layerNames.get(layers) ?? new Set(layers.map(({name}) => name));
  layerNames.set(layers, known);
  return known.has(layer);
}

/** Lines in a chart that can still be told apart, and fetched and drawn in a moment. */
const MOST_LINES = 96;

/** The layers drawn in the curves: the first selected ones, as many as there is room for with the shown runs. */
export function drawnLayers(state: Pick<State, 'overview' | 'shown' | 'layers'>): readonly string[] {
  const most = Math.max(1, Math.floor(MOST_LINES / Math.max(1, shownRuns(state).length)));
  return state.layers.length <= most ? state.layers : state.layers.slice(0, most);
}

/** Of each run the colour in which everything of it is drawn, which is its own for as long as the page is open. */
export function runColors({
  order,
  dark,
}: Pick<State, 'order' | 'dark'>): ReadonlyMap<string, string> {
  const theme = dark ? inDark : inLight;
  const known =
    theme.get(order) ?? new Map(order.map((name, index) => [name, runColor(index, dark)]));
  theme.set(order, known);
  return known;
}

type Colored = WeakMap<readonly string[], ReadonlyMap<string, string>>;
const inDark: Colored = new WeakMap();
const inLight: Colored = new WeakMap();
