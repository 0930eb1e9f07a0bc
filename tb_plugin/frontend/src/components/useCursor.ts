/** The step under the pointer, for a component that is drawn anew with it. */

import {useLayoutEffect, useState} from 'preact/hooks';

import type {Cursor} from '../cursor.ts';

/** Null while the pointer is over no chart. */
export function useCursor(cursor: Cursor): number | null {
  const [step, setStep] = useState(cursor.step);
  useLayoutEffect(() => {
    setStep(cursor.step);
    return cursor.watch(setStep);
  }, [cursor]);
  return step;
}
