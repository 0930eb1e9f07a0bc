/** Whether a chart is the one that is pointed at: it has the words beside its line, the others theirs above the plot. */

import type {RefObject} from 'preact';
import {useEffect, useState} from 'preact/hooks';

/** Where the pointer is in the box, from its top; null while it is elsewhere. */
export function usePointerTop(box: RefObject<HTMLElement | null>): number | null {
  const [y, setY] = useState<number | null>(null);
  useEffect(
    () =>
      watched(box, event =>
        setY(event === null ? null : event.clientY - topOf(event.currentTarget)),
      ),
    [box],
  );
  return y;
}

/** Whether the pointer is in the box. */
export function usePointed(box: RefObject<HTMLElement | null>): boolean {
  const [inside, setInside] = useState(false);
  useEffect(() => watched(box, event => setInside(event !== null)), [box]);
  return inside;
}

/** Tells each move in the box, and with null that the pointer left it; returns what ends it. */
function watched(
  {current: node}: RefObject<HTMLElement | null>,
  tell: (event: MouseEvent | null) => void,
): (() => void) | undefined {
  if (node === null) return undefined;
  const left = (): void => tell(null);
  node.addEventListener('mousemove', tell);
  node.addEventListener('mouseleave', left);
  return () => {
    node.removeEventListener('mousemove', tell);
    node.removeEventListener('mouseleave', left);
  };
}

function topOf(target: EventTarget | null): number {
  return target instanceof Element ? target.getBoundingClientRect().top : 0;
}
