"""What a user chose for a recording, checked."""

import os
import re
from collections.abc import Callable, Sequence
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
    write_summaries: bool = False

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
        if not isinstance(self.write_summaries, (bool, np.bool_)):
            raise ValueError(
                "Argument `write_summaries` must be True or False. Received: "
                f"write_summaries={self.write_summaries!r}"
            )
        _check_writable(self.log_dir)


def path_of(log_dir: Any) -> str:
    """Returns `log_dir` as a string, an absolute path or an address: the working directory may change later.

    Raises:
        ValueError: it is no path.
    """
    try:
        path = os.path.expanduser(os.fsdecode(log_dir))
        return path if "://" in path else os.path.abspath(path)
    except TypeError as error:
        raise ValueError(
            f"Argument `log_dir` must be a path. Received: log_dir={log_dir!r}"
        ) from error


def chosen(paths: Sequence[str], variables: str | None) -> list[int]:
    """Returns the places of those `paths` that hold the regular expression `variables` somewhere; None: of all.

    Raises:
        ValueError: there is none.
    """
    found = [i for i, path in enumerate(paths) if re.search(variables or "", path)]
    if not found:
        raise ValueError(
            f"Argument `variables`: {variables!r} is found in no variable's path. There are: "
            f"{', '.join(paths[:5])}{', …' if len(paths) > 5 else ''}"
        )
    return found


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
    there = os.path.abspath(log_dir)
    # it is made with the first record, by the process that writes it
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} ({there} is no "
            "directory)"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} (no permission)"
        )
