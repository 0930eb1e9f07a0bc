/** The flight record: which layer to show of it, what it is in a sentence, which findings fall into it. Pure. */

import type {Finding, Flight, Run, Severity} from './api.ts';
import {counted, formatStep} from './format.ts';
import {named} from './plain.ts';
import {hasLayer} from './selection.ts';

/** A step with a line of its own in a chart. */
export interface Mark {
  step: number;
  severity: Severity;
  words: string;
}

/** The same list wherever there is none, so that nothing is drawn again. */
export const NO_MARKS: readonly Mark[] = [];

/** What was written out reaches until somebody looked and noticed, some updates after what is wrong. */
const REASONS: Readonly<Record<string, string>> = {
  'nonfinite gradient': 'until a gradient that is not finite was noticed',
  'nonfinite loss': 'until a loss that is not finite was noticed',
  'critical finding': 'until a critical finding was noticed',
  exception: 'before an exception',
  interrupt: 'before an interrupt',
  termination: 'before the process was ended from outside',
};

/** So many updates before a fault are kept, and all from there on: `FLIGHT_STEPS` of adamax_tb/sentinel.py. */
const KEPT = 128;
const JOINED =
  `Before each fault ${KEPT} are kept, and those after it until it is noticed; ` +
  'records that overlap are joined.';

/** `The last 128 updates until a critical finding was noticed, steps 273–400, every single one.` */
export function flightSentence({firstStep, lastStep, updates, reason}: Flight): string {
  const why = REASONS[reason] ?? `(${reason})`;
  const [first, last] = [formatStep(firstStep), formatStep(lastStep)];
  if (updates === 1) return `The last update ${why}, step ${last}.`;
  if (updates === lastStep - firstStep + 1)
    return (
      `The last ${counted(updates, 'update')} ${why}, steps ${first}–${last}, every single one.` +
      (updates > KEPT ? ` ${JOINED}` : '')
    );
  return (
    `${counted(updates, 'update')} in several stretches between steps ${first} and ${last}, ` +
    `the last stretch ${why}, every single one.`
  );
}

/** The names of the columns of a run's flight record; a layer may be called loss. */
export function flightColumns(run: Run): string[] {
  return [...run.layers.map(({name}) => layerColumn(name)), LOSS_COLUMN];
}

export const LOSS_COLUMN = 'loss';

export function layerColumn(layer: string): string {
  return `layer ${layer}`;
}

/** The layer whose gradient is shown: the selected one, else the one of the worst finding that names a layer. */
export function flightLayer(selected: string | null, run: Run): string | null {
  if (selected !== null) return selected;
  const findings = run.findings.filter(({layer}) => layer !== null && hasLayer(run, layer));
  const worst = findings.find(({severity}) => severity === 'critical') ?? findings[0];
  return worst?.layer ?? null;
}

/** The findings that begin within the steps: those of one rule and step together, whatever their layers. */
export function flightMarks(run: Run, steps: readonly number[]): Mark[] {
  const inside = new Set(steps);
  return marksOf(
    run,
    run.findings.filter(({firstStep}) => inside.has(firstStep)),
  );
}

/**
 * What went wrong first in a run, of `layers` those that concern one of them or no layer at all; consequences are left
 * out.
 */
export function causeMarks(run: Run | null, layers: readonly string[] | null): Mark[] {
  if (run === null) return [];
  const concern = ({layer}: Finding): boolean =>
    layers === null || layer === null || layers.includes(layer);
  return marksOf(run, run.findings.filter(concern));
}

function marksOf(run: Run, findings: readonly Finding[]): Mark[] {
  const alike = ({rule, firstStep}: Finding): Finding[] =>
    findings.filter(other => other.rule === rule && other.firstStep === firstStep);
  const firsts = findings.filter(finding => alike(finding)[0] === finding);
  return firsts.map(first => ({
    step: first.firstStep,
    severity: first.severity,
    words: `${named(run.name)}: ${first.rule} ${place(first, alike(first).length - 1)}`,
  }));
}

/** `in dense/kernel and 3 other layers at step 400`. */
function place({layer, firstStep}: Finding, others: number): string {
  const more = others > 0 ? ` and ${counted(others, 'other layer')}` : '';
  const where = layer === null ? '' : `in ${named(layer)}${more} `;
  return `${where}at step ${formatStep(firstStep)}`;
}
