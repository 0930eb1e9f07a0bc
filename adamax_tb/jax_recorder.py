"""The device side of a record on JAX: watches an optimizer's updates and keeps their statistics in a buffer.

It does in a compiled step what `recorder` does in TensorFlow's graphs: it reads nothing back during a step and writes
no file, `recording` drains it. A compiled step keeps nothing but what it returns, so the buffer is one of the
optimizer's variables while it is watched, hidden from what is saved. One row more than `buffer` has holds the cadence.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from keras import ops
from numpy.typing import NDArray

from adamax_tb import faults, hooks
from adamax_tb.buffer import BLOCK, Drain
from adamax_tb.schema import NOT_RECORDED
from adamax_tb.sentinel import HEADER, STEP_MODULUS, Drained
from adamax_tb.slots import Kind, Tensor
from adamax_tb.watched import Watched, began

_STORING = ("save_own_variables", "load_own_variables")


class JaxRecorder:
    """Watches one optimizer from `attach` to `detach`, as `recorder.Recorder` does.

    Args:
        optimizer: a Keras optimizer, or a LossScaleOptimizer around one.
        every: a record is taken at updates divisible by this, and at update 1.
        steps_per_call: how many updates may pass between two looks of the host.
        variables: a regular expression that the path of a variable must hold somewhere to be watched.
        adjustable: whether `every` may be set later, up to `most`.

    Attributes:
        model: whose training step tells the loss; its optimizer is the one that is watched.
        state: the values of the optimizer's variables while `fit` holds them, None while the variables do.
    """

    #: A step returns before it is done.
    is_ahead = True

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
        self.every = self.most = every
        self.buffer: Any = None
        self.present: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.model: Any = None
        self.state: list[Any] | None = None
        self._options = (variables, every, steps_per_call, adjustable)
        self._watched: Watched | None = None
        self._drain: Drain | None = None
        self._loss: Tensor = None
        self._unclipped: Sequence[Tensor] | None = None

    @property
    def hooked(self) -> list[tuple[Any, str]]:
        """The methods that are hooked, as `hooks.Watcher` has it."""
        names = ("_backend_update_step", "_clip_gradients", *_STORING)
        found = [(self.optimizer, name) for name in names]
        found += [(self.outer, name) for name in _STORING]
        return found if self.model is None else [*found, (self.model, "train_step")]

    @property
    def variables(self) -> list[Any]:
        """The L variables that are watched, in model order; none before the optimizer is built."""
        return [] if self._watched is None else self._watched.variables

    @property
    def kinds(self) -> list[Kind]:
        """How the optimizer updates each of the variables."""
        return [] if self._watched is None else self._watched.kinds

    @property
    def pending(self) -> int:
        """How many records may wait on the device."""
        return 1 if self._watched is None else self._watched.layout.pending(self.every)

    @property
    def made(self) -> int:
        """How many updates the optimizer has made; waits for those under way."""
        steps = self.optimizer.gradient_accumulation_steps or 1
        return int(np.asarray(self._value_of(self.optimizer._iterations))) // steps

    @property
    def readable(self) -> bool:
        """Whether the buffer can be read now: a step under way takes it with it."""
        if self.buffer is None:
            return True
        value = self._value_of(self.buffer)
        return value is not None and not value.is_deleted()

    def attach(self) -> None:
        """Starts watching, beside others. The training function must be traced anew afterwards."""
        hooks.attach(self)
        try:
            if self.optimizer.built and self.optimizer._trainable_variables:
                self._show()
        except Exception as error:  # being watched must never harm a training run
            hooks.detach(self)
            faults.told(f"OptimizerHealth cannot record this run: {error!r}")

    def detach(self) -> None:
        """Stops watching; when nobody watches any more, the optimizer and the model are as they were."""
        hooks.detach(self)
        self._hide()
        self.state = None

    # The hooks. Each gets the method it stands before and returns what is called in its place.

    def _clip_gradients(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the gradients as they are before clipping, where they are clipped at all."""

        def clip_gradients(grads: Sequence[Tensor]) -> Sequence[Tensor]:
            clipped = original(grads)
            self._unclipped = None if clipped is grads else list(grads)
            return clipped

        return clip_gradients

    def _backend_update_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Observes each update after it was made: here the gradient is the one applied, once per update."""

        def update_step(grads: Any, variables: Any, learning_rate: Tensor) -> None:
            original(grads, variables, learning_rate)
            try:
                self._observe(list(grads), list(variables), learning_rate)
            except Exception as error:  # being watched must never harm a training run
                faults.told(f"OptimizerHealth cannot record this run: {error!r}")

        return update_step

    def train_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Writes down what only the training step knows: its loss, and the scale that it was multiplied by."""
        tracker = self.model._loss_tracker

        def train_step(state: Any, data: Any) -> Any:
            before, update = tracker.__dict__.get("update_state"), tracker.update_state

            def update_state(values: Any, *arguments: Any, **more: Any) -> Any:
                self._loss = values  # out here: where the gradients are taken it cannot leave
                return update(values, *arguments, **more)

            self._loss = None
            tracker.__dict__["update_state"] = update_state
            try:
                logs, after = original(state, data)
            finally:
                tracker.__dict__.pop("update_state", None)
                if before is not None:
                    tracker.__dict__["update_state"] = before
            try:
                after = self._with_step(state, after)
            except Exception as error:  # a step of the user's own may return anything
                faults.told(f"OptimizerHealth cannot see the loss: {error!r}")
            self._loss = None
            return logs, after

        return train_step

    def save_own_variables(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the buffer out of what is saved."""
        return self._hiding(original)

    def load_own_variables(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the buffer out of what is loaded."""
        return self._hiding(original)

    def _hiding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def stored(store: Any) -> None:
            with self._hidden():
                original(store)

        return stored

    @contextlib.contextmanager
    def _hidden(self) -> Iterator[None]:
        shown = self._hide()
        try:
            yield
        finally:
            if shown:
                self.optimizer._variables.append(self.buffer)

    def _hide(self) -> bool:
        """Removes the buffer from the optimizer's variables; tells whether it was there."""
        listed = self.optimizer._variables
        # not `remove`: variables compare by value
        kept = [variable for variable in listed if variable is not self.buffer]
        shown = len(kept) < len(listed)
        listed[:] = kept
        return shown

    def _show(self) -> None:
        """Puts the buffer among the optimizer's variables, made anew where there is none to be read."""
        self._hide()
        if self.buffer is None or not self.readable:  # a step that failed took it
            self._create()
        self.optimizer._variables.append(self.buffer)

    def _create(self) -> None:
        watched = Watched(self.optimizer, *self._options)
        self._watched, self._drain, self.most = watched, Drain(watched.layout), watched.layout.most
        height, width = watched.layout.shape(unwanted=True)
        empty = np.full((height + 1, width), -1.0, np.float32)
        empty[-1] = self.every
        self.buffer = keras.Variable(empty, trainable=False, name="optimizer_health")

    # In the compiled step

    def _observe(self, grads: list[Tensor], variables: list[Any], learning_rate: Tensor) -> None:
        watched = self._watched
        if watched is None:  # the optimizer was not built when `fit` asked for its variables
            return
        unclipped, self._unclipped = self._unclipped, None
        step = watched.step(grads, unclipped, variables)
        self.present = watched.present(step)
        norms = _norms(step.unclipped)
        number = ops.cast(self.optimizer.iterations, "int32") + 1
        header = self._header(number, learning_rate)
        row = jnp.concatenate([watched.spread(norms, step), header])
        slot, wanted = self._slot(number, norms)
        record = _if(
            wanted,
            lambda: watched.record(step, _norms, header, learning_rate, number),
            lambda: jnp.full((BLOCK, row.size), -1.0, "float32"),
        )
        ring, update = watched.layout.ring, jax.lax.dynamic_update_slice
        buffer = update(self.buffer.value, row[None], (number % ring, 0))
        self.buffer.assign(update(buffer, record, (ring + slot * BLOCK, 0)))

    def _slot(self, number: Tensor, norms: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the slot of the record of update `number`, and whether there is one; else the slot of none."""
        assert self._watched is not None
        layout, buffer = self._watched.layout, self.buffer.value
        every = buffer[-1, 0].astype("int32")
        interval = number // every
        spare = layout.slots + interval % layout.slots
        before = buffer[(number - 1) % layout.ring, : layout.layers]
        held = buffer[layout.ring + spare * BLOCK, layout.layers]
        # the buffer knows the step modulo a number that no two steps in it are apart
        ago = (number - 1 - held.astype("int32")) % STEP_MODULUS
        taken = (held >= 0) & ((number - ago) // every == interval)
        regular = (number % every == 0) | (number == 1)
        bad = ~jnp.isfinite(norms.sum()) & jnp.isfinite(before.sum()) & ~taken
        slot = jnp.where(regular, interval % layout.slots, spare)
        return jnp.where(regular | bad, slot, 2 * layout.slots), regular | bad

    def _header(self, number: Tensor, learning_rate: Tensor) -> Tensor:
        """Returns (len(HEADER),) float32, of which `_with_step` adds what only the training step knows."""
        numbers: dict[str, Any] = {
            "step": (number - 1) % STEP_MODULUS,
            "loss": NOT_RECORDED,
            "learning_rate": learning_rate,
            "began": began(self.optimizer),
        }
        return jnp.stack([ops.cast(numbers.get(name, 0.0), "float32") for name in HEADER])

    def _with_step(self, before: Any, after: Any) -> Any:
        """Returns the state `after` a training step, with what only that knows in the header of its update."""
        if self._watched is None:
            return after
        listed, layout = self.outer.variables, self._watched.layout
        values = {id(v): x for v, x in zip(listed, before[2], strict=True)}
        later, at = list(after[2]), _index(listed, self.buffer)
        scale = getattr(self.outer, "dynamic_scale", None)
        growth = getattr(self.outer, "step_counter", None)
        fixed = self.optimizer.loss_scale_factor or 1.0
        known = {
            "loss": NOT_RECORDED if self._loss is None else jnp.mean(self._loss),
            "loss_scale": fixed if scale is None else values[id(scale)],
            "growth": 0.0 if growth is None else values[id(growth)],
        }
        made = later[_index(listed, self.optimizer._iterations)]
        steps = self.optimizer.gradient_accumulation_steps or 1
        place = ((made // steps) % layout.ring, layout.layers)
        (header,) = jax.lax.dynamic_slice(later[at], place, (1, len(HEADER)))
        numbers = [known.get(name, header[i]) for i, name in enumerate(HEADER)]
        told = jnp.stack([jnp.asarray(x, "float32") for x in numbers])
        # no update was made: loss scaling threw the batch away, or gradients add up
        none = (made == values[id(self.optimizer._iterations)]) | (made % steps != 0)
        told = jnp.where(none, header, told)
        later[at] = jax.lax.dynamic_update_slice(later[at], told[None], place)
        return (*after[:2], later, *after[3:])

    # The host

    def _value_of(self, variable: Any) -> Any:
        """Returns the present value of one of the optimizer's variables, None where `fit` has taken it away."""
        if self.state is None:
            return variable._value  # `value` would make one anew
        return self.state[_index(self.outer.variables, variable)]

    def _change(self, change: Callable[[Any], Any]) -> None:
        """Has the buffer be what `change` makes of it."""
        if self.state is None:
            self.buffer.assign(change(self.buffer.value))
        else:
            at = _index(self.outer.variables, self.buffer)
            self.state[at] = change(self.state[at])

    def set_every(self, every: int) -> None:
        """Takes records at updates divisible by `every` from now on; what was recorded must have been drained."""
        if self.every == every or self._watched is None:
            return
        self.every, spare = every, self._watched.layout.spare
        self._change(lambda x: x.at[-1].set(float(every)).at[spare].set(-1.0))

    def forget(self, step: int) -> None:
        """Forgets all updates: the optimizer stands at `step` again, an earlier checkpoint was loaded."""
        if self._drain is not None:
            self._drain.forget(step)
            self._change(lambda x: x.at[:-1].set(-1.0))

    def drain(self) -> Drained | None:
        """Brings what was recorded since the last drain to the host, in one transfer.

        Returns:
            The updates and records, or None when no update was made yet, or a step that failed took the buffer with it.
        """
        if self._drain is None or not self.readable:
            return None
        buffer = np.array(self._value_of(self.buffer))  # a copy: the next step takes it
        return self._drain.drained(buffer[:-1])

    def sentinel_cost(self) -> float:
        """Returns about how many seconds watching one update takes, by trial on arrays as large as the weights."""
        values = [jnp.ones(tuple(variable.shape), "float32") for variable in self.variables]

        def watch(values: list[Any], times: Any) -> Any:
            def once(i: Any, total: Any) -> Any:
                return total + _norms([x + i for x in values]).sum()

            return jax.lax.fori_loop(0, times, once, jnp.float32(0))

        compiled = jax.jit(watch)

        def seconds(times: int) -> float:
            start = time.perf_counter()
            compiled(values, times).block_until_ready()
            return time.perf_counter() - start

        seconds(1)  # compiles
        once, more = (min(seconds(times) for _ in range(3)) for times in (1, 4))
        return max(0.0, more - once) / 3


def _norms(arrays: list[Tensor]) -> Tensor:
    """Returns (len(arrays),) float32, the Euclidean norm of each; infinite where a sum of squares overflows."""
    # a product, for which there are fast programs everywhere: a sum of squares XLA fuses and takes on one thread
    flat = [x.astype("float32").reshape(-1) for x in arrays]
    return jnp.sqrt(jnp.stack([jnp.dot(x, x, precision="highest") for x in flat]))


def _if(condition: Any, then: Callable[[], Tensor], otherwise: Callable[[], Tensor]) -> Tensor:
    """Returns `then()` if `condition` holds, else `otherwise()`; a step that JAX does not compile takes it as it is."""
    if isinstance(condition, jax.core.Tracer):
        return jax.lax.cond(condition, then, otherwise)
    return then() if condition else otherwise()


def _index(variables: list[Any], variable: Any) -> int:
    for i, v in enumerate(variables):
        if v is variable:
            return i
    raise LookupError(f"{variable.path} is none of the optimizer's variables")
