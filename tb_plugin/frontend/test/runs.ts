/** Runs for the tests. */

import type {Finding, Overview, Run, Verdict} from '../src/api.ts';

export function run(name: string, change: Partial<Run> = {}): Run {
  return {
    name,
    origin: 'first',
    generation: 1,
    optimizer: 'AdaMax',
    hyperparameters: [],
    statistics: ['gradient_norm', 'u_mean', 'nonfinite'],
    layers: ['a/kernel', 'a/bias', 'b/kernel'].map(layer => ({
      name: layer,
      group: layer.slice(0, 1),
      shape: [2],
    })),
    firstStep: 1,
    lastStep: 400,
    records: 400,
    summarizedUntil: null,
    restarts: [],
    restartCount: 0,
    firstLoss: 2,
    lastLoss: 1,
    lossCurve: {high: [2, 1], low: [2, 1], marks: [0, 0]},
    started: null,
    elapsedS: 0,
    flight: null,
    overhead: null,
    lossScale: null,
    lossScaled: false,
    skippedSteps: 0,
    verdict: 'healthy',
    judgedStep: 400,
    findings: [],
    notes: [],
    ...change,
  };
}

export function overview(runs: Run[], change: Partial<Overview> = {}): Overview {
  return {
    revision: '1',
    reloadIntervalS: 5,
    loading: null,
    statistics: [],
    runs,
    errors: [],
    ...change,
  };
}

export function withVerdict(name: string, verdict: Verdict): Run {
  return run(name, {verdict});
}

export function finding(change: Partial<Finding> = {}): Finding {
  return {
    rule: 'nonfinite',
    severity: 'critical',
    layer: 'a/kernel',
    firstStep: 40,
    lastStep: 400,
    message: 'm',
    suggestion: 's',
    evidence: [],
    reference: '',
    consequences: [],
    ...change,
  };
}
