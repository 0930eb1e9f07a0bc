"""What a user chose for a recording, checked."""

import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_EVERY = 10_000  # the device keeps a row for every update between two records


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user chose: `OptimizerHealth` says what each means.

    Raises:
        ValueError: one of them is not what it must be.
    """

    log_dir: str
    every: int | str
    overhead: float
    variables: str | None

    def __post_init__(self) -> None:
        every = self.every
        whole = isinstance(every, (int, np.integer)) and not isinstance(every, bool)
        if every != "auto" and not (whole and 1 <= int(every) <= MAX_EVERY):
            raise ValueError(
                f'Argument `every` must be a positive integer of at most {MAX_EVERY}, or "auto". Received: '
                f"every={every!r}"
            )
        number = isinstance(self.overhead, (int, float)) and not isinstance(self.overhead, bool)
        if not number or not 0 < self.overhead < 1:
            raise ValueError(
                "Argument `overhead` must be a part of the training time between 0 and 1, such as 0.02. Received: "
                f"overhead={self.overhead!r}"
            )
        try:
            re.compile(self.variables or "")
        except (TypeError, re.error) as error:
            raise ValueError(
                "Argument `variables` must be a regular expression, such as r'/kernel$'. Received: "
                f"variables={self.variables!r} ({error})"
            ) from error
        _check_writable(self.log_dir)


def path_of(log_dir: Any) -> str:
    """Returns `log_dir` as a string.

    Raises:
        ValueError: it is no path.
    """
    try:
        return os.path.expanduser(os.fsdecode(log_dir))
    except TypeError as error:
        raise ValueError(
            f"Argument `log_dir` must be a path. Received: log_dir={log_dir!r}"
        ) from error


def _check_writable(log_dir: str) -> None:
    if "://" in log_dir:
        return  # a remote file system says so itself, when the file is opened
    try:
        os.makedirs(log_dir, exist_ok=True)
        writable = os.access(log_dir, os.W_OK | os.X_OK)
    except OSError as error:
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} ({error})"
        ) from error
    if not writable:
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} (no permission)"
        )
