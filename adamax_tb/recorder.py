"""The device side of a record: watches an optimizer's updates and keeps their statistics in one device buffer.

It reads nothing back during a step and writes no file: `callback` drains it.

The buffer is one float32 matrix of `len(layers) + len(HEADER)` columns, the header last:

    rows 0 … ring-1                 the sentinel: gradient norms of update t in row t % ring, every update
    then BLOCK rows                 for each record slot: non-finite counts, then `stats.COLUMNS`

`slots` records fit between two drains; as many more slots take updates off the regular steps, the first ones whose
gradient is not finite.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adamax_tb import rows, stats
from adamax_tb.branch import read, run_if
from adamax_tb.stats import COLUMNS, Moments, Reducer, Tensor

#: A step is two numbers, because float32 counts to 2**24 only.
HEADER = ("step_high", "step_low", "loss", "learning_rate", "loss_scale", "t")
_STEP_BASE = 2**20
SENTINEL_STEPS = 128
BLOCK = 1 + len(COLUMNS)
_HOOKS = ("_distributed_tf_update_step", "_clip_gradients", "scale_loss")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of optimizer keeps the state that `stats` reads, and how it turns it into a step.

    Attributes:
        states: "mu" with a first moment and an infinity norm, "m" with a first moment and another denominator, "" if
            it is not known what the state means.
        moments: (optimizer, variable's index) → keras variables m and scale's source; none if they are not known.
        scale: scale's source → scale.
        rate: (optimizer, learning rates (R,), the paper's t (R,)) → what m / (scale + epsilon) is multiplied by.
    """

    states: str
    moments: Callable[[Any, int], tuple[Any, ...]]
    scale: Callable[[Tensor], Tensor]
    rate: Callable[[Any, Any, Any], Any]


def _t(optimizer: Any) -> Any:
    """Returns the paper's t of the update under way: AdaMax counts it from its last restart."""
    restarts = hasattr(optimizer, "restart_clock")
    return optimizer.t if restarts else optimizer.iterations + 1


def _row_count(optimizer: Any, index: int) -> rows.RowCount | None:
    """Returns the count of a variable that is updated row by row; None if all its rows are, always."""
    lazy = getattr(optimizer, "rows", None)
    return lazy.count(index) if isinstance(lazy, rows.LazyRows) else None


def _adam_second(optimizer: Any, index: int) -> Any:
    return (optimizer._velocity_hats if optimizer.amsgrad else optimizer._velocities)[index]


_KINDS: tuple[tuple[type, Kind], ...] = (
    (
        keras.optimizers.Adamax,
        Kind(
            "mu",
            lambda o, i: (o._m[i], o._u[i]),
            lambda u: u,
            lambda o, lr, t: lr / (1 - float(o.beta_1) ** t),
        ),
    ),
    (
        keras.optimizers.Adam,
        Kind(
            "m",
            lambda o, i: (o._momentums[i], _adam_second(o, i)),
            lambda v: tf.sqrt(v),
            lambda o, lr, t: lr * (1 - float(o.beta_2) ** t) ** 0.5 / (1 - float(o.beta_1) ** t),
        ),
    ),
)


#: Any other optimizer: its gradients and weights.
_OTHER = Kind("", lambda o, i: (), lambda u: u, lambda o, lr, t: lr)


def kind_of(optimizer: Any) -> Kind:
    """Returns how to read `optimizer`'s state."""
    return next((kind for known, kind in _KINDS if isinstance(optimizer, known)), _OTHER)


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain brought to the host, oldest first.

    Attributes:
        sentinel_steps: (N,) int64, the updates since the last record of the last drain.
        sentinel: (N, L) float32, gradient norm before clipping of each.
        losses: (N,) float32, NaN where unknown.
        restarted: (N,) bool, whether m and u were cleared before the update.
        steps: (R,) int64, the recorded steps since the last drain.
        headers: (R, len(HEADER)) float32.
        nonfinite: (R, L) float32, counts.
        columns: (R, len(COLUMNS), L) float32.
    """

    sentinel_steps: NDArray[np.int64]
    sentinel: NDArray[np.float32]
    losses: NDArray[np.float32]
    restarted: NDArray[np.bool_]
    steps: NDArray[np.int64]
    headers: NDArray[np.float32]
    nonfinite: NDArray[np.float32]
    columns: NDArray[np.float32]

    def header(self, name: str) -> NDArray[np.float64]:
        """Returns (R,), the entry `name` of `HEADER` of each record."""
        return self.headers[:, HEADER.index(name)].astype(np.float64)

    def windows(self) -> list[slice]:
        """Returns for each record the rows of `sentinel` since the record before it, its own the last."""
        ends = np.searchsorted(self.sentinel_steps, self.steps, side="right").tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


class Recorder:
    """Watches one optimizer from `attach` to `detach`.

    The optimizer's variables, checkpoints and results stay what they are: the buffer is not one of its variables, and
    nothing that the optimizer computes depends on it.

    Args:
        optimizer: a Keras optimizer, or a LossScaleOptimizer around one.
        every: a record is taken at updates divisible by this, and at update 1.
        steps_per_drain: how many updates may pass between two drains.
        xla: whether the training step is compiled by XLA.
    """

    def __init__(
        self, optimizer: Any, every: int, steps_per_drain: int = 1, xla: bool = False
    ) -> None:
        self.outer = optimizer
        self.optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self.kind = kind_of(self.optimizer)
        self.every = every
        self._reducer = Reducer(xla, pieces=not tf.config.list_logical_devices("GPU"))
        self.ring = max(SENTINEL_STEPS, every + steps_per_drain)
        self.slots = steps_per_drain // every + 2
        self.buffer: Any = None
        self.present: NDArray[np.bool_] | None = None
        self._loss: Tensor = None
        self._unclipped: list[Tensor] | None = None
        self._last_drained = -1

    @property
    def variables(self) -> list[Any]:
        """The L trainable variables, in model order."""
        return list(self.optimizer._trainable_variables)

    def attach(self) -> None:
        """Starts watching. The training function must be traced anew afterwards."""
        for name in _HOOKS:
            owner = self.outer if name == "scale_loss" else self.optimizer
            original = getattr(owner, name)
            owner.__dict__[name] = getattr(self, name)(original)

    def detach(self) -> None:
        """Stops watching and leaves the optimizer as it was before `attach`."""
        for name in _HOOKS:
            owner = self.outer if name == "scale_loss" else self.optimizer
            owner.__dict__.pop(name, None)

    # The hooks. Each gets the method it stands before and returns what is called in its place.

    def scale_loss(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the loss that the gradients are taken of."""

        def scale_loss(loss: Tensor) -> Tensor:
            self._loss = loss
            return original(loss)

        return scale_loss

    def _clip_gradients(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the gradients as they are before clipping, where they are clipped at all."""

        def clip_gradients(grads: Sequence[Tensor]) -> Sequence[Tensor]:
            clipped = original(grads)
            self._unclipped = None if clipped is grads else list(grads)
            return clipped

        return clip_gradients

    def _distributed_tf_update_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Observes each update after it was made: only here is the gradient the one applied, once per update."""

        def update_step(distribution: Any, grads_and_vars: Any, learning_rate: Tensor) -> None:
            grads_and_vars = list(grads_and_vars)
            original(distribution, grads_and_vars, learning_rate)
            try:
                self._observe(distribution, grads_and_vars, learning_rate)
            except Exception as error:  # being watched must never harm a training run
                warnings.warn(f"OptimizerHealth cannot record this run: {error!r}", stacklevel=2)

        return update_step

    def _observe(self, distribution: Any, grads_and_vars: list[Any], learning_rate: Tensor) -> None:
        variables = self.variables
        with tf.init_scope():
            if self.buffer is None:
                height = self.ring + 2 * self.slots * BLOCK
                shape = (height, len(variables) + len(HEADER))
                variable = tf.Variable(tf.zeros(shape), trainable=False, name="optimizer_health")
                self.buffer = _first_replica(distribution)(variable)  # a strategy mirrors it
        indices = [self.optimizer._get_variable_index(variable) for _, variable in grads_and_vars]
        self.present = np.isin(np.arange(len(variables)), indices)
        first = _first_replica(distribution)
        gradients = [first(gradient) for gradient, _ in grads_and_vars]
        unclipped = self._reachable_unclipped(len(gradients))
        norms = [self._l2(g) for g in unclipped or gradients]
        step = tf.cast(keras.ops.convert_to_tensor(self.optimizer.iterations), tf.int64) + 1
        header = self._header(first, step, learning_rate)
        norms = tf.stack(norms)
        self.buffer.scatter_update(
            tf.IndexedSlices(
                tf.concat([self._spread(norms, indices), header], axis=0), step % self.ring
            )
        )
        # infinite too where the sum overflows: that is worth a record as well
        finite = tf.math.is_finite(tf.reduce_sum(norms))
        regular = (step % self.every == 0) | (step == 1)

        weights = [first(variable) for _, variable in grads_and_vars]
        state = [
            tuple(first(x.value) for x in self.kind.moments(self.optimizer, index))
            for index in indices
        ]
        counts = [_row_count(self.optimizer, index) for index in indices]
        stored = []
        for weight, pair, count in zip(weights, state, counts, strict=True):
            stored += [weight, *pair]
            stored += [] if count is None else [first(count.made), first(count.last)]

        def write(
            buffer: Tensor, slot: Tensor, step: Tensor, header: Tensor, *rest: Tensor
        ) -> Tensor:
            finite, gradients = rest[0], rest[1 : 1 + len(indices)]
            values = [
                read(handle, x.dtype, x.shape)
                for handle, x in zip(rest[1 + len(indices) :], stored, strict=True)
            ]
            layers, upcoming = [], iter(values)
            for gradient, pair, count in zip(gradients, state, counts, strict=True):
                weight, *moments = (next(upcoming) for _ in (gradient, *pair))
                missed = None if count is None else next(upcoming) - next(upcoming)
                gradient = tf.ensure_shape(_dense(gradient), weight.shape)
                layers.append((gradient, weight, self._moments(weight, moments, missed)))
            block = self._block(layers, header, finite, indices)
            places = self.ring + slot * BLOCK + tf.range(BLOCK, dtype=tf.int64)
            tf.raw_ops.ResourceScatterUpdate(resource=buffer, indices=places, updates=block)
            return slot

        def record(
            buffer: Tensor, step: Tensor, header: Tensor, regular: Tensor, *rest: Tensor
        ) -> Tensor:
            slot, wanted = self._slot(buffer, step, regular, len(variables))
            return run_if(wanted, write, [buffer, slot, step, header, *rest])

        # gradients of embeddings are made dense inside, where they are needed
        rest = [regular, finite, *gradients, *(x.handle for x in stored)]
        run_if(regular | ~finite, record, [self.buffer.handle, step, header, *rest])

    def _slot(
        self, buffer: Tensor, step: Tensor, regular: Tensor, layers: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the slot of update `step`, and whether to record it there.

        A regular record always has one. Between any two there is one for the first bad update that follows a good one.
        """
        interval = step // self.every
        spare = self.slots + interval % self.slots
        held = tf.raw_ops.ResourceGather(
            resource=buffer,
            indices=tf.stack([(step - 1) % self.ring, self.ring + spare * BLOCK]),
            dtype=tf.float32,
        )
        held.set_shape((2, layers + len(HEADER)))
        was_finite = tf.math.is_finite(tf.reduce_sum(held[0, :layers]))
        high, low = (tf.cast(held[1, layers + i], tf.int64) for i in (0, 1))
        spare_step = high * _STEP_BASE + low
        taken = (spare_step > 0) & (spare_step // self.every == interval)
        slot = tf.where(regular, interval % self.slots, spare)
        return slot, regular | (was_finite & ~taken)

    def _l2(self, gradient: Tensor) -> Tensor:
        if isinstance(gradient, tf.IndexedSlices):
            gradient = rows.counted_once(gradient).values
        return self._reducer.l2(gradient)

    def _moments(self, weight: Tensor, pair: list[Tensor], missed: Tensor) -> Moments:
        """Returns the state of one variable; `missed` says how many updates each row has, None if none ever."""
        m, source = pair or [tf.zeros_like(weight)] * 2
        epsilon = float(self.optimizer.epsilon) if pair else 0.0
        if missed is None:
            return Moments(m, source, self.kind.scale, epsilon)
        decays = (self.optimizer.beta_1, self.optimizer.beta_2)
        m, source = (
            x * rows.power(beta, missed, x) for x, beta in zip((m, source), decays, strict=True)
        )
        return Moments(m, source, self.kind.scale, epsilon, missed == 0)

    def _block(
        self,
        layers: Sequence[tuple[Tensor, Tensor, Moments]],
        header: Tensor,
        finite: Tensor,
        indices: list[int],
    ) -> Tensor:
        """Returns one record: (1 + len(COLUMNS), L + len(HEADER)) float32.

        Args:
            layers: gradient, weight and moments of each variable that has a gradient.
            header: (len(HEADER),).
            finite: () bool, whether every gradient is.
            indices: the variables' places.
        """
        columns = [stats.layer_columns(*layer, self._reducer) for layer in layers]
        gradients = [gradient for gradient, _, _ in layers]
        # counting costs a pass over every gradient: done only when a norm says so
        counts = run_if(
            ~finite,
            lambda *g: tf.stack([stats.nonfinite_count(x) for x in g]),
            gradients,
            otherwise=lambda *g: tf.zeros([len(g)]),
        )
        matrix = tf.concat([counts[tf.newaxis], tf.stack(columns, axis=1)], axis=0)
        matrix = tf.transpose(self._spread(tf.transpose(matrix), indices))
        return tf.concat([matrix, tf.tile(header[tf.newaxis], [matrix.shape[0], 1])], axis=1)

    def _spread(self, values: Tensor, indices: list[int]) -> Tensor:
        """Returns `values` (one per gradient) at their variables' places, 0 for variables with no gradient."""
        count = len(self.variables)
        if indices == list(range(count)):
            return values
        where = np.zeros(count, np.int32)
        where[indices] = np.arange(1, len(indices) + 1)
        padded = tf.concat([tf.zeros_like(values[:1]), values], axis=0)
        return tf.gather(padded, where)

    def _header(
        self, first: Callable[[Any], Tensor], step: Tensor, learning_rate: Tensor
    ) -> Tensor:
        """Returns (len(HEADER),) float32."""
        loss, self._loss = self._loss, None
        if loss is None or not _reachable(loss):
            loss = float("nan")
        elif loss.shape.rank != 0:
            loss = tf.reduce_mean(loss)
        scale = getattr(self.outer, "dynamic_scale", self.optimizer.loss_scale_factor or 1.0)
        numbers = [loss, first(learning_rate), scale, _t(self.optimizer)]
        parts = tf.cast(tf.stack([step // _STEP_BASE, step % _STEP_BASE]), tf.float32)
        return tf.concat([parts, tf.stack([keras.ops.cast(x, "float32") for x in numbers])], axis=0)

    def _reachable_unclipped(self, count: int) -> list[Tensor] | None:
        unclipped, self._unclipped = self._unclipped, None
        if unclipped is None or len(unclipped) != count:
            return None
        tensors = tf.nest.flatten(unclipped, expand_composites=True)
        return unclipped if all(_reachable(tensor) for tensor in tensors) else None

    def rewind(self, step: int) -> None:
        """Forgets what it knows if the optimizer stands at an earlier `step`: a checkpoint was loaded."""
        if self.buffer is not None and step < self._last_drained:
            self.buffer.assign(tf.zeros_like(self.buffer))
            self._last_drained = step

    def drain(self) -> Drained | None:
        """Brings what was recorded since the last drain to the host, in one transfer.

        Returns:
            The updates and records, or None when no update was made yet.
        """
        if self.buffer is None:
            return None
        buffer = self.buffer.numpy()
        layers = buffer.shape[1] - len(HEADER)
        sentinel, blocks = (
            buffer[: self.ring],
            buffer[self.ring :].reshape(2 * self.slots, BLOCK, -1),
        )
        order, steps = _since(sentinel[:, layers:], self._last_drained)
        chosen, recorded = _since(blocks[:, 0, layers:], self._last_drained)
        if recorded.size:  # updates after it count towards the next record's peak
            self._last_drained = int(recorded[-1])
        return Drained(
            sentinel_steps=steps,
            sentinel=sentinel[order, :layers],
            losses=sentinel[order, layers + HEADER.index("loss")],
            restarted=(sentinel[order, layers + HEADER.index("t")] == 1) & (steps > 1),
            steps=recorded,
            headers=blocks[chosen, 0, layers:],
            nonfinite=blocks[chosen, 0, :layers],
            columns=blocks[chosen, 1:, :layers],
        )


def _since(headers: NDArray[np.float32], after: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Returns the rows whose step is after `after`, in step order, and their steps. Unwritten rows have step 0."""
    steps = headers[:, 0].astype(np.int64) * _STEP_BASE + headers[:, 1].astype(np.int64)
    order = np.argsort(steps, kind="stable")
    order = order[steps[order] > max(after, 0)]
    return order, steps[order]


def _dense(gradient: Tensor) -> Tensor:
    if isinstance(gradient, tf.IndexedSlices):
        gradient = rows.widened(gradient)
    return tf.convert_to_tensor(gradient)  # of IndexedSlices, sums the rows that repeat


def _first_replica(distribution: Any) -> Callable[[Any], Any]:
    def first(value: Any) -> Any:
        return distribution.experimental_local_results(value)[0]

    return first


def _reachable(tensor: Tensor) -> bool:
    """Tells whether `tensor` can be used here: it is eager, or of this graph or one around it."""
    if tf.executing_eagerly():
        return hasattr(tensor, "numpy")
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if getattr(tensor, "graph", graph) is graph:
            return True
        graph = getattr(graph, "outer_graph", None)
    return False
