"""What a user chose for a recording, checked."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adamax_tb.rules import RULE_NAMES, Finding

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
    on_finding: Callable[[Finding], Any] | None = None
    stop_on: tuple[str, ...] = ()

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
        if self.on_finding is not None and not callable(self.on_finding):
            raise ValueError(
                "Argument `on_finding` must be a function that takes a finding, such as `print`. Received: "
                f"on_finding={self.on_finding!r}"
            )
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


def rule_names(stop_on: Any) -> tuple[str, ...]:
    """Returns the names of rules that `stop_on` holds: one as a string, several in a list or the like, None for none.

    Raises:
        ValueError: it holds anything else.
    """
    if isinstance(stop_on, str):
        stop_on = (stop_on,)
    names = () if stop_on is None else stop_on
    if isinstance(names, (list, tuple, set, frozenset)) and all(n in RULE_NAMES for n in names):
        return tuple(names)
    raise ValueError(
        'Argument `stop_on` must hold names of rules, such as ("nonfinite", "exploding-gradient"). There are: '
        f"{', '.join(RULE_NAMES)}. Received: stop_on={stop_on!r}"
    )


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
