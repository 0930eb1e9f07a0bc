"""The copies of its weights that a strategy keeps in this process, one per device: their norms at each record.

Like `recorder`, whose records these belong to, it reads nothing back during a step.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adamax_tb.branch import read, run_if
from adamax_tb.schema import NOT_RECORDED
from adamax_tb.sentinel import STEP_MODULUS

Tensor = Any  # TensorFlow ships no types


class Mirrors:
    """Watches the copies of some variables; each copy is looked at on its own device, at records only.

    Args:
        distribution: the strategy.
        layers: L, how many variables there are.
        slots: how many records may wait on the device.
    """

    def __init__(self, distribution: Any, layers: int, slots: int) -> None:
        self._local = distribution.experimental_local_results
        self._layers, self._slots = layers, slots
        # row i: norms of one record, and its update less 1 as `sentinel.HEADER` has it; mirrored itself, it has one
        # copy where each replica is
        unwritten = tf.fill([slots, layers + 1], -1.0)
        held = tf.Variable(unwritten, trainable=False, name="optimizer_health_copies")
        self._held = self._local(held)
        self._traced: list[dict[Any, Any]] = [{} for _ in self._held]

    def watch(
        self, regular: Tensor, step: Tensor, every: Tensor, variables: list[Any], places: list[int]
    ) -> None:
        """Adds the copies to the record of an update, after it was made.

        Args:
            regular: () bool, whether there is a record.
            step: () int64, the update.
            every: () int64.
            variables: Keras variables.
            places: their places among the L.
        """
        copies = [self._local(variable.value) for variable in variables]
        for replica, held in enumerate(self._held):
            mine = [copy[replica] for copy in copies]

            def write(held: Tensor, step: Tensor, every: Tensor, handles: list[Tensor]) -> Tensor:
                values = [read(h, x.dtype, x.shape) for h, x in zip(handles, mine, strict=True)]  # noqa: B023  # traced here
                row = dict(zip(places, [_norm(value) for value in values], strict=True))
                norms = [row.get(i, tf.zeros([])) for i in range(self._layers)]
                norms.append(tf.cast((step - 1) % STEP_MODULUS, tf.float32))
                slot = (step // every) % self._slots
                tf.raw_ops.ResourceScatterUpdate(
                    resource=held, indices=slot[tf.newaxis], updates=tf.stack(norms)[tf.newaxis]
                )
                return step

            known = self._traced[replica].setdefault(tuple(places), {})
            with tf.device(held.device):
                inputs = [held.handle, step, every, [x.handle for x in mine]]
                run_if(regular, write, inputs, traced_before=known)

    def norms(self, steps: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns (K, R, L), the norms of the K copies at the records of `steps`; `NOT_RECORDED` where not known."""
        found = np.full((len(self._held), len(steps), self._layers), NOT_RECORDED)
        wanted = (steps - 1) % STEP_MODULUS
        for replica, held in enumerate(self._held):
            rows = held.numpy()
            at = {int(row[-1]): row[:-1] for row in rows if row[-1] >= 0}
            for i, step in enumerate(wanted.tolist()):
                if step in at:
                    found[replica, i] = at[step]
        return found


def local_copies(distribution: Any) -> int:
    """Returns how many copies of a variable `distribution`, a tf.distribute strategy, keeps in this process."""
    try:
        return len(distribution.extended.worker_devices)
    except (AttributeError, NotImplementedError, RuntimeError):  # the default strategy
        return 1


def _norm(value: Tensor) -> Tensor:
    value = tf.cast(value, tf.float32)
    return tf.raw_ops.EuclideanNorm(input=value, axis=[*range(len(value.shape))])
