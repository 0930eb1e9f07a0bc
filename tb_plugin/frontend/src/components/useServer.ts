/** What keeps the state up to date: the runs are asked for again and again, the tables when they are missing. */

import {useEffect, useRef} from 'preact/hooks';

import {fetchOverview, fetchTable, type Overview} from '../api.ts';
import {reason} from '../format.ts';
import {isVisible, tensorboardRuns, watchReload, watchVisible} from '../host.ts';
import type {Ask} from '../levels.ts';
import {mergedOverview, pollDelay} from '../overview.ts';
import {startPoll, type Poll} from '../poll.ts';
import {missingAsks, neededSources} from '../sources.ts';
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
  const ordered = orderAsker();
  return async () => {
    try {
      const before = held;
      // TensorBoard's page is asked at the same time: the first look at the runs waits for both.
      const first = before === null ? ordered() : null;
      held = mergedOverview(before, await fetchOverview(before?.revision ?? null));
      if (held === null) return 0;
      const order = await (first ?? (sameRuns(held, before) ? [] : ordered()));
      dispatch({type: 'overview', overview: held, order});
      return pollDelay(held, false);
    } catch (error) {
      dispatch({type: 'overview-failed', error: reason(error)});
      return pollDelay(held, true);
    }
  };
}

/** A page that has not answered so often is none of TensorBoard's. */
const TRIES = 3;

/** Asks for the order of TensorBoard's runs. */
function orderAsker(): () => Promise<readonly string[]> {
  let unanswered = 0;
  return async () => {
    if (unanswered >= TRIES) return [];
    const order = await tensorboardRuns();
    unanswered = order.length > 0 ? 0 : unanswered + 1;
    return order;
  };
}

function sameRuns({runs}: Overview, before: Overview | null): boolean {
  return (
    runs.length === before?.runs.length &&
    runs.every(({name}, at) => name === before.runs[at].name)
  );
}

/** A zoom or pan goes on for a while: its details are asked for when it has rested for so long. */
const REST_MS = 80;

/** Answers that come so close after one another are drawn together. */
const TOGETHER_MS = 30;

/** Fetches the tables that the state misses; what is no longer wanted is broken off. */
export function useTables(state: State, dispatch: Dispatch): void {
  const running = useRef<Running>(new Map());
  const answered = useRef(together(dispatch));
  useEffect(() => {
    const start = (asks: readonly Ask[]): void => {
      if (asks.length === 0) return;
      dispatch({type: 'asked', asks});
      for (const ask of asks) fetchAsked(ask, running.current, answered.current);
    };
    breakOff(running.current, new Set(neededSources(state).map(({url}) => url)));
    const asks = missingAsks(state);
    start(asks.filter(({level}) => level === 'whole'));
    const details = asks.filter(({level}) => level === 'detail');
    if (details.length === 0) return;
    const timer = setTimeout(() => start(details), REST_MS);
    return () => clearTimeout(timer);
  }, [state]);
}

/** The questions on their way, by level and source. */
type Running = Map<string, {ask: Ask; control: AbortController}>;

function breakOff(running: Running, needed: ReadonlySet<string>): void {
  for (const {ask, control} of running.values()) if (!needed.has(ask.key)) control.abort();
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

function fetchAsked(ask: Ask, running: Running, dispatch: Dispatch): void {
  const place = `${ask.level} ${ask.key}`;
  running.get(place)?.control.abort();
  const control = new AbortController();
  const mine = {ask, control};
  running.set(place, mine);
  fetchTable(ask.url, control.signal)
    .then(
      table => dispatch({type: 'received', ask, table}),
      (error: unknown) =>
        dispatch(
          control.signal.aborted
            ? {type: 'dropped', ask}
            : {type: 'failed', ask, error: reason(error)},
        ),
    )
    .finally(() => {
      if (running.get(place) === mine) running.delete(place);
    });
}
