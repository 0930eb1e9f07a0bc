/** Asking again and again: never twice at a time, and not while nobody looks. It knows nothing of what it asks. */

export interface Poll {
  /** Asks now, or as soon as the answer on its way is there, or when somebody looks again. */
  now: () => void;
  /** To be called when what `visible` says may have changed. */
  looked: () => void;
  stop: () => void;
}

/** @param ask settles with the milliseconds until it is to be called again, or null: not before `now`. */
export function startPoll(ask: () => Promise<number | null>, visible: () => boolean): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [asking, due, stopped] = [false, false, false];
  const run = async (): Promise<void> => {
    clearTimeout(timer);
    [asking, due] = [true, false];
    const delay = await ask();
    asking = false;
    if (due) now();
    else if (delay !== null && !stopped) timer = setTimeout(now, delay);
  };
  const now = (): void => {
    due = true;
    if (!asking && !stopped && visible()) void run();
  };
  void run();
  return {
    now,
    looked: () => {
      if (due) now();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
