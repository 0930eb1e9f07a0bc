"""The device side of a record on PyTorch: watches an optimizer's updates and keeps their statistics in a tensor.

It does in Python what `recorder` does in TensorFlow's graphs, and writes no file: `recording` drains it.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from keras import ops
from numpy.typing import NDArray

from adamax_tb import faults, hooks
from adamax_tb.buffer import BLOCK, Drain
from adamax_tb.schema import NOT_RECORDED
from adamax_tb.sentinel import HEADER, STEP_MODULUS, Drained
from adamax_tb.slots import Kind, Tensor
from adamax_tb.watched import Watched, began

_uncompiled: Any = torch.compiler.disable


class TorchRecorder:
    """Watches one optimizer from `attach` to `detach`, as `recorder.Recorder` does.

    Args:
        optimizer: a Keras optimizer, or a LossScaleOptimizer around one.
        every: a record is taken at updates divisible by this, and at update 1.
        steps_per_call: how many updates may pass between two looks of the host.
        variables: a regular expression that the path of a variable must hold somewhere to be watched.
        adjustable: whether `every` may be set later, up to `most`.
    """

    #: Keras has read a batch's loss by the time that it calls its callbacks.
    is_ahead = False
    #: The buffer is there at any time.
    readable = True

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
        self._options = (variables, every, steps_per_call, adjustable)
        self._watched: Watched | None = None
        self._drain: Drain | None = None
        self._loss: Tensor = None
        self._unclipped: Sequence[Tensor] | None = None
        self._places: list[int] = []
        self._was_bad = False  # the last update
        self._spare_taken = -1  # the interval whose spare slot is taken

    @property
    def hooked(self) -> list[tuple[Any, str]]:
        """The methods that are hooked, as `hooks.Watcher` has it."""
        inner = [(self.optimizer, name) for name in ("_backend_update_step", "_clip_gradients")]
        return [*inner, (self.outer, "scale_loss")]

    @property
    def variables(self) -> list[Any]:
        """The L variables that are watched, in model order; none before the first update."""
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
        """How many updates the optimizer has made."""
        steps = self.optimizer.gradient_accumulation_steps or 1
        return int(self.optimizer._iterations.value) // steps

    def attach(self) -> None:
        """Starts watching, beside others."""
        hooks.attach(self)

    def detach(self) -> None:
        """Stops watching; when nobody watches any more, the optimizer is as it was."""
        hooks.detach(self)

    # The hooks. Each gets the method it stands before and returns what is called in its place.

    def scale_loss(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the loss that the gradients are taken of."""

        def scale_loss(loss: Tensor) -> Tensor:
            self._loss = loss.detach()
            return original(loss)

        return scale_loss

    def _clip_gradients(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the gradients as they are before clipping, where they are clipped at all."""

        def clip_gradients(grads: Sequence[Tensor]) -> Sequence[Tensor]:
            before = list(grads)
            clipped = original(grads)
            self._unclipped = None if clipped is grads else before
            return clipped

        return clip_gradients

    def _backend_update_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Observes each update after it was made: here the gradient is the one applied, once per update."""

        def update_step(grads: Any, variables: Any, learning_rate: Tensor) -> None:
            original(grads, variables, learning_rate)
            try:
                with (
                    torch.no_grad()
                ):  # a loop of the user's may note what happens here for gradients
                    self._observe(list(grads), list(variables), learning_rate)
            except Exception as error:  # being watched must never harm a training run
                faults.told(f"OptimizerHealth cannot record this run: {error!r}")

        return _uncompiled(update_step)

    def _create(self) -> Watched:
        watched = Watched(self.optimizer, *self._options)
        self._watched, self._drain, self.most = watched, Drain(watched.layout), watched.layout.most
        device = watched.variables[0].value.device
        self.buffer = torch.full(watched.layout.shape(unwanted=False), -1.0, device=device)
        return watched

    def _observe(self, grads: list[Tensor], variables: list[Any], learning_rate: Any) -> None:
        watched = self._watched or self._create()
        unclipped, self._unclipped = self._unclipped, None
        step = watched.step(grads, unclipped, variables)
        if step.places != self._places:
            self._places, self.present = step.places, watched.present(step)
        number, layout = self.made + 1, watched.layout
        norms, header = _norms(step.unclipped), self._header(number, learning_rate)
        self.buffer[number % layout.ring] = torch.cat([watched.spread(norms, step), header])
        interval, bad = number // self.every, not math.isfinite(norms.sum())
        regular = number % self.every == 0 or number == 1
        first_bad = bad and not self._was_bad and self._spare_taken != interval
        self._was_bad = bad
        if regular:
            slot = interval % layout.slots
        elif first_bad:
            slot, self._spare_taken = layout.slots + interval % layout.slots, interval
        else:
            return
        into = layout.ring + slot * BLOCK
        record = watched.record(step, _norms, header, learning_rate, number)
        self.buffer[into : into + BLOCK] = record

    def _header(self, number: int, learning_rate: Any) -> Tensor:
        """Returns (len(HEADER),) float32."""
        loss, self._loss = self._loss, None
        fixed = self.optimizer.loss_scale_factor or 1.0
        numbers = {
            "step": (number - 1) % STEP_MODULUS,
            "loss": NOT_RECORDED if loss is None else loss.mean(),
            "learning_rate": learning_rate,
            "loss_scale": getattr(self.outer, "dynamic_scale", fixed),
            "began": began(self.optimizer),
            "growth": getattr(self.outer, "step_counter", 0.0),
        }
        # as numbers of the host: Keras waits for each batch anyway, and an operation costs ten times as much
        return torch.tensor([float(numbers[name]) for name in HEADER], device=self.buffer.device)

    # The host

    def set_every(self, every: int) -> None:
        """Takes records at updates divisible by `every` from now on; what was recorded must have been drained."""
        self.every, self._spare_taken = every, -1

    def forget(self, step: int) -> None:
        """Forgets all updates: the optimizer stands at `step` again, an earlier checkpoint was loaded."""
        if self._drain is not None:
            self._drain.forget(step)
            self._was_bad, self._spare_taken = False, -1
            self.buffer.fill_(-1.0)

    def drain(self) -> Drained | None:
        """Brings what was recorded since the last drain to the host, in one transfer.

        Returns:
            The updates and records, or None when no update was made yet.
        """
        if self._drain is None:
            return None
        return self._drain.drained(np.array(self.buffer.cpu().numpy()))

    def sentinel_cost(self) -> float:
        """Returns about how many seconds watching one update takes, by trial on arrays as large as the weights."""
        values = [ops.ones(tuple(variable.shape), "float32") for variable in self.variables]

        def seconds() -> float:
            start = time.perf_counter()
            _norms(values).cpu()
            return time.perf_counter() - start

        return min(seconds() for _ in range(4))


def _norms(arrays: list[Tensor]) -> Tensor:
    """Returns (len(arrays),) float32, the Euclidean norm of each; infinite where a sum of squares overflows."""
    return torch.stack(torch._foreach_norm([x.float() for x in arrays]))
