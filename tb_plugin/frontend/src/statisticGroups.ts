/** The statistics by what they are about, as the heat map offers them. Pure. */

import type {Statistic} from './api.ts';

interface StatisticGroup {
  label: string;
  statistics: readonly Statistic[];
}

/** The first that fits: by the beginning of a statistic's name, which schema.py gives. */
const GROUPS: readonly [label: string, begins: RegExp][] = [
  ['Gradient', /^(gradient|clipped|nonfinite)/],
  ['Moments', /^(m|u|v|momentum|accumulator)_/],
  ['Update', /^(update|step_size|saturation|descent)/],
];
const REST = 'Weights and units';

/** The groups that have a statistic, each in the order of the list. */
export function statisticGroups(statistics: readonly Statistic[]): StatisticGroup[] {
  const groupOf = ({name}: Statistic): string =>
    GROUPS.find(([, begins]) => begins.test(name))?.[0] ?? REST;
  return [...GROUPS.map(([label]) => label), REST]
    .map(label => ({label, statistics: statistics.filter(one => groupOf(one) === label)}))
    .filter(group => group.statistics.length > 0);
}
