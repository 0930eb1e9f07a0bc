"""The directory of one run, as the one who writes into it holds it.

It makes directories and names files; it writes into none.
"""

import contextlib
import itertools
import os
import re
import socket
import time
import weakref

from adamax_tb import schema

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.(\d{9})\.")
_file_number = itertools.count()
_held: "weakref.WeakSet[RunDirectory]" = weakref.WeakSet()


class RunDirectory:
    """Holds the directory of a run from `hold` to `release`.

    Of several writers one holds a directory. Another one, of this process or of another, takes the first directory
    below it that has no run, `2`, `3` and so on: it is a run of its own, and none is mixed with another. What is held
    is the directory, not its name: it may be renamed meanwhile. A process that is killed holds nothing any more.

    Where directories cannot be locked, as on Windows and on some network file systems, nobody is kept out.

    Args:
        path: of the directory.

    Attributes:
        path: of the directory that is held.
        is_asked_one: whether that is the one that was asked for.
    """

    def __init__(self, path: str) -> None:
        self.path = self._asked = path
        self._descriptor: int | None = None
        self._has_links = True

    @property
    def is_asked_one(self) -> bool:
        """Whether no other writer was there first."""
        return self.path == self._asked

    def hold(self) -> None:
        """Makes the directory, if it is not there, and holds it; once more, if it was deleted since.

        Raises:
            OSError: it cannot be made.
        """
        if self._descriptor is not None:
            if self._is_there():
                return
            self.release()
        for number in itertools.count(1):
            path = self._asked if number == 1 else os.path.join(self._asked, str(number))
            if number > 1 and _holds_run(path):
                continue
            if self._take(path):
                self.path = path
                return

    def _take(self, path: str) -> bool:
        made = _missing(path)
        os.makedirs(path, exist_ok=True)
        for parent in {os.path.dirname(os.path.abspath(directory)) for directory in made}:
            _sync_directory(parent)
        if fcntl is None:
            return True
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:  # it may be written, perhaps, and not listed
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # this file system locks no directories
            pass
        self._descriptor = descriptor
        self._has_links = os.fstat(descriptor).st_nlink > 0  # some file systems count none
        _held.add(self)
        return True

    def _is_there(self) -> bool:
        """Tells whether the directory that is held was not deleted, whatever it is called by now."""
        assert self._descriptor is not None
        try:
            return os.fstat(self._descriptor).st_nlink > 0 or not self._has_links
        except OSError:  # as NFS has it
            return False

    def opener(self, path: str, flags: int) -> int:
        """Opens a file of the directory, wherever that is by now; what `open` calls."""
        if self._descriptor is None:
            return os.open(path, flags, 0o666)
        return os.open(os.path.basename(path), flags, 0o666, dir_fd=self._descriptor)

    def sync(self) -> None:
        """Returns when the disk has the names of the files in it."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # some file systems cannot
                os.fsync(self._descriptor)

    def new_file(self) -> str:
        """Returns the path of an event file to be made, whose name sorts behind those that are there."""
        try:
            names = os.listdir(self.path if self._descriptor is None else self._descriptor)
        except OSError:
            names = []
        return os.path.join(self.path, new_name(schema.PLUGIN_NAME, names))

    def remove(self, path: str) -> None:
        """Deletes a file of the directory, if it can be."""
        with contextlib.suppress(OSError):
            if self._descriptor is None:
                os.unlink(path)
            else:
                os.unlink(os.path.basename(path), dir_fd=self._descriptor)

    def release(self) -> None:
        """Lets others have it."""
        if self._descriptor is not None and fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._abandon()

    def _abandon(self) -> None:
        _held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def new_name(suffix: str, names: list[str]) -> str:
    """Returns the name of an event file to be made, which sorts behind `names`, whatever the clock says.

    Readers take files in the order of their names; the time in a name is in nanoseconds since the epoch.
    """
    there = (_NAME.match(name) for name in names if name.endswith(suffix))
    last = max((int(match[1] + match[2]) for match in there if match), default=0)
    made = f"{max(time.time_ns(), last + 1):020d}"
    place = f"{next(_file_number):04d}.{socket.gethostname()}.{os.getpid()}"
    return f"events.out.tfevents.{made[1:11]}.{made[11:]}.{place}.{suffix}"


def _leave_to_parent() -> None:
    """In a process that was forked: what its parent holds is held by that alone, for as long as it lives."""
    for directory in [*_held]:
        directory._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _holds_run(path: str) -> bool:
    """Tells whether there is an event file of ours, or something that is no directory."""
    try:
        return any(name.endswith(schema.PLUGIN_NAME) for name in os.listdir(path))
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def _missing(path: str) -> list[str]:
    """Returns the directories that must be made for `path`."""
    missing = []
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _sync_directory(path: str) -> None:
    with contextlib.suppress(OSError):  # not everywhere
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
