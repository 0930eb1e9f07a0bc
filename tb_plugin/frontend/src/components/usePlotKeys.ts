/** The keys of the heat map that move the selected place, and what a screen reader says of it. */

import type {RefObject} from 'preact';
import {useEffect, useState} from 'preact/hooks';

import {stepWords} from '../format.ts';
import {scrolledTo, type Layout} from '../layout.ts';
import {rowOf} from '../table.ts';
import {panned, widthOf} from '../zoom.ts';
import type {MapProps} from './HeatMap.tsx';

type Asked = Pick<
  MapProps,
  'rows' | 'table' | 'main' | 'step' | 'zoom' | 'all' | 'tell' | 'onPlace' | 'onZoom'
>;

export interface PlotKeys {
  /** Whether the key meant something. */
  keyed: (event: KeyboardEvent) => boolean;
  /** What the last key led to. */
  said: string;
  /** Whether the selected place is to be told for eyes, too: keys led to it. */
  shows: boolean;
  /** Tells it no more. */
  hide: () => void;
}

/** The keys that move the selected place: a row up or down, with Shift a record to either side. */
export function usePlotKeys(
  props: Asked,
  layout: Layout,
  scroller: RefObject<HTMLElement | null>,
  height: number,
): PlotKeys {
  const {rows, table, main, step, zoom, all} = props;
  const [said, say] = useState('');
  const [shows, setShows] = useState(false);
  useEffect(() => {
    if (!shows) return;
    // What is told stands on the page: it would not go along.
    const hide = (): void => setShows(false);
    window.addEventListener('scroll', hide);
    return () => window.removeEventListener('scroll', hide);
  }, [shows]);
  const records = table.last.length;
  const here = rowOf(table, step ?? layout.high);
  const go = (mapRow: number, row: number): void => {
    const of = rows[mapRow];
    props.onPlace(of, table.last[row]);
    setShows(true);
    const node = scroller.current;
    if (node !== null) node.scrollTop = scrolledTo(layout, mapRow, node.scrollTop, height);
    if (zoom !== null && !(layout.low < table.last[row] && table.last[row] <= layout.high)) {
      const edge = table.last[row] > layout.high ? layout.high : layout.low + 1;
      props.onZoom(panned(zoom, all, (table.last[row] - edge) / widthOf(zoom)));
    }
    const [value] = props.tell(of, row);
    say(`${stepWords(table.first[row], table.last[row])}, ${of.title}: ${value.words}`);
  };
  const keyed = ({key, shiftKey, ctrlKey, metaKey, altKey}: KeyboardEvent): boolean => {
    if (ctrlKey || metaKey || altKey || rows.length === 0 || records === 0) return false;
    const down = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : 0;
    const right = !shiftKey ? 0 : key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
    if (down === 0 && right === 0) return false;
    const next = main < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, main + down));
    // Without a step the first key selects one.
    const moved = step === null ? here : here + right;
    go(next, Math.min(records - 1, Math.max(0, moved)));
    return true;
  };
  return {
    said,
    shows,
    hide: () => {
      if (shows) setShows(false);
    },
    keyed: event => {
      const done = keyed(event);
      if (done) event.preventDefault();
      return done;
    },
  };
}
