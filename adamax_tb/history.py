"""The records of a training so far, kept for a judgement while it goes on.

Of a long training it keeps only some records: what is left out is handed on to the next one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import rules, schema
from adamax_tb.schema import Run
from adamax_tb.thinning import hand_on

#: The run is judged when its records have become more by this factor, on so many of them at most.
JUDGED_GROWTH = 1.25
JUDGED_RECORDS = 256


class History:
    """Takes records as they come and gives a run of them to `rules`."""

    def __init__(self) -> None:
        self._records: list[tuple[int, dict[str, NDArray[Any]]]] = []
        self._count = 0
        self._judged = rules.HISTORY

    def add(
        self,
        steps: NDArray[np.int64],
        layer_stats: dict[str, NDArray[np.float32]],
        step_stats: dict[str, NDArray[Any]],
    ) -> None:
        """Appends records; one of an earlier step replaces what followed it.

        Args:
            steps: (R,).
            layer_stats: statistic → (R, L), of `schema.STATS`.
            step_stats: statistic → (R,), of `schema.STEP_STATS`, all of them.
        """
        for i, step in enumerate(steps.tolist()):
            while self._records and self._records[-1][0] >= step:
                self._records.pop()
            record = {name: values[i].copy() for name, values in layer_stats.items()}
            record |= {name: x[i : i + 1].astype(np.float32) for name, x in step_stats.items()}
            self._records.append((step, record))
        self._count += len(steps)
        if len(self._records) > JUDGED_RECORDS:
            self._halve()

    def _halve(self) -> None:
        """Leaves out every second record, but neither the first nor the last."""
        left_out = range(1, len(self._records) - 1, 2)
        for i in left_out:
            (earlier, dropped), (later, kept) = self._records[i : i + 2]
            hand_on(dropped, kept, later - earlier)
        self._records = [r for i, r in enumerate(self._records) if i not in left_out]

    def due(self, now: bool) -> bool:
        """Tells whether enough has come in for another judgement, or anything if it is to be `now`."""
        if not self._records or (not now and self._count < self._judged * JUDGED_GROWTH):
            return False
        self._judged = self._count
        return True

    def run(self, table: schema.LayerTable, flight: schema.Flight | None) -> Run:
        """Returns the records as a run of the layers in `table`."""
        steps, records = zip(*self._records, strict=True)
        stacked = {name: np.stack([record[name] for record in records]) for name in records[0]}
        return Run(
            name=".",
            steps=np.array(steps, np.int64),
            wall_times=np.zeros(len(steps)),
            layers=tuple(layer.name for layer in table.layers),
            shapes=tuple(tuple(layer.shape) for layer in table.layers),
            statistics=tuple(table.statistics),
            optimizer=table.optimizer,
            hyperparameters=dict(table.hyperparameters),
            flight=flight,
            _stats=schema.Arrays({name: stacked[name] for name in table.statistics}),
            _step_stats=schema.Arrays({name: stacked[name][:, 0] for name in schema.STEP_STATS}),
        )
