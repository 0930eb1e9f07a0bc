"""The course of a run: how its loss went, and how far its steps could have brought it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules.descent import Descent, descent
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run

#: A loss that fell by less than this part of its first value has not been learned.
LEARNED = 0.1
#: A loss that changed by less than this part over the second half of a run stands still.
STILL = 0.05
#: A run that kept more than this part of its first loss is failing; of more than the other, it does poorly.
FAILING = 0.5
POOR = 0.25
#: A loss within this part of what guessing gives is that.
CHANCE = 0.05
#: A loss that began this many times above it fell to it.
ABOVE_CHANCE = 1.1
#: An update that promises more than so many times the first loss is one that a spike made.
SPIKE = 3.0
#: A first loss this near to guessing is that of an untrained network.
GUESSED = 0.3
#: A loss of which this part is below 0 has no ground.
BELOW = 0.05
#: After so many updates a pace says something of a run.
FAR = 50
#: So many records are the last few.
LATELY = 3


@dataclass(frozen=True, slots=True)
class LossCourse:
    """How a run's loss went, and what that means.

    Attributes:
        first: of the first update, which is the one of the untrained network.
        best: the lowest median of a few records in a row.
        middle: the median of a few records half way.
        last: the median of the last few records; NaN or infinite when they are.
        chance: what a classifier's loss is that gives every class the same probability; NaN of other networks.
        grounded: whether it has a lowest value that it can near, 0: one that goes below has not.
        falling: whether the last quarter's losses are below the second's by more than batches differ.
    """

    first: float
    best: float
    middle: float
    last: float
    chance: float = np.nan
    grounded: bool = True
    falling: bool = False

    @property
    def known(self) -> bool:
        """Whether the loss was recorded at all."""
        return not np.isnan(self.first)

    @property
    def learned(self) -> bool:
        """Whether training brought the loss down by `LEARNED`, and kept at least half of what it had gained."""
        fell = self.first - self.last >= LEARNED * abs(self.first) and not self.guessing
        return bool(fell and not self.gave_back)

    @property
    def gave_back(self) -> bool:
        """Whether the loss had fallen and then lost more than half of what it had gained."""
        gain = self.first - self.best
        return bool(gain >= LEARNED * abs(self.first) and not self.first - self.last >= gain / 2)

    @property
    def scale(self) -> float:
        """The size of the first loss, never 0."""
        return max(abs(self.first), 1e-30)

    @property
    def remaining(self) -> float:
        """The part of the first loss that is left: 0 of a loss that went to 0, 1 of one that did not fall.

        Infinite when the loss is, or is NaN; NaN when it is not known, or has no ground.
        """
        if not self.known or not (self.grounded or not np.isfinite(self.last)):
            return np.nan
        if not np.isfinite(self.last):
            return np.inf
        if self.guessing:
            return 1.0
        return 1.0 - (self.first - self.last) / self.scale

    @property
    def guessing(self) -> bool:
        """Whether the loss fell from a bad beginning to `chance` and stands there: no input makes a difference."""
        near = abs(self.last - self.chance) <= CHANCE * self.chance
        return bool(near and self.flat and self.first > ABOVE_CHANCE * self.chance)

    @property
    def failing(self) -> bool:
        """Whether most of the first loss is left."""
        return bool(self.remaining > FAILING)

    @property
    def poor(self) -> bool:
        """Whether much of the first loss is left."""
        return bool(self.remaining > POOR)

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

    def ends(self) -> dict[str, float]:
        """Returns where it began and ended, as findings give it in evidence."""
        return {"loss_first": self.first, "loss_last": self.last}

    def described(self) -> str:
        """Returns the course in words, as the end of a sentence."""
        if not self.known:
            return "the loss is not known"
        if self.guessing:
            return f"the loss fell to {spelled(self.last)}, which is what guessing gives, and stands there"
        if not np.isfinite(self.last):
            at_last = "NaN" if np.isnan(self.last) else "infinite"
            if not np.isfinite(self.first):
                became = f" and became {at_last}" if np.isnan(self.last) else ""
                return f"the loss was infinite from the first update on{became}"
            return f"the loss, {spelled(self.first)} at first, became {at_last}"
        if not np.isfinite(self.first):
            return f"the loss, infinite at first, came to {spelled(self.last)}"
        if self.learned:
            return f"the loss fell from {spelled(self.first)} to {spelled(self.last)}"
        if self.first - self.best >= LEARNED * abs(self.first):
            best = f"about {spelled(float(f'{self.best:.2g}'))} at its best"  # of a few records in a row
            return (
                f"the loss, {spelled(self.first)} at first and {best}, came to {spelled(self.last)}"
            )
        if not self.grounded:
            return f"the loss went from {spelled(self.first)} to {spelled(self.last)}"
        return (
            f"the loss did not fall: {spelled(self.first)} at first, {spelled(self.last)} at last"
        )


def loss_course(run: Run) -> LossCourse:
    """Returns how the loss of `run` went; all NaN when it is not known."""
    loss = run.loss.astype(np.float64)
    known = loss[~np.isnan(loss)]
    if not known.size:
        return LossCourse(np.nan, np.nan, np.nan, np.nan)
    few = _few(len(loss))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(loss, few), axis=1)
    finite = medians[np.isfinite(medians)]
    first = float(known[0])
    return LossCourse(
        first=first,
        best=min(first, float(finite.min(initial=np.inf))),
        middle=float(medians[len(medians) // 2]),
        last=float(medians[-1]),
        chance=_chance(run),
        grounded=bool(np.sum(finite < 0) <= BELOW * len(finite)),
        falling=_falling(loss),
    )


def loss_ends(run: Run) -> tuple[float, float]:
    """Returns `first` and `last` of its `loss_course` for a small part of the work; NaN when the loss is not known."""
    loss = run.loss.astype(np.float64)
    known = loss[~np.isnan(loss)]
    if not known.size:
        return np.nan, np.nan
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        return float(known[0]), float(np.median(loss[-_few(len(loss)) :]))


def _few(records: int) -> int:
    """Returns how many of so many records are a few in a row."""
    return max(1, min(5, records // 4), min(50, records // 10))


def _falling(loss: NDArray[np.float64]) -> bool:
    quarter = len(loss) // 4
    early, late = loss[quarter : 2 * quarter], loss[len(loss) - quarter :]
    if quarter < 2 or not (np.isfinite(early).all() and np.isfinite(late).all()):
        return False
    middle = float(np.median(late))
    scatter = 1.4826 * float(np.median(np.abs(late - middle)))
    return bool(np.median(early) - middle > 2 * scatter / np.sqrt(quarter))


def _chance(run: Run) -> float:
    """Returns the logarithm of the number of outputs, NaN of fewer than two, or where the loss is no cross-entropy."""
    if run.head is not None:
        return _guess(run)
    outputs = next((shape[-1] for shape in reversed(run.shapes) if shape), 1)
    return float(np.log(outputs)) if outputs >= 2 else np.nan


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went.

    Attributes:
        loss: how its loss went.
        descent: what its updates promised.
        updates: how many it made.
        planned: how many more it is to make, 0 where that is not known.
        fresh: whether it began with an untrained network, as far as the biases of its last layer show.
        guess: the loss of a classifier that knows nothing, NaN where the loss is no cross-entropy.
    """

    loss: LossCourse
    descent: Descent
    updates: int
    planned: int
    fresh: bool
    guess: float

    @property
    def failing(self) -> bool:
        """Whether most of the first loss is left, or what is left is worse than guessing."""
        return self.loss.failing or bool(self.loss.last > self.guess)

    @property
    def early(self) -> bool:
        """Whether most of what is planned is still to come."""
        return self.planned > self.updates

    @property
    def promised(self) -> float:
        """What all updates promised, as a part of the first loss; NaN where it is not known."""
        return self.descent.whole / self.loss.scale

    @property
    def highest_pace(self) -> float:
        """The largest `pace` that the run had after `FAR` updates or more; of a shorter run its `pace`."""
        made = self.descent.steps - self.descent.steps[0] + 1
        far = made >= FAR
        if not far.any():
            return self.pace
        sums = np.cumsum(self.descent.capped(SPIKE * self.loss.scale))
        return float(np.max(sums[far] / made[far])) / self.loss.scale

    @property
    def pace_lately(self) -> float:
        """What an update of the last few records promised, as a part of the first loss; NaN with too few of them."""
        if len(self.descent.per_update) <= LATELY:
            return np.nan
        return float(np.median(self.descent.per_update[-LATELY:])) / self.loss.scale

    @property
    def expected(self) -> float:
        """What all updates will have promised, those that are planned going on as the last few."""
        lately = self.descent.per_update[-5:]
        rest = self.planned * float(np.median(lately)) if self.planned and len(lately) else 0.0
        return self.promised + rest / self.loss.scale

    @property
    def pace(self) -> float:
        """What an update promised on average, as a part of the first loss; of a single one `SPIKE` at most counts."""
        promised = float(np.sum(self.descent.capped(SPIKE * self.loss.scale)))
        return promised / self.loss.scale / max(self.updates, 1)


def course_of(run: Run) -> Course:
    """Returns the course of `run`, which has a record."""
    updates = int(run.steps[-1] - run.steps[0]) + 1
    planned = max(0, (run.planned_step or 0) - int(run.steps[-1]))
    return Course(loss_course(run), descent(run), updates, planned, _fresh(run), _guess(run))


def _guess(run: Run) -> float:
    if run.head is None or "crossentropy" not in run.head.loss.replace("_", "").lower():
        return np.nan
    return float(np.log(max(2, run.head.units)))


def _fresh(run: Run) -> bool:
    """Tells whether the last bias was 0 before the first update, as Keras initializes it: all of it is that update.

    A network without any bias is taken to be untrained when its first loss is what guessing gives.
    """
    if run.steps[0] != 1 or not {"update_ratio", "weight_norm"} <= set(run.statistics):
        return False
    biases = [i for i, layer in enumerate(run.layers) if layer.endswith(("/bias", "/beta"))]
    if not biases:
        return bool(abs(run.loss[0] - _guess(run)) <= GUESSED * _guess(run))
    first = {name: float(run.stat(name)[0, biases[-1]]) for name in ("update_ratio", "weight_norm")}
    return first["weight_norm"] == 0 or not first["update_ratio"] < 0.5
