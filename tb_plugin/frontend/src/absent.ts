/** What the shown runs have no line of in a chart, in a line of words each, however many runs there are. Pure. */

import type {Run} from './api.ts';
import {listed} from './format.ts';
import {named} from './plain.ts';
import {hasLayer} from './selection.ts';

/** `Not recorded: a, b (Adam); c (SGD).`, of the runs that have no such statistic, by their optimizers. */
export function unrecordedWords(statistic: string, runs: readonly Run[]): string[] {
  const without = runs.filter(({statistics}) => !statistics.includes(statistic));
  if (without.length === 0) return [];
  const groups = grouped(without, ({optimizer}) => optimizer);
  const told = [...groups].map(([optimizer, some]) => `${runsWords(some)} (${optimizer})`);
  return [`Not recorded: ${told.join('; ')}.`];
}

/** `No layer of this name: a, b.`; of several layers also those that lack only some of them, those alike together. */
export function missingWords(runs: readonly Run[], layers: readonly string[]): string[] {
  const lacking = (run: Run): string[] => layers.filter(layer => !hasLayer(run, layer));
  const all = layers.length === 1 ? 'layer of this name' : 'layer of any of these names';
  if (runs.every(run => lacking(run).length === layers.length)) return [`No ticked run has a ${all}.`];
  const without = runs.filter(run => lacking(run).length > 0);
  const groups = grouped(without, run => {
    const lacks = lacking(run);
    return lacks.length === layers.length ? all : `layer ${listed(lacks.map(named))}`;
  });
  return [...groups].map(([what, some]) => `No ${what}: ${runsWords(some)}.`);
}

export function runsWords(runs: readonly Run[]): string {
  return listed(runs.map(({name}) => named(name)));
}

function grouped(runs: readonly Run[], keyOf: (run: Run) => string): Map<string, Run[]> {
  const groups = new Map<string, Run[]>();
  for (const run of runs) groups.set(keyOf(run), [...(groups.get(keyOf(run)) ?? []), run]);
  return groups;
}
