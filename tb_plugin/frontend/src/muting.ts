/** Findings that the user does not want to hear of any more. Pure. */

import type {Finding, Overview, Run, Verdict} from './api.ts';
import {findingKey, RANKS} from './findings.ts';

/** A run that is started again under the same name is another one: what was muted is told of it. */
export function muteKey({name, started}: Pick<Run, 'name' | 'started'>, finding: Finding): string {
  return [name, started ?? '', findingKey(finding)].join('\n');
}

/** The overview without what is muted; the same objects where nothing is. */
export function outOfHearing(overview: Overview, muted: ReadonlySet<string>): Overview {
  if (muted.size === 0) return overview;
  const runs = overview.runs.map(run => withoutMuted(run, muted));
  return runs.every((run, at) => run === overview.runs[at]) ? overview : {...overview, runs};
}

/** The findings of a run that are muted, of which each has its consequences with it. */
export function mutedFindings(run: Run, muted: ReadonlySet<string>): Finding[] {
  return run.findings.filter(finding => muted.has(muteKey(run, finding)));
}

function withoutMuted(run: Run, muted: ReadonlySet<string>): Run {
  if (mutedFindings(run, muted).length === 0) return run;
  const findings = run.findings.filter(finding => !muted.has(muteKey(run, finding)));
  return {...run, findings, verdict: verdictOf(findings)};
}

/** The worst of the first causes that are left; a run is not healthy because nobody wants to hear of what it has. */
function verdictOf(findings: readonly Finding[]): Verdict {
  return findings.reduce<Verdict>(
    (worst, {severity}) => (RANKS[severity] < RANKS[worst] ? severity : worst),
    'muted',
  );
}
