/** Which charts a layer gets, and what is known of the values in them. Pure. */

import type {Run, Scale, Table} from './api.ts';

/** One chart of a layer; `band` says what its band is, `also` what else is drawn in it. */
interface LayerChart {
  name: string;
  low: string | null;
  high: string | null;
  band?: string;
  also?: Also;
}

/** A second statistic in a chart, where it differs from the first. */
export interface Also {
  name: string;
  /** What its lines are called after the names of the first one's. */
  words: string;
}

/** Values to compare with: a range, or a level where both ends are the same. */
export interface Reference {
  from: number;
  to: number;
  words: string;
}

/** What the band above a line is whose peaks between two records are recorded, too. */
export const PEAK_BAND = 'Band: up to the largest of all steps since the record before';
const RANGE = 'Band: from the smallest entry to the largest';

const LAYER_CHARTS: readonly LayerChart[] = [
  {
    name: 'gradient_norm',
    low: null,
    high: 'gradient_norm_peak',
    band: PEAK_BAND,
    also: {name: 'clipped_gradient_norm', words: 'after clipping'},
  },
  {name: 'm_rms', low: null, high: null},
  {name: 'momentum_rms', low: null, high: null},
  {name: 'u_mean', low: 'u_min', high: 'u_max', band: RANGE},
  {name: 'v_mean', low: 'v_min', high: 'v_max', band: RANGE},
  {name: 'accumulator_mean', low: 'accumulator_min', high: 'accumulator_max', band: RANGE},
  {name: 'step_size', low: null, high: null},
  {name: 'update_ratio', low: null, high: null},
  {name: 'saturation', low: null, high: null},
  {name: 'dead_units', low: null, high: null},
  {name: 'descent_share', low: null, high: null},
];

/** The charts of a layer: the usual ones and the selected statistic's, without those that none of the runs records. */
export function layerCharts(statistic: string, runs: readonly Run[]): LayerChart[] {
  const usual = LAYER_CHARTS.some(({name}) => name === statistic);
  const wanted = usual ? LAYER_CHARTS : [...LAYER_CHARTS, {name: statistic, low: null, high: null}];
  return wanted.filter(({name}) => runs.some(({statistics}) => statistics.includes(name)));
}

/**
 * The 5th and the 95th percentile of `update_ratio`, to one digit: 1.8e-4 and 2.9e-2. Measured on the 58 healthy
 * programs of the tuning part of tests/diagnosis (26 with Adam, 13 SGD, 12 AdaMax, 7 RMSprop), of their 170 kernels
 * (variables of two or more axes), at every update after the first tenth: 58,050 values. 90 % of them lie within.
 */
const USUAL_RATIO: Reference = {
  from: 2e-4,
  to: 3e-2,
  words:
    'Shaded: the usual range, 0.0002 to 0.03. 90 % of the values of kernels in the 58 healthy runs ' +
    'that adamax-tb was developed on lie in it.',
};

/** What AdaMax's |m̂| / u comes to while the gradient is nothing but noise, with beta_2 = 0.999. */
const NOISE_FLOOR: Reference = {
  from: 0.068,
  to: 0.068,
  words: 'Dotted: 0.068, where gradients that are pure noise lie (AdaMax, beta_2 = 0.999).',
};

/** What the values of a statistic can be compared with, where that holds for all of the runs. */
export function referenceOf(name: string, runs: readonly Run[]): Reference | null {
  if (runs.length === 0) return null;
  if (name === 'update_ratio') return USUAL_RATIO;
  if (name === 'saturation' && runs.every(hasNoiseFloor)) return NOISE_FLOOR;
  return null;
}

function hasNoiseFloor({optimizer, hyperparameters}: Run): boolean {
  const beta = hyperparameters.find(([name]) => name === 'beta_2')?.[1];
  return (
    optimizer.toLowerCase() === 'adamax' &&
    typeof beta === 'number' &&
    Math.abs(beta - 0.999) < 1e-6
  );
}

/** Numbers that a chart shows: a column of a table. */
export interface Column {
  table: Table;
  column: number;
}

/**
 * The scale that fits numbers: log where all of the finite ones are above zero, and the largest is at least ten to the
 * power of `decades` times the smallest; linear also where there is none.
 */
export function ownScale(columns: readonly Column[], decades = 0): Scale {
  let [least, most] = [Infinity, -Infinity];
  for (const {table, column} of columns) {
    const {low, high} = table;
    for (let at = column; at < high.length; at += table.columns) {
      if (!Number.isFinite(high[at])) continue;
      least = Math.min(least, low[at]);
      most = Math.max(most, high[at]);
    }
  }
  return least > 0 && most >= least * 10 ** decades ? 'log' : 'linear';
}

/** What units that are not clear by themselves mean. */
const UNIT_WORDS: Readonly<Record<string, string>> = {
  'loss per weight': 'the change of the loss per change of a weight',
  'weight per gradient': 'the change of a weight per unit of its gradient',
};

/** What those of the units mean that are not clear by themselves, each told once. */
export function unitWords(units: readonly string[]): string[] {
  return [...new Set(units)].flatMap(unit => {
    const meant = UNIT_WORDS[unit];
    return meant === undefined ? [] : [`${unit}: ${meant}`];
  });
}

/** A statistic's description, and its unit where that needs words. */
export function describedUnit(description: string, unit: string): string {
  const meant = UNIT_WORDS[unit];
  return meant === undefined ? description : `${description}\nUnit: ${unit}, ${meant}.`;
}
