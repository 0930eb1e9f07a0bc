/** The panel: holds the state, fetches what it needs, and lays out the rest. */

import type {JSX} from 'preact';
import {useCallback, useEffect, useLayoutEffect, useReducer} from 'preact/hooks';

import {fetchOverview, fetchTable} from '../api.ts';
import {isDark, watchDark, watchReload} from '../host.ts';
import {
  initialState,
  missingUrls,
  reduceState,
  selectedRun,
  type Action,
  type State,
} from '../state.ts';
import {Empty, Failure, Loading} from './Messages.tsx';
import {RunList} from './RunList.tsx';
import {RunPage} from './RunPage.tsx';

export function App(): JSX.Element {
  const [state, dispatch] = useReducer(reduceState, null, () => initialState(isDark()));
  const reload = useCallback(() => {
    fetchOverview().then(
      overview => dispatch({type: 'overview', overview}),
      (error: unknown) => dispatch({type: 'overview-failed', error: message(error)}),
    );
  }, []);
  useEffect(reload, [reload]);
  useEffect(() => watchReload(reload), [reload]);
  useEffect(() => watchDark(dark => dispatch({type: 'dark', dark})), []);
  useEffect(() => fetchMissing(state, dispatch), [state]);
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
    ({run: name, error: reason}) => `${name} could not be read: ${reason}`,
  );
  if (run === null) return <Empty notes={notes} />;
  return (
    <div class="columns">
      <nav class="sidebar" aria-label="Runs">
        <RunList
          runs={overview.runs}
          selected={run.name}
          shown={state.shown}
          dark={state.dark}
          onSelect={name => dispatch({type: 'run', run: name})}
          onToggle={name => dispatch({type: 'toggle', run: name})}
        />
        {notes.map(note => (
          <p key={note} class="note" role="note">
            {note}
          </p>
        ))}
      </nav>
      <main>
        {error !== null && (
          <Failure
            title="The runs could not be reloaded; what is shown is older"
            error={error}
            retry={reload}
          />
        )}
        <RunPage state={state} run={run} dispatch={dispatch} />
      </main>
    </div>
  );
}

function phase({overview, error}: State): 'loading' | 'empty' | 'error' | 'ready' {
  if (overview === null) return error === null ? 'loading' : 'error';
  return overview.runs.length === 0 ? 'empty' : 'ready';
}

function fetchMissing(state: State, dispatch: (action: Action) => void): void {
  const urls = missingUrls(state);
  if (urls.length === 0) return;
  const {generation} = state;
  dispatch({type: 'requested', urls});
  for (const url of urls) {
    fetchTable(url).then(
      table => dispatch({type: 'received', url, generation, table}),
      (error: unknown) => dispatch({type: 'failed', url, generation, error: message(error)}),
    );
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
