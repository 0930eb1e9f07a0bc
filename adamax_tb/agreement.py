"""How processes that train together end at the same update: one that ended earlier would leave the others waiting.

The chief names an update that is still to be made. Who hears of it before that says so, and after that update waits for
the chief's word: when all have said so in time, all end there; else nobody does, and the chief names a later one. So
none ends alone, however slow a process is to hear of it, and while nobody wants an end nobody waits.
"""

import time
from collections.abc import Callable

from adamax_tb.coordination import Store

#: The chief names an update so many later; when that was too soon for somebody, one twice as many later.
FIRST_MARGIN = 20
#: Others ask so many seconds after the last time whether an update was named.
LOOK_S = 0.5
#: For the chief's word, which comes when it has made the same update, others wait so many seconds at most.
WORD_S = 300.0
POLL_S = 0.005


class Agreement:
    """What one of several processes knows of when to end.

    Each must ask `ends` after the same updates, as programs that are the same do.

    Args:
        store: what all processes see.
        name: what is trained, the same in all of them.
        processes: how many there are.
        index: which of them this is; 0 is the chief.
    """

    def __init__(self, store: Store, name: str, processes: int, index: int) -> None:
        self._store = store
        self._name = name
        self._processes = processes
        self._index = index
        self._training = 0
        self._reset()

    def _reset(self) -> None:
        self._named: int | None = None  # an update after which all are to end
        self._margin = FIRST_MARGIN
        self._looked = -LOOK_S
        self._seen = ""
        self._over = False

    def begin(self) -> None:
        """A training begins or goes on: what was said before is not of it."""
        self._training += 1
        self._reset()

    def ends(self, wanted: bool, made: Callable[[], int]) -> bool:
        """Tells whether this process is to end now; all of them are told so after the same update.

        Args:
            wanted: whether the training is to end, of which only the chief's word counts.
            made: tells how many updates were made; asked only while an end is in question.
        """
        if self._over:
            return True
        if self._named is None:
            if self._index:
                self._listen(made)
            elif wanted:
                self._name_one(made() + self._margin)
        if self._named is None or made() < self._named:
            return False
        self._over = self._heard() if self._index else self._all_heard()
        self._named = None
        return self._over

    def end(self) -> None:
        """The training has ended: the store need not keep what was said."""
        if self._index == 0:
            for key in ("end", "ended", *(f"end/{i}" for i in range(1, self._processes))):
                self._store.delete(self._key(key))

    def _name_one(self, update: int) -> None:
        self._named = update
        self._store.put(self._key("end"), self._text(update))

    def _listen(self, made: Callable[[], int]) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        named = self._store.get(self._key("end"))
        if named is None or named == self._seen:
            return
        self._seen = named
        training, update = map(int, named.split(" "))
        if training == self._training and made() < update:
            self._store.put(self._key(f"end/{self._index}"), named)
            self._named = update

    def _all_heard(self) -> bool:
        """Says to the others whether all have heard in time of the update that the chief has now made."""
        assert self._named is not None
        text = self._text(self._named)
        others = range(1, self._processes)
        all_heard = all(self._store.get(self._key(f"end/{i}")) == text for i in others)
        self._store.put(self._key("ended"), f"{text} {int(all_heard)}")
        self._margin *= 2
        return all_heard

    def _heard(self) -> bool:
        """Waits for the chief's word on the update that this process has now made."""
        assert self._named is not None
        text = self._text(self._named)
        until = time.monotonic() + WORD_S
        while time.monotonic() < until:
            said = self._store.get(self._key("ended"))
            if said is not None and said.startswith(f"{text} "):
                return said.endswith(" 1")
            time.sleep(POLL_S)
        return False

    def _text(self, update: int) -> str:
        return f"{self._training} {update}"

    def _key(self, key: str) -> str:
        return f"adamax_tb/{self._name}/{key}"
