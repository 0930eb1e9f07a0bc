"""The records of a training so far, kept for a judgement while it goes on.

Of a long training it keeps only some records: what is left out is handed on to the next one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import schema
from adamax_tb.schema import Run
from adamax_tb.thinning import hand_on

#: The run is judged on so many of its records at most.
JUDGED_RECORDS = 256
#: A gradient norm this many times the largest before is a leap.
LEAP = 10.0


class History:
    """Takes records as they come and gives a run of them to `rules`.

    Attributes:
        count: how many records came.
        leapt: whether a layer's gradient leapt in one of them, until somebody says that this is known.
    """

    def __init__(self) -> None:
        self.count = 0
        self.leapt = False
        self._kept = 0  # so many rows of the arrays are records
        self._steps = np.zeros(JUDGED_RECORDS, np.int64)
        self._stats: dict[
            str, NDArray[np.float32]
        ] = {}  # statistic → (JUDGED_RECORDS, L) or (JUDGED_RECORDS, 1)
        self._largest: Any = 0.0  # (L,), gradient norm so far

    def add(
        self,
        steps: NDArray[np.int64],
        layer_stats: dict[str, NDArray[np.float32]],
        step_stats: dict[str, NDArray[Any]],
    ) -> None:
        """Appends records; one of an earlier step replaces what followed it.

        Args:
            steps: (R,), increasing.
            layer_stats: statistic → (R, L), of `schema.STATS`.
            step_stats: statistic → (R,), of `schema.STEP_STATS`, all of them.
        """
        added = layer_stats | {name: values[:, np.newaxis] for name, values in step_stats.items()}
        if not self._stats:
            sizes = {name: (JUDGED_RECORDS, values.shape[1]) for name, values in added.items()}
            self._stats = {name: np.empty(size, np.float32) for name, size in sizes.items()}
        if len(steps):
            self._kept = int(np.searchsorted(self._steps[: self._kept], steps[0]))
        at = 0
        while at < len(steps):
            if self._kept == JUDGED_RECORDS:
                self._halve()
            fit = slice(at, at + JUDGED_RECORDS - self._kept)
            rows = slice(self._kept, self._kept + len(steps[fit]))
            self._steps[rows] = steps[fit]
            for name, values in added.items():
                self._stats[name][rows] = values[fit]
            self._kept, at = rows.stop, fit.stop
        self.count += len(steps)
        self._look_for_leaps(layer_stats["gradient_norm_peak"])

    def _look_for_leaps(self, peaks: NDArray[np.float32]) -> None:
        known = np.vstack([np.broadcast_to(self._largest, peaks.shape[1:]), np.nan_to_num(peaks)])
        before = np.maximum.accumulate(known)
        self.leapt |= bool(((known[1:] > LEAP * before[:-1]) & (before[:-1] > 0)).any())
        self._largest = before[-1]

    def _halve(self) -> None:
        """Leaves out every second record, but neither the first nor the last."""
        stays = np.ones(self._kept, np.bool_)
        for i in range(1, self._kept - 1, 2):
            earlier, later = ({name: x[j] for name, x in self._stats.items()} for j in (i, i + 1))
            hand_on(earlier, later, int(self._steps[i + 1] - self._steps[i]))
            stays[i] = False
        arrays: list[NDArray[Any]] = [self._steps, *self._stats.values()]
        for x in arrays:
            x[: stays.sum()] = x[: self._kept][stays]
        self._kept = int(stays.sum())

    def run(self, table: schema.LayerTable, flight: schema.Flight | None) -> Run:
        """Returns the records as a run of the layers in `table`, good until the next `add`."""
        kept = {name: x[: self._kept] for name, x in self._stats.items()}
        return Run(
            name=".",
            steps=self._steps[: self._kept],
            wall_times=np.zeros(self._kept),
            layers=tuple(layer.name for layer in table.layers),
            shapes=tuple(tuple(layer.shape) for layer in table.layers),
            statistics=tuple(table.statistics),
            optimizer=table.optimizer,
            hyperparameters=dict(table.hyperparameters),
            flight=flight,
            planned_step=table.planned_step or None,
            head=table.head if table.HasField("head") else None,
            _stats=schema.Arrays({name: kept[name] for name in table.statistics}),
            _step_stats=schema.Arrays({name: kept[name][:, 0] for name in schema.STEP_STATS}),
        )
