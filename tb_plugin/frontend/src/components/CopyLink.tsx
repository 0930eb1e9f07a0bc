/** The address of what is shown, to send to somebody. */

import type {JSX} from 'preact';
import {useEffect, useLayoutEffect, useRef, useState} from 'preact/hooks';

import {copied} from '../save.ts';

const SAID_MS = 2000;

export function CopyLink({link}: {link: () => string}): JSX.Element {
  const [said, setSaid] = useState(false);
  // The address for people to copy, where the browser does not.
  const [shown, setShown] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(false), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    const address = link();
    const done = await copied(address);
    setSaid(done);
    setShown(done ? null : address);
  };
  return (
    <span class="copy-link">
      <button type="button" ref={button} onClick={() => void copy()}>
        Copy link to this view
      </button>
      <span role="status">{said ? 'Copied' : ''}</span>
      {shown !== null && (
        <Address
          address={shown}
          onClose={() => setShown(null)}
          onEscape={() => button.current?.focus()}
        />
      )}
    </span>
  );
}

/** Selected and in focus, until the focus goes elsewhere: the view may change then, and this would be another's. */
function Address({
  address,
  onClose,
  onEscape,
}: {
  address: string;
  onClose: () => void;
  onEscape: () => void;
}): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, [address]);
  return (
    <label>
      Copy it from here:
      <input
        type="text"
        ref={field}
        readOnly
        value={address}
        onFocus={event => event.currentTarget.select()}
        onBlur={() => {
          // Not when people go to another window to paste it.
          if (document.hasFocus()) onClose();
        }}
        onKeyDown={event => {
          if (event.key === 'Escape') onEscape();
        }}
      />
    </label>
  );
}
