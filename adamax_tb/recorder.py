"""The device side of a record: watches an optimizer's updates and keeps their statistics in one device buffer.

It reads nothing back during a step and writes no file: `recording` drains it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adamax_tb import faults, hooks, rows, stats
from adamax_tb.branch import compiled_by_xla, read, run_if
from adamax_tb.buffer import BLOCK, Drain, Layout
from adamax_tb.hooks import plain
from adamax_tb.mirrors import Mirrors, local_copies
from adamax_tb.optimizer import AdaMax
from adamax_tb.reduction import Update, nonfinite_count
from adamax_tb.schema import NOT_RECORDED
from adamax_tb.sentinel import HEADER, STEP_MODULUS, Drained
from adamax_tb.settings import chosen
from adamax_tb.slots import Kind, kinds_of
from adamax_tb.stats import Reducer, Tensor


def _row_count(optimizer: Any, index: int) -> rows.RowCount | None:
    """Returns the count of a variable that is updated row by row; None if all its rows are, always."""
    lazy = getattr(optimizer, "rows", None)
    return lazy.count(index) if isinstance(lazy, rows.LazyRows) else None


@dataclass(frozen=True, slots=True)
class _Made:
    """The watched variables of one update under way, as the graph has them; entry i of each belongs to one variable.

    Attributes:
        places: the columns of the buffer.
        gradients: as they were applied.
        unclipped: before clipping, None if nothing was clipped.
        weights: the variables themselves.
        kinds: how the optimizer updates them.
        slots: the variables of its state.
        counts: updates made and each row's last one, for what is updated row by row, else None.
    """

    places: list[int]
    gradients: list[Tensor]
    unclipped: list[Tensor] | None
    weights: list[Any]
    kinds: list[Kind]
    slots: list[list[Any]]
    counts: list[tuple[Any, Any] | None]

    @property
    def stored(self) -> list[Any]:
        """All variables to be read: of each its weights, slots and counts."""
        return [
            variable
            for weight, slots, counts in zip(self.weights, self.slots, self.counts, strict=True)
            for variable in (weight, *slots, *(counts or ()))
        ]


class Recorder:
    """Watches one optimizer from `attach` to `detach`.

    The optimizer's variables, checkpoints and results stay what they are: the buffer is not one of its variables, and
    nothing that the optimizer computes depends on it.

    Args:
        optimizer: a Keras optimizer, or a LossScaleOptimizer around one.
        every: a record is taken at updates divisible by this, and at update 1.
        steps_per_call: how many updates may pass between two looks of the host.
        variables: a regular expression that the path of a variable must hold somewhere to be watched.
        adjustable: whether `every` may be set later, up to `most`.
    """

    def __init__(
        self,
        optimizer: Any,
        every: int,
        steps_per_call: int = 1,
        variables: str | None = None,
        adjustable: bool = False,
    ) -> None:
        self.outer = optimizer
        self.optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self.every = every
        self.buffer: Any = None
        self.kinds: list[Kind] = []
        self.present: NDArray[np.bool_] = np.zeros(0, np.bool_)
        #: The most that `every` may be set to; known with the number of variables.
        self.most = every
        self._gpu = bool(tf.config.list_logical_devices("GPU"))
        self._pattern = variables
        self._steps_per_call = steps_per_call
        self._adjustable = adjustable
        self._cadence: Any = None
        self._watched: list[int] = []  # the optimizer's indices of `variables`
        self._ring = self._slots = 0
        self._traced: dict[Any, dict[Any, Any]] = {}
        # replica, None: all of them → what gradients are taken of
        self._losses: dict[int | None, Tensor] = {}
        self._unclipped: list[Tensor] | None = None
        self._layout: Layout | None = None
        self._drain: Drain | None = None
        self._mirrors: Mirrors | None = None  # where this process has several replicas

    @property
    def hooked(self) -> list[tuple[Any, str]]:
        """The methods that are hooked, as `hooks.Watcher` has it."""
        names = ("_distributed_tf_update_step", "_clip_gradients")
        return [*((self.optimizer, name) for name in names), (self.outer, "scale_loss")]

    @property
    def variables(self) -> list[Any]:
        """The L variables that are watched, in model order; none before the first update is traced."""
        return [self.optimizer._trainable_variables[i] for i in self._watched]

    @property
    def made(self) -> int:
        """How many updates the optimizer has made; waits for those under way."""
        # under a tf.distribute strategy it is one number per replica
        return int(keras.ops.convert_to_tensor(self.optimizer.iterations).numpy())

    @property
    def is_ahead(self) -> bool:
        """Whether a step returns before it is done: on a GPU."""
        return self._gpu

    @property
    def readable(self) -> bool:
        """Whether the buffer can be read now: always."""
        return True

    def set_every(self, every: int) -> None:
        """Takes records at updates divisible by `every` from now on; what was recorded must have been drained."""
        if self.every == every:
            return
        assert self._layout is not None
        self.every = every
        self._cadence.assign(every)
        spare = tf.range(self._layout.spare.start, self._layout.spare.stop)
        forgotten = tf.fill([self._slots * BLOCK, self.buffer.shape[1]], -1.0)
        self.buffer.scatter_update(tf.IndexedSlices(forgotten, spare))

    def attach(self) -> None:
        """Starts watching, beside others. The training function must be traced anew afterwards."""
        hooks.attach(self)

    def detach(self) -> None:
        """Stops watching; when nobody watches any more, the optimizer is as it was."""
        hooks.detach(self)

    @plain
    def take_loss(self, loss: Tensor) -> None:
        """Keeps the loss of the update that comes next; of several replicas each one's."""
        whole = tf.distribute.in_cross_replica_context()
        self._losses[None if whole else _replica()] = loss

    # The hooks. Each gets the method it stands before and returns what is called in its place.

    def scale_loss(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the loss that the gradients are taken of."""

        @plain
        def scale_loss(loss: Tensor) -> Tensor:
            self.take_loss(loss)
            return original(loss)

        return scale_loss

    def _clip_gradients(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the gradients as they are before clipping, where they are clipped at all."""

        @plain
        def clip_gradients(grads: Sequence[Tensor]) -> Sequence[Tensor]:
            clipped = original(grads)
            self._unclipped = None if clipped is grads else list(grads)
            return clipped

        return clip_gradients

    def _distributed_tf_update_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Observes each update after it was made: only here is the gradient the one applied, once per update."""

        @plain
        def update_step(distribution: Any, grads_and_vars: Any, learning_rate: Tensor) -> None:
            grads_and_vars = list(grads_and_vars)
            original(distribution, grads_and_vars, learning_rate)
            try:
                self._observe(distribution, grads_and_vars, learning_rate)
            except Exception as error:  # being watched must never harm a training run
                faults.told(f"OptimizerHealth cannot record this run: {error!r}")

        return update_step

    def _create(self, distribution: Any) -> None:
        paths = [variable.path for variable in self.optimizer._trainable_variables]
        watched = chosen(paths, self._pattern)
        self._watched, self.kinds = watched, kinds_of(self.optimizer, watched)
        layout = Layout.of(len(watched), self.every, self._steps_per_call, self._adjustable)
        self.most, self._ring, self._slots = layout.most, layout.ring, layout.slots
        self._layout, self._drain = layout, Drain(layout)
        first = _first_replica(distribution)  # a strategy mirrors variables

        def variable(value: Any) -> Any:
            return first(tf.Variable(value, trainable=False, name="optimizer_health"))

        if self._adjustable:
            self._cadence = variable(tf.constant(self.every, tf.int64))
        self.buffer = variable(tf.fill(layout.shape(unwanted=self._gpu), -1.0))
        if local_copies(distribution) > 1:
            self._mirrors = Mirrors(distribution, len(watched), layout.slots)

    @property
    def pending(self) -> int:
        """How many records may wait on the device."""
        return self._layout.pending(self.every) if self._layout is not None else 1

    def _observe(self, distribution: Any, grads_and_vars: list[Any], learning_rate: Tensor) -> None:
        with tf.init_scope():
            if self.buffer is None:
                self._create(distribution)
        first = _first_replica(distribution)
        xla = compiled_by_xla()
        # under XLA pieces take as long, and twice as long to compile
        reducer = Reducer(xla, pieces=not self._gpu and not xla)
        # there a branch in the step stops the host at every step: 1.27 of a step (DESIGN 7)
        always = xla and self._gpu
        made = self._made(first, grads_and_vars)
        self.present = np.isin(np.arange(len(self.kinds)), made.places)
        iterations = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int64)
        learning_rate = tf.convert_to_tensor(first(learning_rate))
        loss = self._reachable_loss(distribution)
        norms = stats.norms([self._counted(g) for g in made.unclipped or made.gradients], reducer)
        seen = self._spread(norms, made.places) + self._header(
            first, iterations, learning_rate, loss
        )
        row = tf.stack(seen)
        step = iterations + 1
        self.buffer.scatter_update(tf.IndexedSlices(row, step % self._ring))
        # infinite too where the sum overflows: that is worth a record as well
        finite = tf.math.is_finite(tf.reduce_sum(row if loss is not None else row[: -len(HEADER)]))
        every = tf.constant(self.every, tf.int64)
        if self._cadence is not None:
            every = read(self._cadence.handle, tf.int64, [])
        regular = (step % every) * iterations == 0  # also at update 1
        scalars = {k: k.scalars(self.optimizer, learning_rate, step) for k in made.kinds}

        def write(buffer: Tensor, slot: Tensor, row: Tensor, finite: Tensor, *rest: Any) -> Tensor:
            numbers, gradients, handles = rest
            by_kind = dict(zip(scalars, numbers, strict=True))
            norms = [row[place] for place in made.places] if made.unclipped is None else None
            updates = self._updates(made, gradients, handles, by_kind, norms)
            block = self._block(updates, row[-len(HEADER) :], finite, made.places, reducer)
            into = self._ring + slot * BLOCK + tf.range(BLOCK, dtype=tf.int64)
            tf.raw_ops.ResourceScatterUpdate(resource=buffer, indices=into, updates=block)
            return slot

        def record(
            buffer: Tensor, step: Tensor, every: Tensor, regular: Tensor, *rest: Any
        ) -> Tensor:
            slot, wanted = self._slot(buffer, step, every, regular, loss is not None)
            if always:
                wanted &= regular | ~rest[1]  # `finite`: who branches has asked before
                return write(buffer, tf.where(wanted, slot, 2 * self._slots), *rest)
            return run_if(wanted, write, [buffer, slot, *rest])

        # what is still slices is made dense inside, where it is needed
        inputs = [self.buffer.handle, step, every, regular, row, finite]
        inputs += [[*scalars.values()], made.gradients, [x.handle for x in made.stored]]
        if always:
            record(*inputs)
        else:
            by_row = tuple(counts is not None for counts in made.counts)
            same = (tuple(made.places), by_row, made.unclipped is None, loss is None, xla)
            traced_before = self._traced.setdefault(same, {})
            run_if(regular | ~finite, record, inputs, traced_before=traced_before)
        if self._mirrors is not None and not xla:
            watched = self.variables
            variables = [watched[place] for place in made.places]
            self._mirrors.watch(regular, step, every, variables, made.places)

    def _made(self, first: Callable[[Any], Any], grads_and_vars: list[Any]) -> "_Made":
        """Returns the watched ones among the variables that the update under way changes."""
        place = {index: i for i, index in enumerate(self._watched)}
        given = [self.optimizer._get_variable_index(variable) for _, variable in grads_and_vars]
        chosen = [i for i, index in enumerate(given) if index in place]
        indices = [given[i] for i in chosen]
        kinds = [self.kinds[place[index]] for index in indices]
        unclipped = self._reachable_unclipped(len(given))
        return _Made(
            places=[place[index] for index in indices],
            gradients=[self._summed(first(grads_and_vars[i][0]), given[i]) for i in chosen],
            unclipped=None if unclipped is None else [unclipped[i] for i in chosen],
            weights=[first(grads_and_vars[i][1]) for i in chosen],
            kinds=kinds,
            slots=[
                [first(slot.value) for slot in kind.slots(self.optimizer, index)]
                for kind, index in zip(kinds, indices, strict=True)
            ],
            counts=[
                None if count is None else (first(count.made), first(count.last))
                for count in (_row_count(self.optimizer, index) for index in indices)
            ],
        )

    def _updates(
        self,
        made: "_Made",
        gradients: list[Tensor],
        handles: list[Tensor],
        scalars: dict[Kind, tuple[Tensor, ...]],
        norms: list[Tensor] | None,
    ) -> list[Update]:
        """Returns the updates of `made`, inside a branch, whose inputs the tensors are."""
        stored = made.stored
        values = iter(
            [read(handle, x.dtype, x.shape) for handle, x in zip(handles, stored, strict=True)]
        )
        updates = []
        for i, (gradient, kind) in enumerate(zip(gradients, made.kinds, strict=True)):
            weight, *slots = (next(values) for _ in range(1 + len(made.slots[i])))
            touched = None
            if made.counts[i] is not None:
                missed = next(values) - next(values)
                slots, touched = self._decayed(slots, missed), missed == 0
            updates.append(
                Update(
                    gradient=tf.ensure_shape(_dense(gradient), weight.shape),
                    norm=None if norms is None else norms[i],
                    weight=weight,
                    slots=tuple(slots),
                    kind=kind,
                    scalars=tuple(scalars[kind]),
                    touched=touched,
                )
            )
        return updates

    def _slot(
        self, buffer: Tensor, step: Tensor, every: Tensor, regular: Tensor, loss_known: bool
    ) -> tuple[Tensor, Tensor]:
        """Returns the slot of update `step`, and whether to record it there.

        A regular record always has one. Between any two there is one for the first bad update that follows a good one.
        """
        layers = len(self.kinds)
        interval = step // every
        spare = self._slots + interval % self._slots
        held = tf.raw_ops.ResourceGather(
            resource=buffer,
            indices=tf.stack([(step - 1) % self._ring, self._ring + spare * BLOCK]),
            dtype=tf.float32,
        )
        held.set_shape((2, layers + len(HEADER)))
        before = held[0] if loss_known else held[0, :layers]
        was_finite = tf.math.is_finite(tf.reduce_sum(before))
        # the buffer knows the step modulo a number that no two steps in it are apart
        ago = (step - 1 - tf.cast(held[1, layers], tf.int64)) % STEP_MODULUS
        taken = (held[1, layers] >= 0) & ((step - ago) // every == interval)
        slot = tf.where(regular, interval % self._slots, spare)
        return slot, regular | (was_finite & ~taken)

    def _summed(self, gradient: Tensor, index: int) -> Tensor:
        """Returns `gradient` with the slices of an embedding's row added up, dense where that costs little."""
        if not isinstance(gradient, tf.IndexedSlices):
            return gradient
        shape = self.optimizer._trainable_variables[index].shape
        slices = gradient.values.shape
        few = slices.num_elements() is None or np.prod(shape) > 4 * slices.num_elements()
        # AdaMax makes it dense itself, unless it updates row by row: the same operation, done once
        if few and (not isinstance(self.optimizer, AdaMax) or self.optimizer.rows is not None):
            return gradient
        return _dense(gradient)

    def _counted(self, gradient: Tensor) -> Tensor:
        """Returns `gradient`, of IndexedSlices the values: what repeats added up."""
        if isinstance(gradient, tf.IndexedSlices):
            return rows.counted_once(gradient).values
        return tf.convert_to_tensor(gradient)

    def _decayed(self, slots: list[Tensor], missed: Tensor) -> list[Tensor]:
        """Returns AdaMax's m and u as they would be without `lazy_rows`; each row has `missed` so many updates."""
        decays = (self.optimizer.beta_1, self.optimizer.beta_2)
        return [x * rows.power(beta, missed, x) for x, beta in zip(slots, decays, strict=True)]

    def _block(
        self,
        updates: list[Update],
        header: Tensor,
        finite: Tensor,
        places: list[int],
        reducer: Reducer,
    ) -> Tensor:
        """Returns one record: (BLOCK, L + len(HEADER)) float32.

        Args:
            updates: of each variable that has a gradient.
            header: (len(HEADER),).
            finite: () bool, whether every gradient is.
            places: the variables' columns.
            reducer: how to reduce.
        """
        # counting costs a pass over every gradient: done only when a norm says so
        counts = run_if(
            ~finite,
            lambda *g: tf.stack([nonfinite_count(x) for x in g]),
            [update.gradient for update in updates],
            otherwise=lambda *g: tf.zeros([len(g)]),
        )
        columns = stats.columns(self.optimizer, updates, reducer)
        found = tf.unstack(tf.concat([counts[:, tf.newaxis], columns], axis=1))
        found = self._spread(found, places)
        found += tf.unstack(tf.tile(header[:, tf.newaxis], [1, BLOCK]))
        return tf.stack(found, axis=1)

    def _spread(self, values: list[Tensor], places: list[int]) -> list[Tensor]:
        """Returns `values` (one per gradient) at their variables' places, 0 for variables with no gradient."""
        found = dict(zip(places, values, strict=True))
        return [found.get(i, tf.zeros_like(values[0])) for i in range(len(self.kinds))]

    def _reachable_loss(self, distribution: Any) -> Tensor | None:
        """Returns the () float32 loss of the update under way, None if it is not known.

        What replicas apply is the sum of their gradients, so it is the sum of their losses. Those of other processes
        are taken to be as large as this one's: to ask for them would be a collective operation.
        """
        losses, self._losses = self._losses, {}
        known = [x for x in losses.values() if x is not None and _reachable(x)]
        if not known:
            return None
        means = [tf.cast(x if x.shape.rank == 0 else tf.reduce_mean(x), tf.float32) for x in known]
        loss = means[0] if len(means) == 1 else tf.add_n(means)
        others = distribution.num_replicas_in_sync // local_copies(distribution)
        return loss * others if others > 1 and None not in losses else loss

    def _header(
        self,
        first: Callable[[Any], Tensor],
        iterations: Tensor,
        learning_rate: Tensor,
        loss: Tensor | None,
    ) -> list[Tensor]:
        """Returns the () float32 numbers of `HEADER`."""
        clock = getattr(self.optimizer, "restart_clock", None)
        numbers = [
            iterations % STEP_MODULUS,
            tf.constant(NOT_RECORDED) if loss is None else loss,
            learning_rate,
            getattr(self.outer, "dynamic_scale", self.optimizer.loss_scale_factor or 1.0),
            0.0 if clock is None else clock.restarted_at,
            getattr(self.outer, "step_counter", 0.0),
        ]
        return [keras.ops.cast(x, "float32") for x in numbers]

    def _reachable_unclipped(self, count: int) -> list[Tensor] | None:
        unclipped, self._unclipped = self._unclipped, None
        if unclipped is None or len(unclipped) != count:
            return None
        tensors = tf.nest.flatten(unclipped, expand_composites=True)
        return unclipped if all(_reachable(tensor) for tensor in tensors) else None

    def sentinel_cost(self) -> float:
        """Returns about how many seconds watching one update takes, by trial on the weights: they are as large."""
        values = [variable.value for variable in self.variables]
        reducer = Reducer(xla=False, pieces=not self._gpu)

        def watch_once(i: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            norms = stats.norms([tf.convert_to_tensor(x) for x in values], reducer)
            return i + 1, total + tf.reduce_sum(tf.stack(norms))

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        def watch(times: Tensor) -> Tensor:
            begin = (tf.zeros([], tf.int32), tf.zeros([]))
            return tf.while_loop(lambda i, _: i < times, watch_once, begin, parallel_iterations=1)

        def seconds(times: int) -> float:
            count = tf.constant(times)
            start = time.perf_counter()
            watch(count)[1].numpy()
            return time.perf_counter() - start

        with tf.init_scope():
            seconds(1)  # traces
            once, more = (min(seconds(times) for _ in range(3)) for times in (1, 4))
        return max(0.0, more - once) / 3

    def forget(self, step: int) -> None:
        """Forgets all updates: the optimizer stands at `step` again, an earlier checkpoint was loaded."""
        if self._drain is not None:
            self.buffer.assign(tf.fill(self.buffer.shape, -1.0))
            self._drain.forget(step)

    def drain(self) -> Drained | None:
        """Brings what was recorded since the last drain to the host, in one transfer.

        Returns:
            The updates and records, or None when no update was made yet.
        """
        if self._drain is None:
            return None
        with tf.init_scope():  # a signal may come while a step is traced
            drained = self._drain.drained(self.buffer.numpy())
            if self._mirrors is None:
                return drained
            return replace(drained, copies=self._mirrors.norms(drained.steps))


def _dense(gradient: Tensor) -> Tensor:
    if isinstance(gradient, tf.IndexedSlices):
        gradient = rows.widened(gradient)
    return tf.convert_to_tensor(gradient)  # of IndexedSlices, sums the rows that repeat


def _replica() -> int:
    """Returns the number of the replica whose step is under way."""
    number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return threading.get_ident() if number is None else int(number)  # each has a thread


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
