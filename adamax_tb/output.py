"""Where a command's results go: into a file that takes its name when it is complete; and who is told how far it is."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def written(path: str | None) -> Iterator[BinaryIO]:
    """Opens standard output (None), or a file beside `path` that takes its place when it is complete."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        # /dev/null, a pipe; of a directory the operating system says what is wrong
        with open(path, "wb") as file:
            yield file
        return
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def discard() -> None:
    """Lets what is still printed go nowhere: who read it is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Progress:
    """Says on standard error how far a command is: first after 2 seconds, then every 5, or on a terminal in place.

    At the end of a `with` it leaves the line that it was said on.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._in_place = sys.stderr.isatty()
        self._due = time.monotonic() + 2
        self._said = False

    def say(self, how_far: str) -> None:
        """Says it, if it is time."""
        if time.monotonic() >= self._due:
            start, end = ("\r", "") if self._in_place else ("", "\n")
            line = f"{start}adamax-tb {self._command}: {how_far}"
            print(line, end=end, file=sys.stderr, flush=True)
            self._said, self._due = True, time.monotonic() + (0.2 if self._in_place else 5)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._said and self._in_place:
            print(file=sys.stderr)
