"""How processes that train together end at the same update: one that ended earlier would leave the others waiting.

The chief names an update that is still to be made. Who hears of it before that says so, and after that update waits for
the chief's word: when all have said so in time, all end there; else nobody does, and the chief names a later one. While
nobody wants an end nobody waits.
"""

import contextlib
import math
import time
from collections.abc import Callable
from typing import TypeVar

from adamax_tb.coordination import Store

#: Others look so many seconds after the last time whether an update was named. The chief names one that is as many
#: updates away as it makes in twice the time; when that was too soon for somebody, one twice as far away.
LOOK_S = 0.5
#: An answer that is there comes within so many seconds; so many times without one, there is none.
ANSWER_S, MISSED = 0.5, 3
#: The chief's word comes when it has made the same update; others ask for it so long at a time.
WORD_S = 5.0
#: A store that has failed for so long is gone.
GONE_S = 30.0
RETRY_S = 0.2
#: After so many named updates, and seconds, those who have not heard of any are not slow: they do not listen.
IGNORED, IGNORED_S = 4, 30.0

T = TypeVar("T")


class Agreement:
    """What one of several processes knows of when to end.

    Each must ask `ends` after the same updates, as programs that are the same do.

    Args:
        store: what all processes see.
        name: what is trained, the same in all of them.
        processes: how many there are.
        index: which of them this is; 0 is the chief.

    Attributes:
        is_ignored: whether somebody has not heard for long of the updates that the chief names.
    """

    def __init__(self, store: Store, name: str, processes: int, index: int) -> None:
        self._store = store
        self._name = name
        self._others = range(1, processes)
        self._index = index
        self._training = 0
        self._reset()

    def _reset(self) -> None:
        self.is_ignored = False
        self._refused = 0  # named updates
        # when an end was wanted first, and after which update
        self._began: tuple[float, int] | None = None
        self._asked_at = 0
        self._named: int | None = None  # an update after which all are to end
        self._seen = self._missed = 0
        self._looked = -LOOK_S
        self._over = False

    def begin(self) -> None:
        """A training begins or goes on: what was said before is not of it."""
        self._training += 1
        self._reset()
        if self._index == 0:
            self._store.put(self._key("end"), "0")  # so that whoever asks has an answer at once

    def ends(self, wanted: bool, made: Callable[[], int]) -> bool:
        """Tells whether this process is to end now; all of them are told so after the same update.

        Args:
            wanted: whether the training is to end, of which only the chief's word counts.
            made: tells how many updates were made; asked only while an end is in question.

        Raises:
            Exception: the store is gone.
        """
        if self._over:
            return True
        if self._named is None:
            if self._index:
                self._listen(made)
            elif wanted:
                self._name_one(made())
        if self._named is None or (update := made()) < self._named:
            return False
        self._asked_at = update
        self._over = self._heard(self._named) if self._index else self._all_heard(self._named)
        self._named = None
        return self._over

    def _name_one(self, made: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began, self._asked_at = (now, made), made
        began, before = self._began
        stride, self._asked_at = made - self._asked_at, made
        if now - began >= LOOK_S and made > before:
            each_s = (now - began) / (made - before)
            updates = max(2 * LOOK_S / each_s, 2 * stride)
            self._named = made + math.ceil(updates * 2**self._refused) + 1
            # first: others may have it although this fails; the word on it settles that
            with contextlib.suppress(Exception):
                self._store.put(self._key("end"), str(self._named))

    def _listen(self, made: Callable[[], int]) -> None:
        now = time.monotonic()
        if self._missed >= MISSED or now - self._looked < LOOK_S:
            return
        self._looked = now
        said = None
        with contextlib.suppress(Exception):
            said = self._store.get(self._key("end"), ANSWER_S)
        if said is None:  # the chief has begun, as this process has: it was not told to end
            self._missed += 1
            return
        named, self._missed = int(said), 0
        if named > self._seen:
            self._seen = named
            if made() < named:
                self._named = named  # first, as in `_name_one`
                with contextlib.suppress(Exception):
                    self._store.put(self._key(f"{named}/{self._index}"), "heard")

    def _all_heard(self, update: int) -> bool:
        """Says to the others whether all have heard in time of the `update` that the chief has now made."""
        heard = False
        answers = (self._store.get(self._key(f"{update}/{i}"), ANSWER_S) for i in self._others)
        try:
            with contextlib.suppress(Exception):
                heard = all(answer is not None for answer in answers)
        finally:  # whoever waits for the word must have it, though this is interrupted
            _insisting(lambda: self._store.put(self._key(f"{update}"), str(int(heard))))
        self._refused += not heard
        late = self._began is not None and time.monotonic() - self._began[0] > IGNORED_S
        self.is_ignored = not heard and late and self._refused >= IGNORED
        return heard

    def _heard(self, update: int) -> bool:
        """Waits for the chief's word on the `update` that this process has now made.

        However long that takes: a process that went on would wait for the chief all the same.
        """
        while True:
            said = _insisting(lambda: self._store.get(self._key(f"{update}"), WORD_S))
            if said is not None:
                return said == "1"

    def _key(self, key: str) -> str:
        return f"adamax_tb/{self._name}/ends/{self._training}/{key}"


def _insisting(ask: Callable[[], T]) -> T:
    """Returns what `ask` returns; asks again when it fails, for `GONE_S` at most."""
    until = time.monotonic() + GONE_S
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
