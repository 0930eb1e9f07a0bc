/** The focus after a press on a button that goes away with what it acts on: it would be lost with it. */

import {useLayoutEffect, useRef} from 'preact/hooks';

interface Gone {
  button: HTMLElement;
  section: Element;
  kind: string;
  nth: number;
}

/**
 * Returns what a button `data-removes="kind"` calls when it is pressed. The focus then goes to the button of its kind
 * that took its place, else to the last one, without any to the heading of their section.
 */
export function useRemoval(): (button: HTMLElement, act: () => void) => void {
  const gone = useRef<Gone | null>(null);
  useLayoutEffect(() => {
    if (gone.current === null || gone.current.button.isConnected) return;
    const {section, kind, nth} = gone.current;
    gone.current = null;
    if (document.activeElement !== document.body) return;
    const left = buttonsOf(section, kind);
    const next = left[Math.min(nth, left.length - 1)] ?? section.querySelector<HTMLElement>('h2');
    next?.focus();
  });
  return (button, act) => {
    const kind = button.dataset['removes'] ?? '';
    const section = button.closest('section');
    if (section !== null)
      gone.current = {button, section, kind, nth: buttonsOf(section, kind).indexOf(button)};
    act();
  };
}

function buttonsOf(section: Element, kind: string): HTMLElement[] {
  return [...section.querySelectorAll<HTMLElement>(`[data-removes="${kind}"]`)];
}
