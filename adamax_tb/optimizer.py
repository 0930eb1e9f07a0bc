"""AdaMax, the infinity-norm variant of Adam, as a `keras.optimizers.Adamax` with one fused kernel per variable.

It holds no statistics: `recorder` watches it from outside, as it watches stock optimizers.
"""

import numbers
from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
else:
    tf = None

FUSED_DTYPES = ("float32", "float64")
HALF_DTYPES = ("float16", "bfloat16")
STATE_SUFFIXES = ("_momentum", "_norm")  # what Keras names m and u


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
    to float rounding. It differs where stock is wrong or slow: on TensorFlow one fused kernel updates a float32 or
    float64 variable; rows of an embedding that repeat in a batch count once, with their summed gradient; float16 and
    bfloat16 weights keep m and u in float32, and are updated in it.

    A model saved with it is loaded after `from adamax_tb import AdaMax`, which tells Keras about the class.

    Args:
        learning_rate: A float, a `keras.optimizers.schedules.LearningRateSchedule` instance, or a callable that
            takes no arguments and returns the value to use. In units of the weights: no weight moves by more than
            about this much in one update.
        beta_1: The decay of the first moment `m`, in [0, 1).
        beta_2: The decay of the infinity norm `u`, in [0, 1).
        epsilon: Added to `u`, in the units of the gradient; at least 0. With 0, an entry that never had a gradient
            does not move.
        **kwargs: Every other argument of `keras.optimizers.Adamax`: `weight_decay`, `clipnorm`, `clipvalue`,
            `global_clipnorm`, `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, `name`.

    Raises:
        ValueError: A number is out of its range, or an argument is not one of Adamax's.

    References:
        Kingma and Ba, 2015, section 7.1: https://arxiv.org/abs/1412.6980
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: Any = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            beta_1=_checked("beta_1", beta_1, 0.0, 1.0),
            beta_2=_checked("beta_2", beta_2, 0.0, 1.0),
            epsilon=_checked("epsilon", epsilon, 0.0, float("inf")),
            **kwargs,
        )

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

        In bfloat16, 0.999 * u rounds back to u, which then never decays.
        """
        if dtype in HALF_DTYPES and name is not None and name.endswith(STATE_SUFFIXES):
            dtype = "float32"
        return super().add_variable(shape, initializer, dtype, aggregation, layout, name)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its m and u in place.

        Args:
            gradient: (*shape) or IndexedSlices of it, dL/dw after clipping and loss unscaling.
            variable: (*shape), the weights.
            learning_rate: (), not yet corrected for bias.
        """
        power = self._beta_1_power()
        self._update(gradient, variable, learning_rate, power)

    def _distributed_tf_update_step(
        self, distribution: Any, grads_and_vars: Any, learning_rate: Any
    ) -> None:
        if type(self).update_step is not AdaMax.update_step:  # a subclass has its own
            super()._distributed_tf_update_step(distribution, grads_and_vars, learning_rate)
            return
        # Stock raises beta_1 to the power t once per variable; once per step is enough.
        power = self._beta_1_power()

        def update(variable: Any, gradient: Any, learning_rate: Any, power: Any) -> None:
            self._update(gradient, variable, learning_rate, power)

        for gradient, variable in grads_and_vars:
            distribution.extended.update(
                variable, update, args=(gradient, learning_rate, power), group=False
            )

    def _beta_1_power(self) -> Any:
        wide = "float32" if tf is None else "float64"  # JAX has no float64 unless told
        return ops.power(
            ops.convert_to_tensor(self.beta_1, wide), ops.cast(self.iterations + 1, wide)
        )

    def _update(self, gradient: Any, variable: Any, learning_rate: Any, power: Any) -> None:
        index = self._get_variable_index(variable)
        m, u = self._m[index], self._u[index]
        dtype = keras.backend.standardize_dtype(variable.dtype)
        if tf is not None and isinstance(gradient, tf.IndexedSlices):
            gradient = tf.convert_to_tensor(gradient)  # sums the rows that repeat
        if tf is not None and dtype in FUSED_DTYPES and self.epsilon != 0:
            native = variable.value if isinstance(variable, keras.Variable) else variable
            tf.raw_ops.ResourceApplyAdaMax(
                var=native.handle,
                m=m.value.handle,
                v=u.value.handle,
                beta1_power=tf.cast(power, dtype),
                lr=tf.cast(learning_rate, dtype),
                beta1=ops.convert_to_tensor(self.beta_1, dtype),
                beta2=ops.convert_to_tensor(self.beta_2, dtype),
                epsilon=ops.convert_to_tensor(self.epsilon, dtype),
                grad=tf.cast(gradient, dtype),
            )
            return
        compute = "float64" if dtype == "float64" else "float32"
        g, m_new, u_new = (ops.cast(x, compute) for x in (gradient, m, u))
        m_new = m_new + (g - m_new) * (1.0 - self.beta_1)
        u_new = ops.maximum(self.beta_2 * u_new, ops.abs(g))
        rate = ops.cast(learning_rate, compute) / (1.0 - ops.cast(power, compute))
        update = rate * ops.divide_no_nan(m_new, u_new + self.epsilon)
        self.assign(m, ops.cast(m_new, m.dtype))
        self.assign(u, ops.cast(u_new, u.dtype))
        self.assign(variable, ops.cast(ops.cast(variable, compute) - update, dtype))
