"""Where event files lie: below directories of this machine, or at any address that fsspec can open.

It lists and opens; it reads nothing.
"""

import os
import posixpath
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An event file as it was when it was listed.

    Attributes:
        run: the run it belongs to: its directory relative to the log directory, as TensorBoard names it.
        path: where it is.
        size_bytes: its size.
        identity: differs when another file took its place under the same name, as far as that can be told.
        open: opens it for reading.
    """

    run: str
    path: str
    size_bytes: int
    identity: Hashable
    open: Callable[[], BinaryIO] = field(compare=False)

    @property
    def name(self) -> str:
        """Its name without the directory."""
        return posixpath.basename(self.path.replace(os.sep, "/"))


def event_files(
    root: str, group: str | None = None, errors: dict[str, str] | None = None
) -> Iterator[FoundFile]:
    """Lists the event files below `root`.

    Args:
        root: a directory, or an address such as "s3://bucket/runs", which needs fsspec and what it says for "s3".
        group: what run names begin with, as in `tensorboard --logdir_spec=group:root`.
        errors: takes up, by the run's name, why a directory cannot be listed.

    Raises:
        FileNotFoundError: there is no such directory.
        ImportError: a package that is needed for this kind of address is missing.
    """
    found = _remote_files(root) if "://" in root else _local_files(root, errors)
    for directory, path, size, identity, opened in found:
        run = posixpath.join(group, directory) if group else directory
        yield FoundFile(run, path, size, identity, opened)


_Listed = tuple[str, str, int, Hashable, Callable[[], BinaryIO]]


def _local_files(root: str, errors: dict[str, str] | None) -> Iterator[_Listed]:
    if not os.path.isdir(root):
        there = os.path.exists(root)
        problem = "this is a file, not a directory:" if there else "there is no directory"
        raise FileNotFoundError(f"Argument `logdir`: {problem} {root!r}.")

    def unlistable(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        if errors is not None:
            errors[name] = f"Directory {name!r} cannot be listed: {error.strerror}"

    above: dict[
        str, frozenset[str]
    ] = {}  # directory → where it and those that it lies in really are
    for directory, subdirectories, names in os.walk(root, onerror=unlistable, followlinks=True):
        real = os.path.realpath(directory)
        ancestors = above.get(os.path.dirname(directory), frozenset())
        if real in ancestors:  # a link that leads back
            subdirectories.clear()
            continue
        above[directory] = ancestors | {real}
        subdirectories.sort()
        for name in sorted(names):
            if "tfevents" not in name:
                continue
            path = os.path.join(directory, name)
            try:
                status = os.stat(path)
            except OSError:  # gone since it was listed
                continue
            run = os.path.relpath(directory, root)
            yield run, path, status.st_size, status.st_ino, _opener(path)


def _opener(path: str) -> Callable[[], BinaryIO]:
    return lambda: open(path, "rb")


def _remote_files(root: str) -> Iterator[_Listed]:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            f"Reading {root} needs fsspec, with what it says for such an address: pip install 'fsspec[http]'"
        ) from error
    files, base = fsspec.core.url_to_fs(root)
    files.invalidate_cache()
    if not files.exists(base):
        raise FileNotFoundError(f"Argument `logdir`: there is nothing at {root!r}.")
    base = base.rstrip("/")
    listed: dict[str, dict[str, Any]] = files.find(base, detail=True)
    for path, about in sorted(listed.items()):
        if "tfevents" in posixpath.basename(path):
            directory = posixpath.relpath(posixpath.dirname(path), base or "/")
            size = about["size"]  # a list of links, as plain HTTP has it, does not say
            yield (
                directory,
                path,
                int(files.size(path) or 0) if size is None else size,
                None,
                _remote_opener(files, path),
            )


def _remote_opener(files: Any, path: str) -> Callable[[], BinaryIO]:
    return lambda: files.open(path, "rb")
