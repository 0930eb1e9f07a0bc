"""The device buffer of a recorder: its layout, and what the host reads out of a copy of it.

NumPy only: the recorders write it, each on its backend.

It is one float32 matrix of `layers + len(HEADER)` columns, the header last, in which -1 was never written:

    rows 0 … ring-1                 the sentinel: gradient norms of update t in row t % ring, every update
    then BLOCK rows                 for each record slot: non-finite counts, then `columns.COLUMNS`

`slots` records fit between two drains; as many more slots take updates off the regular steps, the first ones whose
gradient (on TensorFlow, or loss) is not finite; one more may take what nobody wants.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.columns import COLUMNS
from adamax_tb.sentinel import FLIGHT_STEPS, HEADER, STEP_MODULUS, Drained, Updates

BLOCK = 1 + len(COLUMNS)
#: Records wait on the device until there are this many, or the buffer would hold more than so many numbers: a drain
#: costs the host 1 ms, as much as a step of a small model.
PENDING_RECORDS = 16
BUFFER_ENTRIES = 2**20
MOST_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Layout:
    """Where what lies in the buffer.

    Attributes:
        layers: L, how many variables are watched.
        ring: rows of the sentinel.
        slots: of regular records.
        most: the most that the cadence may be set to.
        steps_per_call: how many updates may pass between two looks of the host.
    """

    layers: int
    ring: int
    slots: int
    most: int
    steps_per_call: int

    @staticmethod
    def of(layers: int, every: int, steps_per_call: int, adjustable: bool) -> "Layout":
        """Returns a layout for so many layers and a record at every so many updates, which may be `adjustable`."""
        columns = layers + len(HEADER)
        most = max(every, min(MOST_EVERY, BUFFER_ENTRIES // columns)) if adjustable else every
        slots = PENDING_RECORDS + steps_per_call // (1 if adjustable else every) + 2
        room = max(0, BUFFER_ENTRIES // columns - slots * BLOCK)
        waiting = min(PENDING_RECORDS * every, room)
        ring = FLIGHT_STEPS + max(every, most) + steps_per_call + waiting
        return Layout(layers, ring, slots, most, steps_per_call)

    def shape(self, unwanted: bool) -> tuple[int, int]:
        """Returns the buffer's shape, with or without the slot of what nobody wants."""
        return self.ring + (2 * self.slots + unwanted) * BLOCK, self.layers + len(HEADER)

    @property
    def spare(self) -> slice:
        """The rows of the slots for updates off the regular steps."""
        return slice(self.ring + self.slots * BLOCK, self.ring + 2 * self.slots * BLOCK)

    def pending(self, every: int) -> int:
        """Returns how many records may wait on the device at this cadence."""
        free = self.ring - FLIGHT_STEPS - self.steps_per_call
        return max(1, min(PENDING_RECORDS, free // every))


class Drain:
    """Reads copies of one buffer, and knows up to where it has."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._last = 0  # the last record's update

    def forget(self, step: int) -> None:
        """The optimizer stands at `step` again, and nothing is in the buffer."""
        self._last = min(self._last, step)

    def drained(self, buffer: NDArray[np.float32]) -> Drained:
        """Returns the updates and records that came since the last call.

        Args:
            buffer: of the layout's shape.
        """
        layers, ring, slots = self._layout.layers, self._layout.ring, self._layout.slots
        sentinel = buffer[:ring]
        blocks = buffer[ring : ring + 2 * slots * BLOCK].reshape(2 * slots, BLOCK, -1)
        order, steps = self._in_order(sentinel[:, layers])
        held = Updates(steps, sentinel[order, :layers], sentinel[order, layers:])
        new = int(np.searchsorted(steps, self._last, side="right"))
        chosen, recorded = self._in_order(blocks[:, 0, layers])
        # a loop of the user's goes on meanwhile: a record may be younger, or older, than the copy of the ring
        new_record = np.isin(recorded, steps[new:])
        chosen, recorded = chosen[new_record], recorded[new_record]
        if recorded.size:  # updates after it count towards the next record's peak
            self._last = int(recorded[-1])
        return Drained(
            sentinel=held[new:],
            held=held,
            steps=recorded,
            nonfinite=blocks[chosen, 0, :layers],
            columns=blocks[chosen, 1:, :layers],
        )

    def _in_order(self, held: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Returns the rows whose `HEADER` step is `held`, in step order, and their steps."""
        (written,) = np.nonzero(held >= 0)
        # no held step is as far from the last drained one as half the modulus
        base = self._last - STEP_MODULUS // 2
        steps = held[written].astype(np.int64) + 1
        steps = base + (steps - base) % STEP_MODULUS
        order = np.argsort(steps, kind="stable")
        return written[order], steps[order]
