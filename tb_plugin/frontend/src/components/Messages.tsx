/** The panel's states without data: loading, empty, failed. */

import type {JSX} from 'preact';

import type {Loading as Progress} from '../api.ts';
import {loadingWords} from '../overview.ts';

/** How far the server is with its first reading. */
export function Reading({loading}: {loading: Progress}): JSX.Element {
  const {loadedBytes, totalBytes} = loading;
  return (
    <p class="reading" role="status">
      <label>
        {loadingWords(loading)}
        <progress {...(totalBytes > 0 ? {value: loadedBytes, max: totalBytes} : {})} />
      </label>
    </p>
  );
}

export function Loading({what}: {what: string}): JSX.Element {
  return (
    <p class="loading" role="status">
      Loading {what}…
    </p>
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

const TRAIN = 'model.fit(..., callbacks=[adamax_tb.OptimizerHealth("runs/first")])';
const SERVE = 'tensorboard --logdir runs';

export function Empty({notes}: {notes: readonly string[]}): JSX.Element {
  return (
    <section class="empty">
      <h1>No run with optimizer health yet</h1>
      <p>Add the callback to the training; it works with AdaMax and with every Keras optimizer:</p>
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
  return (
    <div class="snippet">
      <pre>
        <code>{text}</code>
      </pre>
      {/* No clipboard on a page that is neither https nor localhost: there the text can still be selected. */}
      {window.isSecureContext && (
        <button type="button" onClick={() => void navigator.clipboard.writeText(text)}>
          Copy
        </button>
      )}
    </div>
  );
}
