"""What the sentinel saw of a training's updates, on the host: it knows numbers and no framework."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import NOT_RECORDED

#: `step` is the update's number less 1, modulo `STEP_MODULUS`: float32 counts so far. `growth` is LossScaleOptimizer's
#: count of updates since it last changed the scale, `began` the updates made before AdaMax's last restart.
HEADER = ("step", "loss", "learning_rate", "loss_scale", "began", "growth")
STEP_MODULUS = 2**24
#: How many updates before something went wrong are kept.
FLIGHT_STEPS = 128


@dataclass(frozen=True, slots=True)
class Updates:
    """What the sentinel saw of N updates, oldest first.

    Attributes:
        steps: (N,) int64.
        norms: (N, L) float32, gradient norm before clipping of each.
        headers: (N, len(HEADER)) float32.
    """

    steps: NDArray[np.int64]
    norms: NDArray[np.float32]
    headers: NDArray[np.float32]

    def header(self, name: str) -> NDArray[np.float64]:
        """Returns (N,), the entry `name` of `HEADER` of each update."""
        return self.headers[:, HEADER.index(name)].astype(np.float64)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """(N,), whether a gradient, or the loss where it is known, is not finite."""
        loss = np.ascontiguousarray(self.headers[:, HEADER.index("loss")])
        known = loss.view(np.uint32) != NOT_RECORDED.view(np.uint32)
        return np.logical_or(~self.finite, known & ~np.isfinite(loss))

    @property
    def restarted(self) -> NDArray[np.bool_]:
        """(N,), whether m and u were cleared before the update."""
        return np.logical_and(self.t == 1, self.steps > 1)

    @property
    def t(self) -> NDArray[np.float64]:
        """(N,), the paper's t: updates since the last restart, counted from 1."""
        began = self.header("began")
        # a restart that lies ahead is one that restoring an earlier checkpoint has undone
        return np.asarray(self.steps - np.where(began > self.steps - 1, 0.0, began), np.float64)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """(N,), whether every gradient is finite."""
        return np.logical_and.reduce(np.isfinite(self.norms), axis=1)

    def skipped(
        self, growth_steps: int, per_update: int, first_scale: float
    ) -> NDArray[np.float64]:
        """Returns (N,), how many batches loss scaling threw away between each update and the one before.

        A batch that is thrown away halves the scale; `growth_steps` in a row that are not double it.

        Args:
            growth_steps: after how many batches the scale is doubled.
            per_update: batches per update.
            first_scale: the scale before update 1.

        Returns:
            NaN for the first of the updates, unless it is update 1.
        """
        scale, growth = self.header("loss_scale"), self.header("growth")
        before = np.concatenate([[first_scale], scale[:-1]])
        grown = np.concatenate([[False], growth[:-1] + per_update >= growth_steps])
        halved = np.round(np.log2(before * np.where(grown, 2.0, 1.0) / scale))
        if self.steps.size and self.steps[0] != 1:
            halved[0] = np.nan
        return np.maximum(halved, 0)

    def __getitem__(self, which: slice | NDArray[np.intp]) -> "Updates":
        return Updates(self.steps[which], self.norms[which], self.headers[which])


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain brought to the host, oldest first.

    Attributes:
        sentinel: the updates since the last record of the last drain.
        held: all updates that the device still knows, at least `FLIGHT_STEPS` if so many were made.
        steps: (R,) int64, the recorded steps since the last drain, all of them in `sentinel`.
        nonfinite: (R, L) float32, counts.
        columns: (R, len(columns.COLUMNS), L) float32.
        copies: (K, R, L) float32, norms of the weights of each of this process's K replicas; None where it has one.
    """

    sentinel: Updates
    held: Updates
    steps: NDArray[np.int64]
    nonfinite: NDArray[np.float32]
    columns: NDArray[np.float32]
    copies: NDArray[np.float32] | None = None

    @property
    def records(self) -> Updates:
        """What the sentinel saw of the recorded updates."""
        return self.sentinel[np.searchsorted(self.sentinel.steps, self.steps)]

    def windows(self) -> list[slice]:
        """Returns for each record the rows of `sentinel` since the record before it, its own the last."""
        ends = np.searchsorted(self.sentinel.steps, self.steps, side="right").tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
