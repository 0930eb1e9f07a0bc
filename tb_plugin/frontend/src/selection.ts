/** What of the state the page is about: runs, steps, scales. Pure. */

import type {Run, Scale} from './api.ts';
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

/** The steps that the selected and the shown runs cover together. */
export function allSteps(state: Pick<State, 'overview' | 'run' | 'shown'>): Zoom {
  const selected = selectedRun(state);
  const runs = [...shownRuns(state), ...(selected === null ? [] : [selected])];
  const firstStep = runs.reduce((least, run) => Math.min(least, run.firstStep), Infinity);
  const lastStep = runs.reduce((most, run) => Math.max(most, run.lastStep), -Infinity);
  return firstStep <= lastStep ? {firstStep, lastStep} : {firstStep: 0, lastStep: 1};
}

/** The scale of a chart: the user's, else the statistic's own. */
export function scaleOf({scales}: Pick<State, 'scales'>, name: string, own: Scale): Scale {
  return scales.get(name) ?? own;
}

export function hasLayer(run: Run, layer: string): boolean {
  return run.layers.some(({name}) => name === layer);
}

/** Of each run the colour in which everything of it is drawn, which is its own for as long as the page is open. */
export function runColors({order, dark}: Pick<State, 'order' | 'dark'>): Map<string, string> {
  return new Map(order.map((name, index) => [name, runColor(index, dark)]));
}
