"""What recording costs, measured while a training goes on, and the cadence that keeps it within a budget.

Knows times and counts only: no framework, no file.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

#: Cadences to choose from: multiples of each other, or nearly, so that records keep their steps when it changes.
CADENCES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
#: Steps with and without a record that are remembered: medians of so many shrug off what else the machine does.
REMEMBERED = 64
#: With fewer of either nothing is said.
ENOUGH = 3
#: A denser cadence must be this much cheaper than the budget, so that the choice does not swing.
MARGIN = 0.8


class Meter:
    """Times a training's steps with and without a record in them, and what the host does for records.

    Attributes:
        sentinel_s: seconds that watching costs in every update.
    """

    def __init__(self) -> None:
        self.sentinel_s = 0.0
        self._with: deque[tuple[float, int, int]] = deque(maxlen=REMEMBERED)
        self._without: deque[float] = deque(maxlen=REMEMBERED)
        self._updates = self._records = 0
        self._host_s = self._host_per_record = 0.0
        self._since = time.perf_counter()

    def step(self, seconds: float, updates: int, records: int) -> None:
        """Notes a call of the training function that made `updates` updates, `records` of them recorded."""
        if not updates:
            return
        if records:
            self._with.append((seconds, updates, records))
        else:
            self._without.append(seconds / updates)

    @contextmanager
    def host(self) -> Iterator[None]:
        """Counts the time spent inside as recording's."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._host_s += time.perf_counter() - start

    def count(self, updates: int, records: int) -> None:
        """Notes that so many updates and records were made since the last call."""
        self._updates += updates
        self._records += records

    @property
    def step_s(self) -> float:
        """Seconds of an update without a record; NaN while it is not known."""
        return float(np.median(self._without)) if len(self._without) >= ENOUGH else float("nan")

    @property
    def record_s(self) -> float:
        """Seconds that a record adds to its step on the device; NaN while it is not known."""
        if len(self._with) < ENOUGH:
            return float("nan")
        plain = self.step_s
        if np.isnan(plain):
            return float("nan")
        more = [(seconds - updates * plain) / records for seconds, updates, records in self._with]
        return max(0.0, float(np.median(more)))

    def spent(self) -> float:
        """Returns which part of the time since the last call went into recording, NaN while it is not known."""
        now = time.perf_counter()
        elapsed, self._since = now - self._since, now
        updates, records, host_s = self._updates, self._records, self._host_s
        self._updates = self._records = 0
        self._host_s = 0.0
        if elapsed <= 0 or np.isnan(self.record_s):
            return float("nan")
        if records:
            self._host_per_record = host_s / records
        return min(1.0, (updates * self.sentinel_s + records * self.record_s + host_s) / elapsed)

    def expected(self, every: int) -> float:
        """Returns which part of the training time recording at this cadence takes, NaN while it is not known."""
        cost = self.sentinel_s + (self.record_s + self._host_per_record) / every
        return cost / (self.step_s + (self.record_s + self._host_per_record) / every)

    def cadence(self, budget: float, now: int, allowed: Sequence[int]) -> int:
        """Returns the densest of the `allowed` cadences within `budget`, the last one if none is.

        Args:
            budget: part of the training time that recording may take.
            now: the present cadence, returned while too little is known.
            allowed: increasing.
        """
        if np.isnan(self.expected(now)):
            return now
        for every in allowed:
            limit = budget * MARGIN if every < now else budget
            if self.expected(every) <= limit:
                return every
        return allowed[-1]
