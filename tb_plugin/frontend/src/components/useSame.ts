/** Lists that are made anew at each render, kept the same object while what is in them is the same. */

import {useRef} from 'preact/hooks';

/** The list of the render before, when each entry has the same properties as there. */
export function useSame<Entry extends object>(list: readonly Entry[]): readonly Entry[] {
  const kept = useRef(list);
  const same =
    list.length === kept.current.length &&
    list.every((entry, index) => alike(entry, kept.current[index]));
  if (!same) kept.current = list;
  return kept.current;
}

function alike(one: object, other: object): boolean {
  const others = new Map(Object.entries(other));
  const own = Object.entries(one);
  return (
    own.length === others.size && own.every(([name, value]) => Object.is(value, others.get(name)))
  );
}
