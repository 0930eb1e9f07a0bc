/** How many device pixels a CSS pixel has, kept up to date: a window may be moved to another screen. */

import {useLayoutEffect, useState} from 'preact/hooks';

export function usePixelRatio(): number {
  const [ratio, setRatio] = useState(window.devicePixelRatio);
  useLayoutEffect(() => {
    const asNow = window.matchMedia(`(resolution: ${ratio}dppx)`);
    const changed = (): void => setRatio(window.devicePixelRatio);
    changed();
    asNow.addEventListener('change', changed);
    return () => asNow.removeEventListener('change', changed);
  }, [ratio]);
  return ratio;
}
