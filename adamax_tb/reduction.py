"""Reduces what one update did to some entries to a few numbers, in Keras operations: any backend runs it.

It keeps no state: `slots` says how an update is made, the recorders say when and of what.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from keras import ops
from numpy.typing import NDArray

from adamax_tb.columns import MAXIMA, NORMS, SUMS
from adamax_tb.slots import Entries, Kind, Tensor

#: A unit whose mean |m|/u is below this has had no gradient for ln(DEAD)/ln(beta_1) updates.
DEAD = 1e-6


class Reducer(Protocol):
    """How sums and the like are taken where the program runs: of all of `x`, (), or of each of its rows, (rows,)."""

    @property
    def rows(self) -> bool:
        """Whether each row of a matrix is reduced for itself."""

    def sum(self, x: Tensor) -> Tensor:
        """Returns the sum."""

    def max(self, x: Tensor) -> Tensor:
        """Returns the largest entry; whether NaN counts depends on the device."""

    def min(self, x: Tensor) -> Tensor:
        """Returns the smallest entry; whether NaN counts depends on the device."""

    def l2(self, x: Tensor) -> Tensor:
        """Returns the float32 Euclidean norm; infinite when the sum of squares overflows."""

    def count(self, signs: Tensor) -> Tensor:
        """Returns the number of entries that are 1 or -1; the others are 0."""

    def unit_sums(self, x: Tensor) -> Tensor:
        """Returns (units,), the sums of the columns of `x`, which is (fan_in, units)."""


class Whole:
    """A `Reducer` that takes each array in whole, and leaves the rest to the backend."""

    rows = False

    def sum(self, x: Tensor) -> Tensor:
        """Returns the () sum of `x`."""
        return ops.sum(x)

    def max(self, x: Tensor) -> Tensor:
        """Returns the () largest entry of `x`."""
        return ops.max(x)

    def min(self, x: Tensor) -> Tensor:
        """Returns the () smallest entry of `x`."""
        return ops.min(x)

    def l2(self, x: Tensor) -> Tensor:
        """Returns the () float32 Euclidean norm of `x`."""
        return ops.sqrt(ops.sum(ops.square(ops.cast(x, "float32"))))

    def count(self, signs: Tensor) -> Tensor:
        """Returns the () number of entries of `signs` that are 1 or -1."""
        return ops.sum(ops.abs(signs))

    def unit_sums(self, x: Tensor) -> Tensor:
        """Returns (units,), the sums of the columns of `x`."""
        return ops.sum(x, axis=0)


@dataclass(frozen=True, slots=True)
class Update:
    """One variable's update, after it was made.

    Attributes:
        gradient: (*shape), dL/dw as it was applied.
        norm: () float32, its L2 norm if that is known, else None.
        weight: (*shape).
        slots: the optimizer's state, each (*shape).
        kind: how the optimizer works.
        scalars: what `kind.scalars` returned.
        touched: (rows,) bool, which rows of the first axis the update moved, if not all.
    """

    gradient: Tensor
    norm: Tensor | None
    weight: Tensor
    slots: tuple[Tensor, ...]
    kind: Kind
    scalars: tuple[Tensor, ...] = ()
    touched: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The variable's shape."""
        return tuple(self.weight.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))


def nonfinite_count(x: Tensor) -> Tensor:
    """Returns the () float32 number of entries of `x` that are NaN or infinite."""
    return ops.sum(ops.cast(~ops.isfinite(x), "float32"))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns (fan_in, units): the last axis are the units."""
    units = shape[-1] if shape else 1
    return int(np.prod(shape)) // max(1, units), units


def faded_units(kind: Kind, means: Tensor) -> Tensor:
    """Returns 1 for each unit whose memory has faded, 0 for others; `means` is (..., units), of `Kind.memory`."""
    limit: Any = DEAD
    if kind.memory is not None:
        limit = DEAD * ops.max(means, axis=-1, keepdims=True)
    return ops.cast(means <= limit, "float32")


def unused_units(sizes: Tensor) -> Tensor:
    """Returns 1 for each unit whose gradient has size 0, 0 for others."""
    return ops.cast(ops.equal(sizes, 0.0), "float32")


@dataclass(frozen=True, slots=True)
class Reduced:
    """`NORMS`, `SUMS` and `MAXIMA` of some entries, on the last axis, and their memory, if any.

    Of joined variables that is each entry's, of one alone the sum of each unit's.
    """

    norms: Tensor
    sums: Tensor
    maxima: Tensor
    memory: Tensor | None


def reduce_entries(
    kind: Kind,
    e: Entries,
    w: Tensor,
    reducer: Reducer,
    touched: Tensor | None,
    padding: NDArray[np.float32] | None = None,
) -> Reduced:
    """Reduces what happened to some entries; the `padding`, where it is infinite, counts nowhere."""
    zero = ops.zeros([w.shape[0]]) if reducer.rows else ops.zeros([])
    norm = dict.fromkeys(NORMS, zero)
    total = dict.fromkeys(SUMS, zero)
    largest = dict.fromkeys(MAXIMA, zero)
    norm["weight_l2"] = reducer.l2(w)
    total["gradient_nonzeros"] = reducer.count(ops.sign(e.g))
    largest["gradient_max"] = ops.maximum(reducer.max(e.g), -reducer.min(e.g))
    scale = inverse = direction = memory = size = None
    if {"m", "momentum"} & kind.has:
        norm["state_l2"] = reducer.l2(e.slots[0])
    if kind.scale is not None:
        scale = kind.scale(e)
        seen = ops.sign(scale)
        total["scale_nonzeros"] = reducer.sum(seen)
        total["scale_sum"] = reducer.sum(scale)
        largest["scale_max"] = reducer.max(scale)
        smallest = reducer.min(scale if padding is None else scale + padding)
        largest["scale_min_negated"] = -smallest
        moved = seen if touched is None else seen * touched
        total["moved"] = total["scale_nonzeros"] if touched is None else reducer.sum(moved)
    if kind.inverse is not None:
        inverse = kind.inverse(e, scale)
        if touched is not None:
            inverse = inverse * touched
        total["inverse_sum"] = reducer.sum(inverse * seen)  # 1/epsilon where u is 0
    if kind.direction is not None:
        direction = kind.direction(e, inverse)
        size = ops.abs(direction)
        norm["update_l2"] = reducer.l2(direction)
        largest["update_max"] = reducer.max(size)
        total["descent"] = reducer.sum(e.g * direction)
    if kind.trust is not None:
        total["weight_product"] = reducer.sum(w * direction)
    if "memory" in kind.has:
        memory = size if kind.memory is None else kind.memory(e, scale)
        if not reducer.rows:
            memory = reducer.unit_sums(memory)
    if "saturation" in kind.has:  # alone, the sum of the units' sums is cheaper
        total["saturation_sum"] = reducer.sum(size) if reducer.rows else ops.sum(memory)
    stack = partial(ops.stack, axis=-1)
    return Reduced(
        stack([norm[name] for name in NORMS]),
        stack([total[name] for name in SUMS]),
        stack([largest[name] for name in MAXIMA]),
        memory,
    )
