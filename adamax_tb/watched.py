"""What a recorder on arrays, of JAX or PyTorch, watches: which variables, where they lie in the buffer, and one record.

It computes and keeps nothing: the recorders say when, and where what it returns goes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from adamax_tb.buffer import BLOCK, Layout
from adamax_tb.columns import COLUMNS
from adamax_tb.reduction import (
    Update,
    Whole,
    faded_units,
    fans,
    nonfinite_count,
    reduce_entries,
    unused_units,
)
from adamax_tb.settings import chosen
from adamax_tb.slots import Entries, Kind, Tensor, kinds_of

#: (K arrays) → (K,) float32, their Euclidean norms.
Norms = Callable[[list[Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """One update under way; entry i of each list belongs to one watched variable.

    Attributes:
        gradients: as they were applied.
        unclipped: before clipping; the same list where nothing was clipped.
        variables: Keras variables, the weights after the update.
        places: their columns of the buffer.
    """

    gradients: list[Tensor]
    unclipped: list[Tensor]
    variables: list[Any]
    places: list[int]


class Watched:
    """The L watched variables of a built optimizer.

    Args:
        optimizer: a Keras optimizer.
        pattern: a regular expression that the path of a variable must hold somewhere to be watched.
        every, steps_per_call, adjustable: as `Layout.of` has them.

    Attributes:
        kinds: how the optimizer updates each.
        layout: of the buffer.

    Raises:
        ValueError: no variable's path holds the pattern.
    """

    def __init__(
        self, optimizer: Any, pattern: str | None, every: int, steps_per_call: int, adjustable: bool
    ) -> None:
        self._optimizer = optimizer
        paths = [variable.path for variable in optimizer._trainable_variables]
        self._indices = chosen(paths, pattern)
        self._place = {index: i for i, index in enumerate(self._indices)}
        self.kinds: list[Kind] = kinds_of(optimizer, self._indices)
        self.layout = Layout.of(len(self._indices), every, steps_per_call, adjustable)

    @property
    def variables(self) -> list[Any]:
        """The variables, in model order."""
        return [self._optimizer._trainable_variables[i] for i in self._indices]

    def step(
        self, gradients: Sequence[Tensor], unclipped: Sequence[Tensor] | None, variables: list[Any]
    ) -> Step:
        """Returns the watched part of an update; `unclipped` is None where nothing was clipped."""
        given = [self._optimizer._get_variable_index(variable) for variable in variables]
        at = [i for i, index in enumerate(given) if index in self._place]
        applied = [gradients[i] for i in at]
        before = applied
        if unclipped is not None and len(unclipped) == len(gradients):
            before = [unclipped[i] for i in at]
        places = [self._place[given[i]] for i in at]
        return Step(applied, before, [variables[i] for i in at], places)

    def present(self, step: Step) -> NDArray[np.bool_]:
        """Returns (L,), which variables an update has."""
        return np.isin(np.arange(len(self.kinds)), step.places)

    def spread(self, values: Tensor, step: Step) -> Tensor:
        """Returns (L,), `values` at the places of an update's variables, 0 elsewhere."""
        if step.places == list(range(len(self.kinds))):
            return values
        found = dict(zip(step.places, ops.unstack(values), strict=True))
        zero = ops.zeros([])
        return ops.stack([found.get(i, zero) for i in range(len(self.kinds))])

    def record(
        self, step: Step, norms: Norms, header: Tensor, learning_rate: Any, number: Any
    ) -> Tensor:
        """Returns one record: (BLOCK, L + len(HEADER)) float32.

        Args:
            step: the update.
            norms: how norms are taken.
            header: (len(HEADER),).
            learning_rate: ().
            number: () int, the update's.
        """
        rate = ops.cast(learning_rate, "float32")
        parts = zip(step.gradients, step.variables, step.places, strict=True)
        updates = [self._update(g, v, place, rate, number) for g, v, place in parts]
        counts = ops.stack([nonfinite_count(g) for g in step.gradients])
        found = ops.stack([_columns(self._optimizer, update) for update in updates], axis=1)
        found = ops.concatenate([counts[None], norms(step.gradients)[None], found])
        spread = ops.stack([self.spread(x, step) for x in ops.unstack(found)])
        return ops.concatenate([spread, ops.tile(header[None], [BLOCK, 1])], axis=1)

    def _update(self, g: Tensor, variable: Any, place: int, rate: Tensor, number: Any) -> Update:
        kind, index = self.kinds[place], self._indices[place]
        return Update(
            gradient=g,
            norm=None,
            weight=ops.convert_to_tensor(variable),
            slots=tuple(ops.convert_to_tensor(x) for x in kind.slots(self._optimizer, index)),
            kind=kind,
            scalars=tuple(kind.scalars(self._optimizer, rate, number)),
        )


def began(optimizer: Any) -> Any:
    """Returns the updates made before AdaMax's last restart, 0 for another optimizer: `HEADER`'s."""
    clock = getattr(optimizer, "restart_clock", None)
    return 0.0 if clock is None else clock.restarted_at


def _columns(optimizer: Any, update: Update) -> Tensor:
    """Returns (len(COLUMNS) - 1,), one variable's columns but for the gradient's norm."""
    if not update.size:
        return ops.zeros([len(COLUMNS) - 1])
    fan_in, units = fans(update.shape)
    g, w, *slots = (
        ops.reshape(ops.cast(x, "float32"), [fan_in, units])
        for x in (update.gradient, update.weight, *update.slots)
    )
    entries = Entries(optimizer, g, tuple(slots), update.scalars)
    found = reduce_entries(update.kind, entries, w, Whole(), None)
    dead = ops.zeros([])
    if found.memory is not None:
        faded = faded_units(update.kind, found.memory / fan_in)
        dead = ops.sum(faded * unused_units(ops.sum(ops.abs(g), axis=0)))
    return ops.concatenate([found.norms, found.sums, found.maxima, dead[None]])
