/** The panel's states without data: loading, empty, failed. */

import {Fragment, type JSX} from 'preact';
import {useState} from 'preact/hooks';

import type {Loading as Progress} from '../api.ts';
import {loadingWords} from '../overview.ts';
import {copied} from '../save.ts';

/** How far the server is with its first reading. */
export function Reading({loading}: {loading: Progress}): JSX.Element {
  const {loadedBytes, totalBytes} = loading;
  return (
    <div class="reading">
      <label>
        {loadingWords(loading)}
        <progress {...(totalBytes > 0 ? {value: loadedBytes, max: totalBytes} : {})} />
      </label>
      {/* The same all the time: it is said once, and how far it got can be asked for. */}
      <p class="unseen" role="status">
        Reading the log directory
      </p>
    </div>
  );
}

/** What is on its way: the words stay as they are, so that they are said once; of several things, how many are there. */
export function Loading({
  what,
  done = 0,
  all = 1,
}: {
  what: string;
  done?: number;
  all?: number;
}): JSX.Element {
  return (
    <div class="loading">
      <p role="status">Loading {what}…</p>
      {all > 1 && <progress aria-label={`Loading ${what}`} value={done} max={all} />}
    </div>
  );
}

export function Failure({
  title,
  error,
  retry,
}: {
  title: string;
  error: string;
  retry: () => void;
}): JSX.Element {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{title}.</strong> {error}
      </p>
      <button type="button" onClick={retry}>
        Retry
      </button>
    </div>
  );
}

const TRAIN = `import adamax_tb

model.compile(optimizer=adamax_tb.AdaMax(1e-3), loss=...)  # or the optimizer you have
model.fit(x, y, callbacks=[adamax_tb.OptimizerHealth("runs/first")])`;
const SERVE = 'tensorboard --logdir runs';

export function Empty({notes}: {notes: readonly string[]}): JSX.Element {
  return (
    <section class="empty">
      <h1>No run with optimizer health yet</h1>
      <p>Add the callback to the training. It works with AdaMax and with every Keras optimizer:</p>
      <Snippet text={TRAIN} />
      <p>Then point TensorBoard at the folder. This page fills while the model trains.</p>
      <Snippet text={SERVE} />
      {notes.map(note => (
        <p key={note} class="note" role="note">
          {note}
        </p>
      ))}
    </section>
  );
}

function Snippet({text}: {text: string}): JSX.Element {
  const [said, setSaid] = useState('');
  const copy = async (): Promise<void> =>
    setSaid((await copied(text)) ? 'Copied' : 'The browser does not let us copy: select the text');
  return (
    <div class="snippet">
      <pre tabIndex={0}>
        <code>
          {text.split('\n').map((line, nth) => (
            <Fragment key={nth}>
              {nth > 0 && <br />}
              {line}
            </Fragment>
          ))}
        </code>
      </pre>
      <button type="button" onClick={() => void copy()}>
        Copy
      </button>
      <span role="status">{said}</span>
    </div>
  );
}
