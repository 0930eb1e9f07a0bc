/** What findings mean for the page: which run first, which statistic to look at, how to say it in a line. Pure. */

import type {Finding, Overview, Run, Verdict} from './api.ts';
import {counted, formatNumber, formatPercent, formatStep} from './format.ts';
import {named} from './plain.ts';

/** What nothing is said of is taken for healthy. */
export const RANKS: Readonly<Record<Verdict, number>> = {
  critical: 0,
  warning: 1,
  info: 2,
  muted: 3,
  early: 3,
  pending: 3,
  healthy: 3,
};

/** The first run with the worst verdict; null without runs. */
export function worstRun({runs}: Overview): Run | null {
  const rank = (run: Run): number => RANKS[run.verdict];
  return runs.reduce<Run | null>(
    (worst, run) => (worst === null || rank(run) < rank(worst) ? run : worst),
    null,
  );
}

/** The statistics that show a rule at work, best first. */
const SHOWS: Readonly<Record<string, readonly string[]>> = {
  nonfinite: ['nonfinite', 'gradient_norm'],
  'exploding-gradient': ['gradient_norm'],
  'vanishing-gradient': ['gradient_norm'],
  'dead-units': ['dead_units', 'u_zeros', 'gradient_zeros'],
  'learning-rate-too-high': ['update_ratio', 'gradient_norm'],
  'learning-rate-too-low': ['update_ratio', 'update_rms'],
  'spike-stall': ['u_mean', 'step_size'],
  'epsilon-dominated': ['u_mean', 'step_size'],
  'frozen-layer': ['update_rms', 'gradient_norm'],
  'untouched-rows': ['u_zeros', 'gradient_zeros'],
  'replicas-disagree': ['replica_spread', 'weight_norm'],
};

/** The statistic to show with a finding; null when the run records none that fits. */
export function statisticFor({rule, evidence}: Finding, run: Run): string | null {
  const weights = evidence.some(([name]) => name === 'weight_norm');
  const shows = weights ? ['weight_norm'] : (SHOWS[rule] ?? []);
  return shows.find(name => run.statistics.includes(name)) ?? null;
}

/** What a finding is known by within its run, also when it is told anew while the run grows. */
export function findingKey({rule, layer}: Pick<Finding, 'rule' | 'layer'>): string {
  return layer === null ? rule : `${rule} ${layer}`;
}

/** What each of a run's findings is known by on the page: its key, and how many before it have the same. */
export function findingIds(findings: readonly Finding[]): string[] {
  const counts = new Map<string, number>();
  return findings.map(finding => {
    const key = findingKey(finding);
    const before = counts.get(key) ?? 0;
    counts.set(key, before + 1);
    return before === 0 ? key : `${key} ${before + 1}`;
  });
}

/** The first step that a finding is about; null without one. */
export function firstBadStep({findings}: Pick<Run, 'findings'>): number | null {
  if (findings.length === 0) return null;
  return findings.reduce((step, finding) => Math.min(step, finding.firstStep), Infinity);
}

/** `Critical since step 40: exploding-gradient, with 2 consequences`, or that there is nothing; how many are muted. */
export function headline(run: Run, muted = 0): string {
  const said = verdictWords(run);
  return muted === 0 ? said : `${said}; ${counted(muted, 'finding')} muted`;
}

function verdictWords(run: Run): string {
  const {findings, verdict} = run;
  if (verdict === 'pending') return 'Not judged yet';
  if (verdict === 'early') return 'Too early to judge';
  if (verdict === 'muted') return 'No other finding';
  const first = firstBadStep(run);
  if (first === null) return 'Healthy: no finding';
  const word = verdict.charAt(0).toUpperCase() + verdict.slice(1);
  const following = findings.reduce((count, {consequences}) => count + consequences.length, 0);
  const what = findings.length === 1 ? findings[0].rule : counted(findings.length, 'finding');
  const more = following === 0 ? '' : `, with ${counted(following, 'consequence')}`;
  return `${word} since step ${formatStep(first)}: ${what}${more}`;
}

/** How the loss went: `Loss 2.31 → 0.08 over 400 steps, 41 of them recorded.` */
export function progress(run: Run): string {
  if (run.records === 1) {
    const loss = run.lastLoss === null ? 'Loss not recorded' : `Loss ${formatNumber(run.lastLoss)}`;
    return `${loss} at step ${formatStep(run.lastStep)}, the only record so far.`;
  }
  const loss =
    run.firstLoss === null || run.lastLoss === null
      ? 'Loss not recorded'
      : `Loss ${formatNumber(run.firstLoss)} → ${formatNumber(run.lastLoss)}`;
  const recorded = run.records === run.lastStep ? 'all' : formatStep(run.records);
  return `${loss} over ${counted(run.lastStep, 'step')}, ${recorded} of them recorded.`;
}

/** A verdict is about so much of a run, or it is told how far it reaches. */
const JUDGED_PART = 0.9;

/** What recording took and what loss scaling did, where there is something to say. */
export function circumstances(run: Run): string[] {
  const {overhead, lossScale, skippedSteps, judgedStep, lastStep} = run;
  const scaled = lossScale !== null && lossScale !== 1;
  const scaling = [
    ...(scaled ? [`loss scale ${formatNumber(lossScale)}`] : []),
    ...(skippedSteps > 0 ? [`${counted(skippedSteps, 'batch', 'batches')} skipped`] : []),
  ];
  const behind = judgedStep !== null && judgedStep < JUDGED_PART * lastStep;
  return [
    ...(behind ? [`judged up to step ${formatStep(judgedStep)}`] : []),
    ...(overhead === null ? [] : [`recording took ${formatPercent(overhead)} of the time`]),
    ...(scaling.length === 0 ? [] : [scaling.join(', ')]),
  ];
}

/** `Then, since step 81: nonfinite in dense_1/kernel`. */
export function consequenceWords({rule, layer, firstStep}: Finding): string {
  const where = layer === null ? '' : ` in ${named(layer)}`;
  return `Then, since step ${formatStep(firstStep)}: ${rule}${where}`;
}

/** A stretch of a text: words, or an address that they hold. */
export interface Stretch {
  words: string;
  address: string | null;
}

/** A text with the http and https addresses in it told apart; a stop or bracket after one is not a part of it. */
export function stretches(text: string): Stretch[] {
  return text
    .split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/)
    .map((words, index) => ({words, address: index % 2 === 1 ? words : null}))
    .filter(({words}) => words !== '');
}

/** `in dense_1/kernel since step 40 (until 400)`. */
export function place({layer, firstStep, lastStep}: Finding): string {
  const where = layer === null ? 'the whole run' : named(layer);
  const until =
    lastStep > firstStep
      ? `since step ${formatStep(firstStep)} (until ${formatStep(lastStep)})`
      : `at step ${formatStep(firstStep)}`;
  return `in ${where} ${until}`;
}
