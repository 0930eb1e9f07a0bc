"""Warm restarts: when an optimizer's m and u are cleared and its bias correction begins anew, and the clearing.

It counts from the number of updates that the optimizer tells it, and knows nothing else of it.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from adamax_tb.branch import run_if
else:
    tf = None


def checked_period(period: Any) -> Any:
    """Returns `period`: None, a positive integer or a callable.

    Raises:
        ValueError: it is something else.
    """
    whole = isinstance(period, (int, np.integer)) and not isinstance(period, bool) and period >= 1
    if period is not None and not whole and not callable(period):
        raise ValueError(
            "Argument `restart_every` must be a positive integer, a keras.optimizers.schedules.LearningRateSchedule or "
            "a callable from the number of updates made to the length of the cycle that begins there. "
            f"Received: restart_every={period!r}"
        )
    if callable(period):
        first = float(ops.convert_to_tensor(period(ops.convert_to_tensor(0))))
        if not first >= 1:
            raise ValueError(
                "Argument `restart_every` must give cycles of at least 1 update. Received: "
                f"restart_every={period!r}, which gives {first:.4g} for the first one. A schedule of the learning rate "
                "is none of cycle lengths."
            )
    return int(period) if whole else period


class RestartClock(keras.layers.Layer):
    """How many updates had been made when m and u were last cleared; 0: they never were.

    A part of the optimizer of its own, so that the optimizer's own variables are stock Adamax's, in checkpoints too.

    Args:
        period: as `AdaMax` takes it for `restart_every`.
    """

    def __init__(self, period: Any) -> None:
        super().__init__(name="restart_clock", dtype="float32", trainable=False)
        self.period = period
        self.restarted_at = self.add_weight(
            name="restarted_at",
            shape=(),
            initializer="zeros",
            dtype="int",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Reads what `save_own_variables` wrote; a file of stock Adamax holds nothing: it never restarted."""
        self.restarted_at.assign(store["0"] if "0" in store.keys() else 0)  # noqa: SIM118  # no dict

    def began(self, made: Any) -> Any:
        """Returns () int, how many updates had been made when the cycle began that is under way after `made`."""
        at = ops.convert_to_tensor(self.restarted_at)
        # a restart that lies ahead is one that restoring an earlier checkpoint has undone
        return ops.where(at > made, ops.zeros_like(at), at)

    def is_due(self, made: Any) -> Any:
        """Returns () bool, whether the cycle is over after `made` updates."""
        began = self.began(made)
        if not callable(self.period):
            return made - began >= self.period
        period = ops.cast(self.period(began), "float32")
        return ops.cast(made - began, "float32") >= ops.maximum(period, 1.0)

    def clear_where(self, due: Any, states: list[Any], made: Any) -> None:
        """Clears `states`, Keras variables, after `made` updates, if `due`."""
        for variable, value in [*((state, 0) for state in states), (self.restarted_at, made)]:
            old = ops.convert_to_tensor(variable)
            new = ops.cast(ops.convert_to_tensor(value), old.dtype)
            variable.assign(ops.where(due, new, old))

    def clear_if(self, distribution: Any, due: Any, states: list[Any], made: Any) -> None:
        """As `clear_where` on TensorFlow, without a pass over `states` while `due` is false."""
        clock = self.restarted_at.value
        made = tf.cast(ops.convert_to_tensor(made), clock.dtype)

        def clear(clock: Any, made: Any, *states: Any) -> None:
            def zero(clock: Any, made: Any, *handles: Any) -> Any:
                tf.raw_ops.AssignVariableOp(resource=clock, value=made)
                for handle, state in zip(handles, states, strict=True):
                    value = tf.zeros(state.shape, state.dtype)
                    tf.raw_ops.AssignVariableOp(resource=handle, value=value)
                return made

            run_if(due, zero, [clock.handle, made, *(state.handle for state in states)])

        args = (made, *(state.value for state in states))
        distribution.extended.update(clock, clear, args=args, group=False)
