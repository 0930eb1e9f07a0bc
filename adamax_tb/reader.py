"""Reads runs back from event files, exactly: every recorded step, no sampling.

Needs neither TensorFlow nor a running TensorBoard, and changes nothing on disk.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, tensor_pb2, types_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from adamax_tb import schema
from adamax_tb.schema import Run, natural_key

_HEADER = struct.Struct("<QI")
_MAX_RECORD_BYTES = 1 << 30


def read_runs(logdir: str | os.PathLike[str]) -> dict[str, Run]:
    """Reads every run below `logdir` that OptimizerHealth wrote.

    Args:
        logdir: A directory such as the one given to `tensorboard --logdir`. Each directory below it that holds event
            files is a run, named by its relative path, "." for `logdir` itself.

    Returns:
        name → run, in natural order of the names. Runs without our data are left out. The torn end of a file, as a
        killed process leaves it, is skipped; the run's `notes` say so.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: no run below `logdir` holds our data, or one of them cannot be read; `scan_runs` reads the others.
    """
    runs, errors = scan_runs(logdir)
    for error in errors.values():
        raise ValueError(error)
    return runs


def scan_runs(logdir: str | os.PathLike[str]) -> tuple[dict[str, Run], dict[str, str]]:
    """Reads what can be read below `logdir`, as `read_runs` does.

    Returns:
        The runs by name, and by name the reason why a run cannot be read.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: no run below `logdir` holds our data.
    """
    root = Path(logdir)
    if not root.is_dir():
        problem = "this is a file, not a directory:" if root.exists() else "there is no directory"
        raise FileNotFoundError(f"Argument `logdir`: {problem} {str(logdir)!r}.")
    runs: dict[str, Run] = {}
    errors: dict[str, str] = {}
    found = _event_files(root, errors)
    for name in sorted(found, key=natural_key):
        try:
            run = _read_run(name, found[name])
        except (OSError, ValueError) as error:
            errors[name] = f"Run {name!r} cannot be read: {error}"
        else:
            if run is not None:
                runs[name] = run
    if not runs and not errors:
        example = os.path.join(logdir, "first")
        raise ValueError(
            f"Argument `logdir`: no run below {str(logdir)!r} was recorded by OptimizerHealth. Add it to training: "
            f"model.fit(..., callbacks=[adamax_tb.OptimizerHealth({example!r})])"
        )
    return runs, errors


def _event_files(root: Path, errors: dict[str, str]) -> dict[str, list[Path]]:
    """Returns run → its event files, oldest first; directories that cannot be listed go to `errors`."""

    def unlistable(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        errors[name] = f"Directory {name!r} cannot be listed: {error.strerror}"

    found: dict[str, list[Path]] = {}
    seen: set[str] = set()
    for directory, subdirectories, files in os.walk(root, onerror=unlistable, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:  # a link that leads back
            subdirectories.clear()
            continue
        seen.add(real)
        subdirectories.sort()
        events = sorted(Path(directory) / name for name in files if "tfevents" in name)
        if events:
            found[os.path.relpath(directory, root)] = events
    return found


def _read_run(name: str, paths: list[Path]) -> Run | None:
    series: dict[str, tuple[list[int], list[float], list[Any]]] = {}
    notes: list[str] = []
    for path in paths:
        for event in _events(path, notes):
            for value in event.summary.value:
                if value.tag.startswith(f"{schema.PLUGIN_NAME}/"):
                    steps, times, values = series.setdefault(value.tag, ([], [], []))
                    steps.append(event.step)
                    times.append(event.wall_time)
                    values.append(_decoded(value.tensor))
    run = schema.run_from_series(name, series, notes)
    if run is None and notes and any(path.name.endswith(schema.PLUGIN_NAME) for path in paths):
        raise ValueError("; ".join(notes))
    return run


def _events(path: Path, notes: list[str]) -> Iterator[event_pb2.Event]:
    """Yields the events of one file up to the first record that is not whole.

    The checksum of a record's length is verified, its content's is not, as RustBoard has it: in Python it would cost
    0.4 µs a byte.
    """
    with path.open("rb") as file:
        while head := file.read(_HEADER.size):
            if len(head) < _HEADER.size:
                break
            size, checksum = _HEADER.unpack(head)
            if masked_crc32c(head[:8]) != checksum or size > _MAX_RECORD_BYTES:
                notes.append(
                    f"{path.name} is damaged at byte {file.tell() - _HEADER.size}; what follows is skipped."
                )
                return
            record = file.read(size + 4)
            if len(record) < size + 4:
                break
            try:
                yield event_pb2.Event.FromString(record[:size])
            except Exception:
                notes.append(
                    f"{path.name} holds a record that is no event; what follows is skipped."
                )
                return
        else:
            return
    notes.append(
        f"{path.name} ends within a record: it is being written, or its writer was killed."
    )


def _decoded(tensor: tensor_pb2.TensorProto) -> Any:
    if tensor.dtype == types_pb2.DT_STRING:
        return tensor.string_val[0] if tensor.string_val else b""
    return np.frombuffer(tensor.tensor_content, "<f4")
