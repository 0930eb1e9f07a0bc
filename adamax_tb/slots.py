"""How each kind of Keras optimizer keeps its state, and how gradient and state make the update.

It knows optimizers, not records: `stats` reduces what it computes, entry by entry. An update that does not follow from
gradient, weight and state after the update is left out, not guessed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Tensor = Any  # the backend's; Keras ships no types
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries of one variable, or of several of one kind, after an update: arrays of one shape.

    Attributes:
        optimizer: whose hyperparameters count.
        g: dL/dw as it was applied.
        slots: the optimizer's state, as `Kind.slots` names it.
        scalars: () float32, what `Kind.scalars` returned.
    """

    optimizer: Any
    g: Tensor
    slots: tuple[Tensor, ...]
    scalars: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of optimizer works: `w -= rate * direction`, entry by entry.

    Attributes:
        has: what it has, of `schema.NEEDS`.
        slots: (optimizer, index of the variable) → the Keras variables that hold its state; m or the momentum first.
        scale: u, or the root of v or of the accumulator.
        inverse: what m, or the gradient, is multiplied by in `direction`; nonnegative.
        direction: (entries, inverse) → the update before its `rate`.
        scalars: (optimizer, learning rate, iterations + 1), all (), → numbers of this update that `Entries` needs.
        correction: (optimizer, t (R, 1)) → `rate / learning_rate`, trust ratios left out.
        trust: (optimizer, columns (R, L) by name, sizes (L,), learning rate (R, 1), t (R, 1)) → (R, L), what
            `learning_rate * correction` is multiplied by besides.
        memory: (entries, scale) → nonnegative, fades to 0 where the gradient stays 0; None: |direction|, which is 1 at
            most.
    """

    has: frozenset[str]
    slots: Callable[[Any, int], tuple[Any, ...]] = lambda o, i: ()
    scale: Callable[[Entries], Tensor] | None = None
    inverse: Callable[[Entries, Tensor], Tensor] | None = None
    direction: Callable[[Entries, Tensor], Tensor] | None = None
    scalars: Callable[[Any, Tensor, Tensor], tuple[Tensor, ...]] = lambda o, lr, t: ()
    correction: Callable[[Any, Any], Any] = lambda o, t: np.ones_like(t)
    trust: Callable[[Any, Columns, Any, Any, Any], Any] | None = None
    memory: Callable[[Entries, Tensor], Tensor] | None = None


def _reciprocal(scale: Tensor, epsilon: float) -> Tensor:
    if epsilon == 0:  # 0/0 := 0, as AdaMax has it
        return ops.divide_no_nan(ops.ones_like(scale), scale)
    return ops.reciprocal(scale + epsilon)


def _rsqrt(variance: Tensor, epsilon: float) -> Tensor:
    """Returns 1 / sqrt(variance + epsilon), 0 where that is 1/0."""
    if epsilon == 0:
        return _reciprocal(ops.sqrt(variance), 0.0)
    return ops.rsqrt(variance + epsilon)


def _first_slot_size(e: Entries, scale: Tensor) -> Tensor:
    return ops.abs(e.slots[0])


def _bias_corrected(beta: Any, t: Any) -> Any:
    return 1 - float(beta) ** t


_ADAPTIVE = {"update", "step size", "saturation", "memory"}

_ADAMAX = Kind(
    frozenset({"m", "u", *_ADAPTIVE}),
    lambda o, i: (o._m[i], o._u[i]),
    scale=lambda e: e.slots[1],
    inverse=lambda e, scale: _reciprocal(scale, float(e.optimizer.epsilon)),
    direction=lambda e, inverse: e.slots[0] * inverse,
    correction=lambda o, t: 1 / _bias_corrected(o.beta_1, t),
)


def _root(slot: int) -> Callable[[Entries], Tensor]:
    return lambda e: ops.sqrt(e.slots[slot])


_ADAM = Kind(
    frozenset({"m", "v", *_ADAPTIVE}),
    lambda o, i: (o._momentums[i], (o._velocity_hats if o.amsgrad else o._velocities)[i]),
    scale=_root(1),
    inverse=lambda e, scale: _reciprocal(scale, float(e.optimizer.epsilon)),
    direction=lambda e, inverse: e.slots[0] * inverse,
    correction=lambda o, t: _bias_corrected(o.beta_2, t) ** 0.5 / _bias_corrected(o.beta_1, t),
)


def _nadam_scalars(o: Any, lr: Tensor, t: Tensor) -> tuple[Tensor, ...]:
    """Returns the factors of m and of the gradient in Nadam's look-ahead, and the bias correction of sqrt(v)."""
    t = ops.cast(t, "float32")
    now, following = (float(o.beta_1) * (1 - 0.5 * ops.power(0.96, power)) for power in (t, t + 1))
    product = ops.cast(o._u_product, "float32")
    ahead = following / (1 - product * following)
    return ahead, (1 - now) / (1 - product), ops.sqrt(1 - ops.power(float(o.beta_2), t))


_NADAM = Kind(
    frozenset({"m", "v", *_ADAPTIVE}),
    lambda o, i: (o._momentums[i], o._velocities[i]),
    scale=_root(1),
    inverse=lambda e, scale: _reciprocal(scale / e.scalars[2], float(e.optimizer.epsilon)),
    direction=lambda e, inverse: (e.scalars[0] * e.slots[0] + e.scalars[1] * e.g) * inverse,
    scalars=_nadam_scalars,
)


def _lamb_trust(o: Any, raw: Columns, sizes: Any, learning_rate: Any, t: Any) -> Any:
    """Returns Lamb's ratio |w before| / |D|, D being the update of rate 1 before that ratio; 1 where either is 0.

    `w before = w + ratio learning_rate D`, of which |w|, |D| and w·D are known: a quadratic equation for the ratio.
    """
    correction = 1 / _bias_corrected(o.beta_1, t)
    size = correction * raw["update_l2"]
    product = correction * raw["weight_product"]
    a = np.square(size) * (1 - np.square(learning_rate))
    b = learning_rate * product
    ratio = (b + np.sqrt(np.square(b) + a * np.square(raw["weight_l2"]))) / a
    # from weights of 0 the update is -learning_rate D, which solves the equation too
    from_zero = np.isclose(raw["weight_l2"], learning_rate * size, rtol=1e-5) & np.isclose(
        product, -learning_rate * np.square(size), rtol=1e-5
    )
    return np.where(from_zero | (size == 0), 1.0, ratio)


_LAMB = Kind(
    frozenset({"m", "v", *_ADAPTIVE}),
    lambda o, i: (o._momentums[i], o._velocities[i]),
    scale=_root(1),
    inverse=lambda e, scale: _reciprocal(scale / e.scalars[0], float(e.optimizer.epsilon)),
    direction=lambda e, inverse: e.slots[0] * inverse,
    scalars=lambda o, lr, t: (ops.sqrt(1 - ops.power(float(o.beta_2), ops.cast(t, "float32"))),),
    correction=lambda o, t: 1 / _bias_corrected(o.beta_1, t),
    trust=_lamb_trust,
)


def _adafactor_trust(o: Any, raw: Columns, sizes: Any, learning_rate: Any, t: Any) -> Any:
    """Returns max(epsilon_2, RMS of w before) / max(1, RMS of direction / clip_threshold), with the limited rate."""
    rms = raw["update_l2"] / np.sqrt(sizes)
    rate = np.minimum(learning_rate, 1 / np.sqrt(t)) / np.maximum(1, rms / float(o.clip_threshold))
    # N R² = |w + R rate d|²
    a = sizes - np.square(rate * raw["update_l2"])
    b = rate * raw["weight_product"]
    before = (b + np.sqrt(np.square(b) + a * np.square(raw["weight_l2"]))) / a
    return np.maximum(float(o.epsilon_2), before) * rate / learning_rate


_ADAFACTOR = Kind(
    frozenset({"v", "update", "step size", "memory"}),
    lambda o, i: (o._v[i],),
    scale=_root(0),
    inverse=lambda e, scale: _reciprocal(scale, 0.0),
    direction=lambda e, inverse: e.g * inverse,
    trust=_adafactor_trust,
    memory=lambda e, scale: scale,
)

_LION = Kind(
    frozenset({"m", "update", "memory"}),
    lambda o, i: (o._momentums[i],),
    # m before this update follows from m after it
    direction=lambda e, inverse: ops.sign(
        float(e.optimizer.beta_1)
        * (e.slots[0] - (1 - float(e.optimizer.beta_2)) * e.g)
        / float(e.optimizer.beta_2)
        + (1 - float(e.optimizer.beta_1)) * e.g
    ),
    memory=_first_slot_size,
)

_ADAGRAD = Kind(
    frozenset({"accumulator", "update", "step size"}),
    lambda o, i: (o._accumulators[i],),
    scale=_root(0),
    inverse=lambda e, scale: _rsqrt(e.slots[0], float(e.optimizer.epsilon)),
    direction=lambda e, inverse: e.g * inverse,
)

_FTRL = Kind(frozenset({"accumulator"}), lambda o, i: (o._accumulators[i],), scale=_root(0))


def _adadelta_inverse(e: Entries, scale: Tensor) -> Tensor:
    """Returns update / gradient, from the mean square of the updates with this one in it."""
    rho, epsilon = float(e.optimizer.rho), float(e.optimizer.epsilon)
    mean_square, mean_square_update = e.slots
    variance = mean_square + epsilon
    own = (1 - rho) / rho * ops.square(e.g)
    return ops.sqrt((mean_square_update / rho + epsilon) / (variance + own))


_ADADELTA = Kind(
    frozenset({"v", "update", "step size", "memory"}),
    lambda o, i: (o._accumulated_grads[i], o._accumulated_delta_vars[i]),
    scale=_root(0),
    inverse=_adadelta_inverse,
    direction=lambda e, inverse: e.g * inverse,
    memory=lambda e, scale: scale,
)


def _rmsprop(optimizer: Any) -> Kind:
    centered, momentum = bool(optimizer.centered), optimizer.momentum > 0

    def slots(o: Any, i: int) -> tuple[Any, ...]:
        extra = (o._average_gradients[i],) if centered else ()
        return (*((o._momentums[i],) if momentum else ()), o._velocities[i], *extra)

    def inverse(e: Entries, scale: Tensor) -> Tensor:
        mean_square, *average = e.slots[int(momentum) :]
        if average:
            mean_square = mean_square - ops.square(
                average[0]
            )  # not in place: it is the optimizer's
        return _rsqrt(mean_square, float(e.optimizer.epsilon))

    has = {"v", "update", "step size", "memory", *(["momentum"] if momentum else [])}
    if not momentum:
        return Kind(
            frozenset(has),
            slots,
            scale=_root(0),
            inverse=inverse,
            direction=lambda e, inverse: e.g * inverse,
            memory=lambda e, scale: scale,
        )
    return Kind(
        frozenset(has - {"step size"}),  # the learning rate of each step is in the buffer
        slots,
        scale=_root(1),
        direction=lambda e, inverse: e.slots[0],
        trust=_rate_in_the_direction,
        memory=_first_slot_size,
    )


def _rate_in_the_direction(o: Any, raw: Columns, sizes: Any, learning_rate: Any, t: Any) -> Any:
    return np.divide(1.0, learning_rate, out=np.zeros_like(learning_rate), where=learning_rate != 0)


_SGD = Kind(frozenset({"update"}), direction=lambda e, inverse: e.g)


def _sgd(optimizer: Any) -> Kind:
    if optimizer.momentum == 0:
        return _SGD

    def direction(e: Entries, inverse: Tensor) -> Tensor:
        if not e.optimizer.nesterov:
            return -e.slots[0]
        return e.scalars[0] * e.g - float(e.optimizer.momentum) * e.slots[0]

    return Kind(
        frozenset({"momentum", "update", "memory"}),
        lambda o, i: (o.momentums[i],),
        direction=direction,
        scalars=lambda o, lr, t: (ops.cast(lr, "float32"),),
        trust=_rate_in_the_direction,
        memory=_first_slot_size,
    )


#: Muon's matrices: the update is their momentum made orthogonal, which no entry knows.
_MUON = Kind(
    frozenset({"momentum", "memory"}), lambda o, i: (o.momentums[i],), memory=_first_slot_size
)

#: Muon's other variables, which it updates as Adam does.
_MUON_ADAM = Kind(
    _ADAM.has,
    lambda o, i: (o.momentums[i], o.adam_velocities[i]),
    scale=_root(1),
    inverse=_ADAM.inverse,
    direction=_ADAM.direction,
    correction=lambda o, t: (
        float(o.adam_lr_ratio)
        * _bias_corrected(o.adam_beta_2, t) ** 0.5
        / _bias_corrected(o.adam_beta_1, t)
    ),
)

#: Any other optimizer: its gradients and weights.
_OTHER = Kind(frozenset())

_KINDS: tuple[tuple[str, Callable[[Any], Kind]], ...] = (
    ("Adamax", lambda o: _ADAMAX),
    ("Adam", lambda o: _ADAM),
    ("Nadam", lambda o: _NADAM),
    ("RMSprop", _rmsprop),
    ("Adagrad", lambda o: _ADAGRAD),
    ("Adadelta", lambda o: _ADADELTA if o.rho else _OTHER),
    ("SGD", _sgd),
    ("Lion", lambda o: _LION if o.beta_2 else _OTHER),
    ("Ftrl", lambda o: _FTRL),
    ("Lamb", lambda o: _LAMB),
    ("Adafactor", lambda o: _ADAFACTOR),
)


def kinds_of(optimizer: Any, indices: list[int]) -> list[Kind]:
    """Returns how `optimizer`, which is built, updates each of its variables `indices`.

    A class of the user's own that changes the update of a Keras optimizer is not taken for it.
    """
    step = type(optimizer).update_step
    if not step.__module__.startswith(("keras.", "adamax_tb.")):
        return [_OTHER] * len(indices)
    muon = getattr(keras.optimizers, "Muon", None)
    if muon is not None and isinstance(optimizer, muon):
        velocities = optimizer.adam_velocities
        return [_MUON if velocities[i] is None else _MUON_ADAM for i in indices]
    for name, kind in _KINDS:
        known = getattr(keras.optimizers, name, None)  # Keras has had them since different versions
        if known is not None and isinstance(optimizer, known):
            return [kind(optimizer)] * len(indices)
    return [_OTHER] * len(indices)
