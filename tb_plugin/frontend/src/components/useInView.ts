/** Whether an element is on the screen or close to it, for what need not be drawn elsewhere. */

import type {RefObject} from 'preact';
import {useLayoutEffect, useState} from 'preact/hooks';

/** So much of the page around the screen counts as seen: what is scrolled to is there already. */
const MARGIN = '150px';

/** True until the browser says otherwise. */
export function useInView(element: RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(true);
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null) return;
    const observer = new IntersectionObserver(
      entries => setSeen(entries[entries.length - 1].isIntersecting),
      {rootMargin: MARGIN},
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return seen;
}
