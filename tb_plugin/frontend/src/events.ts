/** Findings and restarts on an axis of steps, those that lie close together as one. Pure. */

import type {Finding, Severity} from './api.ts';
import {counted, formatStep} from './format.ts';
import type {Layout} from './layout.ts';
import {named} from './plain.ts';

/** The steps after `low` up to `high` across `width` CSS pixels. */
export type Span = Pick<Layout, 'low' | 'high' | 'width'>;

/** A finding, and of what it is a consequence, or null. */
export interface Told {
  finding: Finding;
  cause: Finding | null;
}

/** What is shown in one place: one event, or several that have no room beside each other. */
export interface EventMark {
  /** Where the first of them is, in CSS pixels. */
  x: number;
  firstStep: number;
  lastStep: number;
  /** In the order of their steps, of one step the causes first. */
  findings: Told[];
  restarts: number[];
  /** The worst of the findings; null for restarts alone. */
  severity: Severity | null;
  /** Whether all findings are consequences of others. */
  minor: boolean;
}

/** An event needs so much room, and its count so much more for each digit. */
const EVENT_WIDTH = 12;
const DIGIT_WIDTH = 7;

export function countOf({findings, restarts}: EventMark): number {
  return findings.length + restarts.length;
}

/** How wide a mark is, in CSS pixels: it begins `EVENT_WIDTH / 2` before its `x`. */
export function widthOfMark(mark: EventMark): number {
  const count = countOf(mark);
  return EVENT_WIDTH + (count === 1 ? 0 : DIGIT_WIDTH * String(count).length);
}

interface Event {
  step: number;
  x: number;
  told: Told | null;
}

/**
 * The marks from left to right, as far as they begin in view; none overlaps another.
 *
 * @param findings first causes, with their consequences.
 * @param restarts the updates before which m and u were cleared; a restart is marked where the step before it ends.
 */
export function eventMarks(
  findings: readonly Finding[],
  restarts: readonly number[],
  span: Span,
): EventMark[] {
  const marks: EventMark[] = [];
  for (const event of eventsIn(findings, restarts, span)) {
    const mark = marks[marks.length - 1];
    if (mark !== undefined && event.x - mark.x < widthOfMark(mark)) add(mark, event);
    else marks.push(markOf(event));
  }
  return marks;
}

function eventsIn(
  findings: readonly Finding[],
  restarts: readonly number[],
  {low, high, width}: Span,
): Event[] {
  const told = findings.flatMap<Told>(finding => [
    {finding, cause: null},
    ...finding.consequences.map(each => ({finding: each, cause: finding})),
  ]);
  const x = (edge: number): number => ((edge - low) / (high - low)) * width;
  const events: Event[] = [
    ...told.map(each => {
      const step = each.finding.firstStep;
      return {step, x: x(step - 0.5), told: each};
    }),
    ...restarts.map(step => ({step, x: x(step - 1), told: null})),
  ];
  const rank = ({told: each}: Event): number => (each === null ? 2 : each.cause === null ? 0 : 1);
  return events
    .filter(({step}) => low < step && step <= high)
    .sort((one, other) => one.x - other.x || rank(one) - rank(other));
}

function markOf(event: Event): EventMark {
  const {step, x} = event;
  const mark: EventMark = {
    x,
    firstStep: step,
    lastStep: step,
    findings: [],
    restarts: [],
    severity: null,
    minor: true,
  };
  add(mark, event);
  return mark;
}

const RANKS: Record<Severity, number> = {critical: 0, warning: 1, info: 2};

function add(mark: EventMark, {step, told}: Event): void {
  mark.firstStep = Math.min(mark.firstStep, step);
  mark.lastStep = Math.max(mark.lastStep, step);
  if (told === null) {
    mark.restarts.push(step);
    return;
  }
  const {severity} = told.finding;
  mark.findings.push(told);
  if (mark.severity === null || RANKS[severity] < RANKS[mark.severity]) mark.severity = severity;
  if (told.cause === null) mark.minor = false;
}

/** The finding that a mark leads to: its first that is no consequence, else its first; null without any. */
export function leadOf({findings}: EventMark): Finding | null {
  const told = findings.find(({cause}) => cause === null) ?? findings[0];
  return told?.finding ?? null;
}

/**
 * `critical: exploding-gradient in dense_2/kernel since step 240`, `restart at step 500`; of several events the one that
 * the mark leads to, and how bad the worst is where that is another.
 */
export function eventWords(mark: EventMark): string {
  const words = linesOf(mark);
  if (words.length === 1) return words[0];
  const lead = leadOf(mark);
  const first = mark.findings.find(({finding}) => finding === lead);
  const begin = first === undefined ? words[0] : toldWords(first);
  const worse =
    lead === null || lead.severity === mark.severity ? '' : `, ${mark.severity} among them`;
  return `${counted(words.length, 'event')}: ${begin}, and ${words.length - 1} more${worse}`;
}

/** Events that a title tells one by one. */
const MOST_LINES = 8;

/** All of a mark's events, a line for each, as far as there is room for so many. */
export function eventTitle(mark: EventMark): string {
  const lines = linesOf(mark);
  const more = lines.length - MOST_LINES;
  return more < 1
    ? lines.join('\n')
    : [...lines.slice(0, MOST_LINES), `and ${formatStep(more)} more`].join('\n');
}

function linesOf({findings, restarts}: EventMark): string[] {
  return [
    ...findings.map(toldWords),
    ...restarts.map(step => `restart at step ${formatStep(step)}`),
  ];
}

function toldWords({finding, cause}: Told): string {
  const {severity, rule, layer, firstStep} = finding;
  // A title has a line for each event: a name must not look like another one.
  const where = layer === null ? '' : ` in ${named(layer).replaceAll('\n', '\\n')}`;
  const after = cause === null ? '' : `, after ${cause.rule}`;
  return `${severity}: ${rule}${where} since step ${formatStep(firstStep)}${after}`;
}

/** The mark that a key leads to from one of `count`; null for a key that means nothing here. */
export function markAfterKey(key: string, current: number, count: number): number | null {
  switch (key) {
    case 'ArrowLeft':
      return Math.max(0, current - 1);
    case 'ArrowRight':
      return Math.min(count - 1, current + 1);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
