/** The panel: holds the state and lays out what it shows. */

import type {JSX} from 'preact';
import {useCallback, useEffect, useLayoutEffect, useMemo, useReducer} from 'preact/hooks';

import {isDark, watchDark} from '../host.ts';
import {
  initialState,
  mapPixels,
  reduceState,
  selectedRun,
  type Action,
  type State,
} from '../state.ts';
import {Empty, Failure, Loading, Reading} from './Messages.tsx';
import {RunList} from './RunList.tsx';
import {RunPage} from './RunPage.tsx';
import {useRuns, useTables} from './useServer.ts';

export function App(): JSX.Element {
  const [state, reduce] = useReducer(reduceState, null, () =>
    initialState(isDark(), pixelsOfPage()),
  );
  const dispatch = useCallback((action: Action): void => {
    if (action.type === 'zoom') performance.mark(ZOOM);
    reduce(action);
  }, []);
  const reload = useRuns(dispatch);
  useTables(state, dispatch);
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
      <Page state={state} dispatch={dispatch} reload={reload} />
    </div>
  );
}

function Page({
  state,
  dispatch,
  reload,
}: {
  state: State;
  dispatch: (action: Action) => void;
  reload: () => void;
}): JSX.Element {
  const {overview, error, run: name, shown, dark} = state;
  // The same element while nothing of it changes: Preact passes over it, and there may be a hundred runs.
  const list = useMemo(
    () => (
      <RunList
        runs={overview?.runs ?? []}
        selected={name}
        shown={shown}
        dark={dark}
        onSelect={run => dispatch({type: 'run', run})}
        onToggle={run => dispatch({type: 'toggle', run})}
      />
    ),
    [overview?.runs, name, shown, dark, dispatch],
  );
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
  if (run === null) {
    return (
      <>
        {failure}
        {reading === false ? <Empty notes={notes} /> : <div class="empty">{reading}</div>}
      </>
    );
  }
  return (
    <div class="columns">
      <nav class="sidebar" aria-label="Runs">
        {list}
        {notes.map(note => (
          <p key={note} class="note" role="note">
            {note}
          </p>
        ))}
      </nav>
      <main>
        {failure}
        {reading}
        <RunPage state={state} run={run} dispatch={dispatch} />
      </main>
    </div>
  );
}

function phase({overview, error}: State): 'loading' | 'empty' | 'error' | 'ready' {
  if (overview === null) return error === null ? 'loading' : 'error';
  if (overview.runs.length > 0) return 'ready';
  return overview.loading === null ? 'empty' : 'loading';
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
    performance.measure('optimizer-health:redraw', ZOOM);
    performance.clearMarks(ZOOM);
  };
  // A message that is sent in the frame's last callback comes after the frame was painted.
  requestAnimationFrame(() => shown.port2.postMessage(null));
}
