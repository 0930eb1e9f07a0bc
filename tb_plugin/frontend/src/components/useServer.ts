/** What keeps the state up to date: the runs are asked for again and again, the tables when they are missing. */

import {useEffect, useRef} from 'preact/hooks';

import {fetchOverview, fetchTable, type Overview} from '../api.ts';
import {isVisible, tensorboardRuns, watchReload, watchVisible} from '../host.ts';
import type {Ask} from '../levels.ts';
import {mergedOverview, pollDelay} from '../overview.ts';
import {startPoll, type Poll} from '../poll.ts';
import {missingAsks} from '../sources.ts';
import type {Action, State} from '../state.ts';

type Dispatch = (action: Action) => void;

/** Polls the runs; returns what asks for them now. */
export function useRuns(dispatch: Dispatch): () => void {
  const poll = useRef<Poll | null>(null);
  useEffect(() => {
    const started = startPoll(asker(dispatch), isVisible);
    poll.current = started;
    const unwatch = [watchReload(started.now), watchVisible(started.looked), started.stop];
    return () => unwatch.forEach(end => end());
  }, [dispatch]);
  return () => poll.current?.now();
}

/** Asks for what changed since its last answer. */
function asker(dispatch: Dispatch): () => Promise<number | null> {
  let held: Overview | null = null;
  return async () => {
    try {
      const answer = await fetchOverview(held?.revision ?? null);
      const before = held;
      held = mergedOverview(held, answer);
      if (held === null) return 0;
      const order = sameRuns(held, before) ? [] : await tensorboardRuns();
      dispatch({type: 'overview', overview: held, order});
      return pollDelay(held, false);
    } catch (error) {
      dispatch({type: 'overview-failed', error: message(error)});
      return pollDelay(held, true);
    }
  };
}

function sameRuns({runs}: Overview, before: Overview | null): boolean {
  return runs.length === before?.runs.length && runs.every(({name}, at) => name === before.runs[at].name);
}

/** A zoom or pan goes on for a while: its details are asked for when it has rested for so long. */
const REST_MS = 80;

/** Answers that come so close after one another are drawn together. */
const TOGETHER_MS = 30;

/** Fetches the tables that the state misses; what is no longer wanted is broken off. */
export function useTables(state: State, dispatch: Dispatch): void {
  const running = useRef(new Map<string, AbortController>());
  const answered = useRef(together(dispatch));
  useEffect(() => {
    const start = (asks: readonly Ask[]): void => {
      if (asks.length === 0) return;
      dispatch({type: 'asked', asks});
      for (const ask of asks) fetchAsked(ask, running.current, answered.current);
    };
    const asks = missingAsks(state);
    start(asks.filter(({level}) => level === 'whole'));
    const details = asks.filter(({level}) => level === 'detail');
    if (details.length === 0) return;
    const timer = setTimeout(() => start(details), REST_MS);
    return () => clearTimeout(timer);
  }, [state]);
}

/** Hands actions on, all of a short while at once. */
function together(dispatch: Dispatch): Dispatch {
  let waiting: Action[] = [];
  return action => {
    waiting.push(action);
    if (waiting.length > 1) return;
    setTimeout(() => {
      const actions = waiting;
      waiting = [];
      for (const each of actions) dispatch(each);
    }, TOGETHER_MS);
  };
}

function fetchAsked(ask: Ask, running: Map<string, AbortController>, dispatch: Dispatch): void {
  const place = `${ask.level} ${ask.key}`;
  running.get(place)?.abort();
  const control = new AbortController();
  running.set(place, control);
  fetchTable(ask.url, control.signal).then(
    table => dispatch({type: 'received', ask, table}),
    (error: unknown) => {
      if (!control.signal.aborted) dispatch({type: 'failed', ask, error: message(error)});
    },
  );
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
