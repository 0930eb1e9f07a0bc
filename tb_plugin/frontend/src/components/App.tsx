/** The panel: holds the state and lays out what it shows. */

import type {JSX} from 'preact';
import {useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef} from 'preact/hooks';

import {createCursor, type Cursor} from '../cursor.ts';
import {isDark, readUrl, watchDark} from '../host.ts';
import {measured} from '../measures.ts';
import {keepMuted, readMuted} from '../memory.ts';
import {mutedFindings} from '../muting.ts';
import {runColors, selectedRun} from '../selection.ts';
import {initialState, mapPixels, reduceState, type Action, type State} from '../state.ts';
import {choicesOf} from '../view.ts';
import {Empty, Failure, Loading, Reading} from './Messages.tsx';
import {RunPage} from './RunPage.tsx';
import {RunTable} from './RunTable.tsx';
import {useAddress} from './useAddress.ts';
import {useRuns, useTables} from './useServer.ts';

export function App(): JSX.Element {
  const [state, reduce] = useReducer(reduceState, null, firstState);
  const cursor = useRef<Cursor>(null);
  cursor.current ??= createCursor();
  const dispatch = useCallback((action: Action): void => {
    if (action.type === 'zoom') performance.mark(ZOOM);
    if (action.type === 'mute') keepMuted(action.keys, action.muted);
    reduce(action);
  }, []);
  const reload = useRuns(dispatch);
  useTables(state, dispatch);
  const link = useAddress(state, dispatch);
  useEffect(() => watchDark(dark => dispatch({type: 'dark', dark})), []);
  useEffect(() => {
    const resized = (): void => dispatch({type: 'pixels', pixels: pixelsOfPage()});
    window.addEventListener('resize', resized);
    return () => window.removeEventListener('resize', resized);
  }, []);
  useLayoutEffect(measureRedraw, [state.zoom]);
  // Before the effects of the charts, which read the theme's colours.
  useLayoutEffect(() => {
    document.documentElement.className = state.dark ? 'dark' : 'light';
  }, [state.dark]);

  return (
    <div id="optimizer-health" class={state.dark ? 'dark' : 'light'} data-state={phase(state)}>
      <main>
        <Page
          state={state}
          cursor={cursor.current}
          dispatch={dispatch}
          reload={reload}
          link={link}
        />
      </main>
    </div>
  );
}

interface Props {
  state: State;
  cursor: Cursor;
  dispatch: (action: Action) => void;
  reload: () => void;
  link: () => string;
}

function Page({state, cursor, dispatch, reload, link}: Props): JSX.Element {
  const {overview, error} = state;
  if (overview === null) {
    return error === null ? (
      <Loading what="the runs" />
    ) : (
      <Failure title="The runs could not be read" error={error} retry={reload} />
    );
  }
  const run = selectedRun(state);
  const notes = overview.errors.map(
    ({run: torn, error: reason}) => `${torn} could not be read: ${reason}`,
  );
  const reading = overview.loading !== null && <Reading loading={overview.loading} />;
  const failure = error !== null && (
    <Failure
      title="The runs could not be reloaded; what is shown is older"
      error={error}
      retry={reload}
    />
  );
  if (overview.runs.length === 0) {
    return (
      <>
        {failure}
        {reading === false ? <Empty notes={notes} /> : <div class="empty">{reading}</div>}
      </>
    );
  }
  return (
    <>
      {failure}
      {reading}
      <Runs state={state} dispatch={dispatch} />
      {notes.map(note => (
        <p key={note} class="note" role="note">
          {note}
        </p>
      ))}
      {run !== null && (
        <RunPage state={state} run={run} cursor={cursor} dispatch={dispatch} link={link} />
      )}
    </>
  );
}

function Runs({state, dispatch}: Pick<Props, 'state' | 'dispatch'>): JSX.Element {
  const {overview, told, muted, run, shown, table, order, dark} = state;
  const counts = useMemo(
    () =>
      new Map(told?.runs.map(other => [other.name, mutedFindings(other, muted).length] as const)),
    [told, muted],
  );
  const colors = useMemo(() => runColors({order, dark}), [order, dark]);
  // The same element while nothing of it changes: Preact passes over it, and there may be a hundred runs.
  return useMemo(
    () => (
      <RunTable
        runs={overview?.runs ?? []}
        muted={counts}
        selected={run}
        shown={shown}
        colors={colors}
        dark={dark}
        view={table}
        onSelect={name => dispatch({type: 'run', run: name})}
        onToggle={name => dispatch({type: 'toggle', run: name})}
        onShow={(runs, all) => dispatch({type: 'show', runs, shown: all})}
        onPin={name => dispatch({type: 'pin', run: name})}
        onFilter={filter => dispatch({type: 'filter', filter})}
        onSort={sort => dispatch({type: 'sort', sort})}
      />
    ),
    [overview?.runs, counts, run, shown, colors, dark, table, dispatch],
  );
}

function phase({overview, error}: State): 'loading' | 'empty' | 'error' | 'ready' {
  if (overview === null) return error === null ? 'loading' : 'error';
  if (overview.runs.length > 0) return 'ready';
  return overview.loading === null ? 'empty' : 'loading';
}

/** As the address of a view says, if it says anything. */
function firstState(): State {
  const state = initialState(isDark(), pixelsOfPage(), readMuted());
  const choices = choicesOf(readUrl());
  return Object.keys(choices).length === 0 ? state : reduceState(state, {type: 'view', choices});
}

function pixelsOfPage(): number {
  return mapPixels(window.innerWidth * window.devicePixelRatio);
}

const ZOOM = 'optimizer-health:zoom';

/** Measures from the action that moved the window until the browser has shown what came of it. */
function measureRedraw(): void {
  if (performance.getEntriesByName(ZOOM).length === 0) return;
  const shown = new MessageChannel();
  shown.port1.onmessage = () => {
    shown.port1.close();
    if (performance.getEntriesByName(ZOOM).length === 0) return;
    measured('optimizer-health:redraw', ZOOM);
    performance.clearMarks(ZOOM);
  };
  // A message that is sent in the frame's last callback comes after the frame was painted.
  requestAnimationFrame(() => shown.port2.postMessage(null));
}
