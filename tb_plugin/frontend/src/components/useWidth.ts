/** The width of an element, kept up to date. */

import type {RefObject} from 'preact';
import {useLayoutEffect, useState} from 'preact/hooks';

/** CSS pixels, whole; 0 until the element is laid out and while the tab is hidden. */
export function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null) return;
    const measure = (): void => {
      if (node.clientWidth > 0) setWidth(node.clientWidth);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
