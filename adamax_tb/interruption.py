"""Signals that end a training before its time, and the last word that recordings have then.

Knows no framework. It never keeps a signal from doing what it did before.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

#: Signal → why the flight record is written, of `schema.FLIGHT_REASONS`.
REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "termination"}

#: Gets one of `schema.FLIGHT_REASONS`; returns False if it cannot speak now, and will call `deliver` when it can.
Say = Callable[[str], bool]


def reason_of(error: type[BaseException]) -> str:
    """Returns why a flight record is written when a training ends with an `error` of this class."""
    return "interrupt" if issubclass(error, KeyboardInterrupt) else "exception"


_speakers: list[Say] = []
_before: dict[int, Any] = {}
_postponed: set[int] = set()


def listen(say: Say) -> None:
    """Has `say(reason)` called when SIGINT or SIGTERM comes, before what the signal would have done without us.

    Does nothing outside the main thread, where Python allows no handler.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    _speakers.append(say)
    for number in REASONS:
        before = signal.getsignal(number)
        # None: set by something that is not Python, which could not be called; ignored signals stay ignored
        if before not in (None, signal.SIG_IGN, _handle):
            _before[number] = before
            signal.signal(number, _handle)


def leave(say: Say) -> None:
    """Has `say` called no more; with the last one the handlers from before come back, if nobody set others since."""
    if say not in _speakers or threading.current_thread() is not threading.main_thread():
        return
    _speakers.remove(say)
    if not _speakers:
        for number, before in _before.items():
            if signal.getsignal(number) == _handle:
                signal.signal(number, before)


if hasattr(os, "register_at_fork"):
    # what a recording has to say is its process's affair, not that of a data loader's worker
    os.register_at_fork(after_in_child=_speakers.clear)


def deliver() -> None:
    """Sends the signals again that came when somebody could not speak; who still cannot has them kept waiting."""
    waiting = [*_postponed]
    _postponed.clear()
    for number in waiting:
        os.kill(os.getpid(), number)


def _handle(number: int, frame: FrameType | None) -> None:
    spoken = [say(REASONS[signal.Signals(number)]) for say in [*_speakers]]
    if not all(spoken) and number not in _postponed:  # one that comes again is not kept waiting
        _postponed.add(number)
        return
    _postponed.discard(number)
    before = _before.get(number, signal.SIG_DFL)
    if callable(before):
        before(number, frame)
    else:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
