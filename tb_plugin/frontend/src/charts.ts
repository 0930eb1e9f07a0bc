/** Which charts a layer gets. Pure. */

import type {Run} from './api.ts';

/** One chart of a layer; `band` says what its band is. */
export interface LayerChart {
  name: string;
  low: string | null;
  high: string | null;
  band?: string;
}

const RANGE = 'Band: from the smallest entry to the largest';

const LAYER_CHARTS: readonly LayerChart[] = [
  {
    name: 'gradient_norm',
    low: null,
    high: 'gradient_norm_peak',
    band: 'Band: up to the largest of all steps since the record before',
  },
  {name: 'm_rms', low: null, high: null},
  {name: 'momentum_rms', low: null, high: null},
  {name: 'u_mean', low: 'u_min', high: 'u_max', band: RANGE},
  {name: 'v_mean', low: 'v_min', high: 'v_max', band: RANGE},
  {name: 'accumulator_mean', low: 'accumulator_min', high: 'accumulator_max', band: RANGE},
  {name: 'step_size', low: null, high: null},
  {name: 'update_ratio', low: null, high: null},
];

/** The charts of a layer: the usual ones and the selected statistic's, without those that none of the runs records. */
export function layerCharts(statistic: string, runs: readonly Run[]): LayerChart[] {
  const usual = LAYER_CHARTS.some(({name}) => name === statistic);
  const wanted = usual ? LAYER_CHARTS : [...LAYER_CHARTS, {name: statistic, low: null, high: null}];
  return wanted.filter(({name}) => runs.some(({statistics}) => statistics.includes(name)));
}
