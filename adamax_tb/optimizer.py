"""AdaMax, the infinity-norm variant of Adam, as a `keras.optimizers.Adamax` with one fused kernel per variable.

It holds no statistics: `recorder` watches it from outside, as it watches stock optimizers.
"""

import math
import numbers
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from adamax_tb.rows import LazyRows, counted_once, widened
else:
    tf = None
from adamax_tb.restart import RestartClock, checked_period

ON_TORCH = keras.backend.backend() == "torch"
if ON_TORCH:
    import torch

FUSED_DTYPES = ("float32", "float64")
HALF_DTYPES = ("float16", "bfloat16")
STATE_SUFFIXES = ("_momentum", "_norm")  # what Keras names m and u
#: Where a compiled step has no float64 for its scalars.
WIDE = "float32" if tf is None else "float64"


def _checked(name: str, value: Any, low: float, high: float) -> Any:
    """Returns `value`; a Python number outside [low, high) is refused, a tensor is taken as it is."""
    if isinstance(value, numbers.Real) and not low <= float(value) < high:
        raise ValueError(
            f"Argument `{name}` must be in the range [{low:g}, {high:g}). Received: {name}={value}"
        )
    return value


@keras.saving.register_keras_serializable(package="adamax_tb")
class AdaMax(keras.optimizers.Adamax):
    """Optimizer that implements AdaMax, the variant of Adam based on the infinity norm.

    With gradient `g` at update `t = 1, 2, ...`:

        m = beta_1 * m + (1 - beta_1) * g
        u = max(beta_2 * u, |g|)
        w = w - learning_rate / (1 - beta_1**t) * m / (u + epsilon)

    It takes the place of `keras.optimizers.Adamax`: the same arguments, variables and checkpoints, the same weights
    to float rounding. It differs where stock is wrong or slow:

    - On TensorFlow one fused kernel updates a float32 or float64 variable.
    - Rows of an embedding that repeat in a batch, or on several replicas, count once, with their summed gradient;
      clipping sees the sum, too.
    - float16 and bfloat16 weights keep m and u in float32, and are updated in it.
    - An optimizer state that does not fit is refused when it is loaded, where stock warns and goes on without; one
      that is loaded before the optimizer is built is kept until then.

    Rows of an embedding that a batch does not touch follow the recurrence with a gradient of 0, as in stock Keras: u
    and m decay, and the weights drift on with m. That is the paper's algorithm, and costs time that grows with the
    table. With `lazy_rows=True` only the rows that a batch touches are updated, in time and memory that grow with
    them; m and u of a row are decayed for the updates it missed when it is touched again, so that they are the
    paper's, but its weights have not drifted. Rare rows then learn more slowly: a gradient that stands alone moves a
    weight by about `learning_rate` in all, of which `(1 - beta_1)`, a tenth at the defaults, comes at once and the
    rest is drift. A lower `beta_1` makes up for it. `weight_decay`, `use_ema` and constraints still visit every row.

    A warm restart clears m and u and starts the bias correction anew (t = 1), without touching the weights, the
    learning rate or the number of updates: by `restart()`, or regularly by `restart_every`. To restart together with
    a learning rate that does, give both the same cycles. `CosineDecayRestarts(1e-3, 100, t_mul=2.0)` has cycles of
    100, 200, 400, ... updates, and so has

        @keras.saving.register_keras_serializable()
        def doubling(updates):
            return updates + 100

        AdaMax(CosineDecayRestarts(1e-3, 100, t_mul=2.0), restart_every=doubling)

    With `gradient_accumulation_steps` Keras gives a schedule of the learning rate the number of batches, while
    `restart_every` counts updates: the schedule's cycles must be so many times as long.

    A model saved with it is loaded after `from adamax_tb import AdaMax`, which tells Keras about the class. To go on
    from a checkpoint of stock Adamax, compile the model with `AdaMax` and call `model.load_weights` on the `.keras` or
    `.weights.h5` file.

    Args:
        learning_rate: A float, a `keras.optimizers.schedules.LearningRateSchedule` instance, or a callable that
            takes no arguments and returns the value to use. In units of the weights: no weight moves by more than
            about this much in one update.
        beta_1: The decay of the first moment `m`, in [0, 1).
        beta_2: The decay of the infinity norm `u`, in [0, 1).
        epsilon: Added to `u`, in the units of the gradient; at least 0. With 0, an entry that never had a gradient
            does not move.
        lazy_rows: Whether to update only the touched rows of variables whose gradient is a `tf.IndexedSlices`, as
            that of `keras.layers.Embedding` is. On TensorFlow only, and not with `gradient_accumulation_steps`, which
            makes the gradient dense.
        restart_every: The number of updates between two restarts: an integer, or a `LearningRateSchedule` or callable
            from the number of updates made when a cycle begins to the length of the cycle. As a schedule, it gets a
            () tensor and must use Keras operations: it becomes part of the compiled step.
        *stock_arguments: As `kwargs`, in the order that `keras.optimizers.Adamax` has them.
        **kwargs: Every other argument of `keras.optimizers.Adamax`: `weight_decay`, `clipnorm`, `clipvalue`,
            `global_clipnorm`, `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, `name`.

    Raises:
        ValueError: A number is out of its range, `lazy_rows` cannot be had, or an argument is not one of Adamax's.

    References:
        Kingma and Ba, 2015, section 7.1: https://arxiv.org/abs/1412.6980
        Loshchilov and Hutter, 2017, warm restarts: https://arxiv.org/abs/1608.03983
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: Any = 1e-7,
        *stock_arguments: Any,
        lazy_rows: bool = False,
        restart_every: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            _checked("beta_1", beta_1, 0.0, 1.0),
            _checked("beta_2", beta_2, 0.0, 1.0),
            _checked("epsilon", epsilon, 0.0, float("inf")),
            *stock_arguments,
            **kwargs,
        )
        if lazy_rows and tf is None:
            raise ValueError(
                "Argument `lazy_rows=True` needs Keras on TensorFlow, where the gradient of an embedding names its "
                f"rows; Keras runs on {keras.backend.backend()}. Leave it out."
            )
        if lazy_rows and self.gradient_accumulation_steps:
            raise ValueError(
                "Arguments `lazy_rows=True` and `gradient_accumulation_steps` cannot be combined: accumulated "
                "gradients are dense. Leave one out."
            )
        self.lazy_rows = bool(lazy_rows)
        self.restart_every = checked_period(restart_every)
        self.restart_clock = RestartClock(self.restart_every)
        self.rows = LazyRows(float(beta_1), float(beta_2)) if lazy_rows else None
        # a state that was loaded before the optimizer was built
        self._loaded: list[Any] | None = None

    @property
    def variables(self) -> list[Any]:
        """The optimizer's variables: those of stock Adamax; on JAX and PyTorch the restart clock as well, the last.

        JAX hands a compiled step the variables that are listed here, and no others. With `lazy_rows`, call
        `settle_rows` before you read m and u.
        """
        own: list[Any] = super().variables
        if tf is None:
            own.append(self.restart_clock.restarted_at)
        return own

    def set_weights(self, weights: Any) -> None:
        """Sets the values of `variables`."""
        self.settle_rows()
        super().set_weights(weights)
        for value in weights[len(self._variables) :]:  # as `variables` lists them
            self.restart_clock.restarted_at.assign(value)

    def build(self, var_list: Any) -> None:
        """Creates m and u of each of `var_list`."""
        if self.built:
            return
        super().build(var_list)
        if self._loaded is not None:
            self._check_fit(self._loaded)
            self._loaded = None

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Any:
        """Adds an optimizer variable; m and u of half-precision weights in float32.

        In bfloat16, 0.999 * u rounds back to u, which then never decays. A state that was loaded before becomes the
        initial value: the variable may be made while a step is traced, when nothing can be assigned yet.
        """
        if self._loaded is not None:
            index = len(self._variables)
            if index >= len(self._loaded):
                count = len(self._loaded)
                raise ValueError(self._misfit(f"it has more than the file's {count} variables"))
            value = self._loaded[index]
            self._check_shape(index, name, tuple(shape), value)

            def initializer(shape: Any, dtype: Any = None) -> Any:
                return ops.cast(value, dtype)

        if dtype in HALF_DTYPES and name is not None and name.endswith(STATE_SUFFIXES):
            dtype = "float32"
        return super().add_variable(shape, initializer, dtype, aggregation, layout, name)

    @property
    def t(self) -> Any:
        """The paper's t of the update under way: () int, updates since the last restart, counted from 1."""
        return self.iterations + 1 - self.restart_clock.began(self.iterations)

    def restart(self) -> None:
        """Clears m and u and starts the bias correction anew: the next update is as the first one was.

        May be called between updates or inside a compiled step, on JAX only where the optimizer's state is in its
        variables: not during `fit`, for which there is `restart_every`. Of a LossScaleOptimizer, which Keras puts
        around the optimizer under `mixed_float16`, it is `optimizer.inner_optimizer.restart()`.
        """
        if tf is None:
            self.restart_clock.clear_where(True, self._states(), self.iterations)
        elif tf.distribute.in_cross_replica_context():
            self._clear_if(self._distribution_strategy, tf.constant(True))
        else:
            tf.__internal__.distribute.interim.maybe_merge_call(
                lambda distribution: self._clear_if(distribution, tf.constant(True)),
                self._distribution_strategy,
            )

    def _states(self) -> list[Any]:
        """Returns all m and u; a variable that its gradient overwrites has none."""
        pairs = zip(self._m, self._u, strict=True) if self.built else ()
        return [state for pair in pairs for state in pair if state is not None]

    def _clear_if(self, distribution: Any, due: Any) -> None:
        self.restart_clock.clear_if(distribution, due, self._states(), self.iterations)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its m and u in place.

        Args:
            gradient: (*shape) or IndexedSlices of it, dL/dw after clipping and loss unscaling.
            variable: (*shape), the weights.
            learning_rate: (), not yet corrected for bias.
        """
        self._update(gradient, variable, learning_rate, self._bias_correction())

    def _backend_update_step(
        self, grads: Any, trainable_variables: Any, learning_rate: Any
    ) -> None:
        if tf is None and self.restart_every is not None:
            clock, made = self.restart_clock, self.iterations
            clock.clear_where(clock.is_due(made), self._states(), made)
        if ON_TORCH and type(self).update_step is AdaMax.update_step:
            grads, trainable_variables = self._rest(grads, trainable_variables, learning_rate)
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _rest(self, grads: Any, variables: Any, learning_rate: Any) -> tuple[Any, Any]:
        """Updates on PyTorch all variables at once that can be; returns the gradients and variables of the others."""
        numbers_only = all(
            isinstance(x, numbers.Real) for x in (self.beta_1, self.beta_2, self.epsilon)
        )
        rest = list(range(len(variables)))
        for dtype in FUSED_DTYPES if numbers_only and np.float32(self.epsilon) != 0 else ():
            at = [i for i in rest if keras.backend.standardize_dtype(variables[i].dtype) == dtype]
            if at:
                chosen = [grads[i] for i in at], [variables[i] for i in at]
                self._update_together(*chosen, ops.cast(learning_rate, dtype), dtype)
            rest = [i for i in rest if i not in set(at)]
        return [grads[i] for i in rest], [variables[i] for i in rest]

    def _update_together(self, grads: Any, variables: Any, rate: Any, dtype: str) -> None:
        """Updates variables of one type on PyTorch, whose operations take many arrays at once."""
        indices = [self._get_variable_index(v) for v in variables]
        states = variables, [self._m[i] for i in indices], [self._u[i] for i in indices]
        w, m, u = ([x.value.detach() for x in kept] for kept in states)
        rate = rate / ops.cast(self._bias_correction(), dtype)
        with torch.no_grad():
            torch._foreach_lerp_(m, grads, 1.0 - self.beta_1)
            torch._foreach_mul_(u, self.beta_2)
            torch._foreach_maximum_(u, torch._foreach_abs(grads))
            update = torch._foreach_div(m, torch._foreach_add(u, self.epsilon))
            torch._foreach_mul_(update, rate)
            torch._foreach_sub_(w, update)

    def _clip_gradients(self, grads: Any) -> Any:
        clips = self.clipnorm or self.global_clipnorm or self.clipvalue
        if tf is None or not clips or not any(isinstance(g, tf.IndexedSlices) for g in grads):
            return super()._clip_gradients(grads)
        grads = [counted_once(g) if isinstance(g, tf.IndexedSlices) else g for g in grads]
        if self.global_clipnorm:  # Keras would make them dense
            return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]
        return super()._clip_gradients(grads)

    def _distributed_tf_update_step(
        self, distribution: Any, grads_and_vars: Any, learning_rate: Any
    ) -> None:
        if self.restart_every is not None:
            self._clear_if(distribution, self.restart_clock.is_due(self.iterations))
        grads_and_vars = list(grads_and_vars)
        if self.rows is not None:
            for gradient, variable in grads_and_vars:
                (gradient, *_) = distribution.experimental_local_results(gradient)
                index = self._get_variable_index(variable)
                self.rows.expect(index, gradient, (*variable.shape, 1)[0])
        if type(self).update_step is not AdaMax.update_step:  # a subclass has its own
            super()._distributed_tf_update_step(distribution, grads_and_vars, learning_rate)
            return
        # Stock raises beta_1 to the power t once per variable; once per step is enough.
        correction = self._bias_correction()
        if isinstance(learning_rate, keras.Variable):  # once is enough for reading it, too
            learning_rate = tf.convert_to_tensor(learning_rate)

        def update(variable: Any, gradient: Any, learning_rate: Any, correction: Any) -> None:
            self._update(gradient, variable, learning_rate, correction)

        for gradient, variable in grads_and_vars:
            distribution.extended.update(
                variable, update, args=(gradient, learning_rate, correction), group=False
            )

    def _bias_correction(self) -> Any:
        """Returns (), 1 - beta_1**t, to the last bit that its type has."""
        beta_1 = self.beta_1
        if isinstance(beta_1, numbers.Real):
            log = math.log(beta_1) if float(beta_1) > 0 else -math.inf
        else:
            log = ops.log(ops.convert_to_tensor(beta_1, WIDE))
        return -ops.expm1(ops.cast(self.t, WIDE) * log)

    def _update(self, gradient: Any, variable: Any, learning_rate: Any, correction: Any) -> None:
        index = self._get_variable_index(variable)
        m, u = self._m[index], self._u[index]
        if tf is not None:
            native = variable.value if isinstance(variable, keras.Variable) else variable
            if isinstance(gradient, tf.IndexedSlices):
                if self.rows is not None and self.rows.count(index) is not None:
                    rate = tf.cast(learning_rate, WIDE) / correction
                    arrays = (native, m.value, u.value)
                    self.rows.update(index, gradient, arrays, rate, float(self.epsilon))
                    return
                gradient = tf.convert_to_tensor(widened(gradient))  # sums the rows that repeat
            if self.rows is not None:
                self.rows.settle_variable(index, m.value, u.value)
            never_0 = not isinstance(self.epsilon, numbers.Real) or np.float32(self.epsilon) != 0
            if native.dtype.name in FUSED_DTYPES and never_0:
                self._update_fused(gradient, (native, m.value, u.value), learning_rate, correction)
                return
        dtype = keras.backend.standardize_dtype(variable.dtype)
        compute = "float64" if dtype == "float64" else "float32"
        g, m_new, u_new = (ops.cast(x, compute) for x in (gradient, m, u))
        beta_1, beta_2, epsilon = (
            x if isinstance(x, numbers.Real) else ops.cast(x, compute)
            for x in (self.beta_1, self.beta_2, self.epsilon)
        )
        m_new = m_new + (g - m_new) * (1.0 - beta_1)
        u_new = ops.maximum(beta_2 * u_new, ops.abs(g))
        rate = ops.cast(learning_rate, compute) / ops.cast(correction, compute)
        update = rate * ops.divide_no_nan(m_new, u_new + epsilon)
        self.assign(m, ops.cast(m_new, m.dtype))
        self.assign(u, ops.cast(u_new, u.dtype))
        self.assign(variable, ops.cast(ops.cast(variable, compute) - update, dtype))

    def _update_fused(
        self, gradient: Any, arrays: tuple[Any, Any, Any], learning_rate: Any, correction: Any
    ) -> None:
        """Updates weights, m and u, TensorFlow variables of one type, in one pass."""
        variable, m, u = arrays
        dtype = variable.dtype
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=m.handle,
            v=u.handle,
            beta1_power=tf.cast(1 - correction, dtype),
            lr=tf.cast(learning_rate, dtype),
            beta1=ops.convert_to_tensor(self.beta_1, dtype),
            beta2=ops.convert_to_tensor(self.beta_2, dtype),
            epsilon=ops.convert_to_tensor(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def settle_rows(self) -> None:
        """Decays m and u of the rows that `lazy_rows` has left behind to the present; saving does it by itself."""
        if self.rows is not None and self.built:
            self.rows.settle(
                self._distribution_strategy,
                lambda index: (self._m[index].value, self._u[index].value),
            )

    # Checkpoints. What is written is stock Adamax's layout, with the restart clock beside it.

    def save_own_variables(self, store: Any) -> None:
        """Writes the state as stock Adamax does; the rows that `lazy_rows` left behind are settled first."""
        self.settle_rows()
        for i, variable in enumerate(self._variables):
            store[str(i)] = variable.numpy()
        for i, value in enumerate(self._loaded or ()):
            if i >= len(self._variables):
                store[str(i)] = value  # still on its way from one file to `build`

    def load_own_variables(self, store: Any) -> None:
        """Reads a state that this class or stock Adamax wrote; kept for `build` if it comes before.

        Raises:
            ValueError: the state has another number of variables, or one of another shape.
        """
        values = [np.array(store[str(i)]) for i in range(len(store.keys()))]
        self._loaded = None
        variables = list(self._variables)
        pending = not self.built and len(values) > len(variables)
        trained = bool(values) and values[0].shape == () and values[0] > 0
        if len(values) <= 2 and (self.built or trained):
            kind = "without m and u" if trained else "which was never built"
            what = f"that of an optimizer {kind}" if values else "none for it"
            warnings.warn(
                f"The optimizer state of {self.name!r} stays as it is: the file holds {what}.",
                stacklevel=2,
            )
            return
        self._check_fit(values[: len(variables)] if pending else values)
        self.settle_rows()
        for variable, value in zip(variables, values, strict=False):
            variable.assign(value)
        if pending:
            self._loaded = values  # the rest is for `build`

    def _check_fit(self, values: list[Any]) -> None:
        variables = self._variables
        if len(values) != len(variables):
            raise ValueError(
                self._misfit(f"it has {len(variables)} variables, the file {len(values)}")
            )
        for i, (variable, value) in enumerate(zip(variables, values, strict=True)):
            self._check_shape(i, variable.path, tuple(variable.shape), value)

    def _check_shape(self, i: int, path: str | None, shape: tuple[int, ...], value: Any) -> None:
        if shape != value.shape:
            raise ValueError(
                self._misfit(f"variable {i}, {path}, has shape {shape}, in the file {value.shape}")
            )

    def _misfit(self, difference: str) -> str:
        return (
            f"The optimizer state in the file does not fit {self.name!r}: {difference}. The model must have the same "
            "trainable variables as the one that was saved, and its optimizer the same `use_ema`, "
            "`gradient_accumulation_steps` and kind of `learning_rate` (a number or a schedule). To start the "
            "optimizer afresh, load the weights before the model is compiled."
        )

    # For tf.train.Checkpoint, which asks for the children before it saves and before it restores.

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        children: dict[str, Any] = super()._trackable_children(save_type, **kwargs)
        if save_type == "checkpoint" and tf.executing_eagerly():
            self.settle_rows()
            if self._loaded is not None:
                warnings.warn(
                    f"The state that was loaded into {self.name!r} is not in this checkpoint: the optimizer must be "
                    "built first, by `optimizer.build(model.trainable_variables)`.",
                    stacklevel=2,
                )
            if int(ops.convert_to_tensor(self.restart_clock.restarted_at).numpy()) == 0:
                children.pop("restart_clock", None)  # then it is stock Adamax's checkpoint
        return children

    def _lookup_dependency(self, name: str, cached_dependencies: Any = None) -> Any:
        clock = self.__dict__.get("restart_clock")
        if name == "restart_clock":
            return clock
        if name == "_iterations" and clock is not None and tf.executing_eagerly():
            # a checkpoint is about to be restored; one that holds no restart is from before any
            clock.restarted_at.assign(0)
        return super()._lookup_dependency(name, cached_dependencies)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration: stock Adamax's, and those arguments of its own that are set."""
        config: dict[str, Any] = super().get_config()
        if self.lazy_rows:
            config["lazy_rows"] = True
        if self.restart_every is not None:
            period = self.restart_every
            known = isinstance(period, int)
            config["restart_every"] = (
                period if known else keras.saving.serialize_keras_object(period)
            )
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Callable[..., Any]] | None = None
    ) -> "AdaMax":
        """Returns the optimizer that `get_config` described, without its state."""
        config = dict(config)
        if isinstance(config.get("restart_every"), dict):
            config["restart_every"] = keras.saving.deserialize_keras_object(
                config["restart_every"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects)
