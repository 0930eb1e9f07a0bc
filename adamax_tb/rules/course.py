"""How a run's loss went."""

from dataclasses import dataclass

import numpy as np

from adamax_tb.schema import Run

#: A loss that fell by less than this part of its first value has not been learned.
LEARNED = 0.1
#: A loss that changed by less than this part over the second half of a run stands still.
STILL = 0.05


@dataclass(frozen=True, slots=True)
class LossCourse:
    """How a run's loss went, and what that means.

    Attributes:
        first: of the first update, which is the one of the untrained network.
        best: the lowest median of a few records in a row.
        middle: the median of a few records half way.
        last: the median of the last few records; NaN or infinite when they are.
    """

    first: float
    best: float
    middle: float
    last: float

    @property
    def known(self) -> bool:
        """Whether the loss was recorded at all."""
        return not np.isnan(self.first)

    @property
    def learned(self) -> bool:
        """Whether training brought the loss down by `LEARNED`, and kept at least half of what it had gained."""
        fell = self.first - self.last >= LEARNED * abs(self.first)
        return bool(fell and not self.gave_back)

    @property
    def gave_back(self) -> bool:
        """Whether the loss had fallen and then lost more than half of what it had gained."""
        gain = self.first - self.best
        return bool(gain >= LEARNED * abs(self.first) and not self.first - self.last >= gain / 2)

    @property
    def suffered(self) -> bool:
        """Whether the loss ended worse than it began or than it had been, or is not finite."""
        if not self.known:
            return False
        return bool(self.gave_back or not self.last <= self.first + abs(self.first))

    @property
    def flat(self) -> bool:
        """Whether the loss stood still over the second half."""
        return bool(abs(self.middle - self.last) <= STILL * abs(self.middle))

    def described(self) -> str:
        """Returns the course in words, as the end of a sentence."""
        if not self.known:
            return "the loss is not known"
        if self.learned:
            return f"the loss fell from {self.first:.3g} to {self.last:.3g}"
        if self.first - self.best >= LEARNED * abs(self.first):
            return f"the loss, {self.first:.3g} at first and {self.best:.3g} at its best, ended at {self.last:.3g}"
        return f"the loss did not fall: {self.first:.3g} at first, {self.last:.3g} at last"


def loss_course(run: Run) -> LossCourse:
    """Returns how the loss of `run` went; all NaN when it is not known."""
    loss = run.loss.astype(np.float64)
    known = loss[~np.isnan(loss)]
    if not known.size:
        return LossCourse(*[np.nan] * 4)
    few = max(1, min(5, len(loss) // 4))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(loss, few), axis=1)
    finite = medians[np.isfinite(medians)]
    first = float(known[0])
    return LossCourse(
        first=first,
        best=min(first, float(finite.min(initial=np.inf))),
        middle=float(medians[len(medians) // 2]),
        last=float(medians[-1]),
    )
