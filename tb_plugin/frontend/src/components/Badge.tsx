/** A verdict as shape, word and colour, so that none of them has to be seen alone. */

import type {JSX} from 'preact';

import type {Verdict} from '../api.ts';

const SHAPES: Record<Verdict, string> = {
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5zM7 4v5h2V4zM7 10.5v2h2v-2z',
  warning: 'M8 1l7.5 14H.5zM7 6v4.5h2V6zM7 11.5v2h2v-2z',
  info: 'M8 1a7 7 0 100 14A7 7 0 008 1zM7 4v2h2V4zM7 7v5h2V7z',
  early: 'M8 1a7 7 0 100 14A7 7 0 008 1zM8 3a5 5 0 110 10A5 5 0 018 3zM4.5 7.2h7v1.6h-7z',
  muted:
    'M8 1a7 7 0 100 14A7 7 0 008 1zM3.2 6.1L9.9 12.8A5 5 0 013.2 6.1zM6.1 3.2a5 5 0 016.7 6.7z',
  pending:
    'M8 1a7 7 0 100 14A7 7 0 008 1zM8 3a5 5 0 110 10A5 5 0 018 3zM7 4.5v4.2l3 1.8.9-1.4L9 8V4.5z',
  healthy: 'M8 1a7 7 0 100 14A7 7 0 008 1zM6.8 11.5L3.6 8.3l1.3-1.3 1.9 1.9 4.3-4.3 1.3 1.3z',
};

const WORDS: Partial<Record<Verdict, string>> = {pending: 'judging…', early: 'too early'};

export function verdictWord(verdict: Verdict): string {
  return WORDS[verdict] ?? verdict;
}

export function Badge({verdict}: {verdict: Verdict}): JSX.Element {
  return (
    <span class={`badge ${verdict}`}>
      <Shape verdict={verdict} />
      {verdictWord(verdict)}
    </span>
  );
}

export function Shape({verdict}: {verdict: Verdict}): JSX.Element {
  return (
    <svg class="shape" viewBox="0 0 16 16" aria-hidden="true">
      <path d={SHAPES[verdict]} fill-rule="evenodd" />
    </svg>
  );
}
