"""The networks that programs train, described by values.

It builds; it knows neither optimizers nor what is healthy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
from tasks import Task

layers = keras.layers


@dataclass(frozen=True)
class Network:
    """A network in a few words.

    Attributes:
        kind: "mlp"; "cnn", convolutions with a pooling after the first; "lstm", of tokens embedded; "transformer",
            with blocks of one head; "bag", the mean of embedded tokens and then an MLP.
        units: of each hidden layer ("dense_1", "conv_1", "lstm_1", "block_1/…").
        activation: of the hidden layers.
        initializer: of the hidden kernels: a name of Keras's, "normal:STDDEV" or "constant:VALUE".
        bias: what the hidden biases start with.
        last: activation of the last layer, "output".
        outputs: how many; None: one per class, or one.
        normalization: "batch" or "layer", before each hidden activation.
        residual: whether each hidden layer of an MLP adds to its input.
        gates: whether what it adds is multiplied by a trained gate, which starts at 0.
        dropout: after each hidden layer.
        stopped: the hidden layer (from 1) behind which no gradient comes back; 0: none.
        stopped_by: what keeps it, one of `STOPS`.
        gate: what the hidden layer `gated` (from 1) is multiplied by.
        frozen: names of layers that do not train.
        policy: dtype policy of the layers.
    """

    kind: Literal["mlp", "cnn", "lstm", "transformer", "bag"] = "mlp"
    units: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    initializer: str = "glorot_uniform"
    bias: float = 0.0
    last: str = "linear"
    last_initializer: str = "glorot_uniform"
    outputs: int | None = None
    normalization: Literal["", "batch", "layer"] = ""
    residual: bool = False
    gates: bool = False
    dropout: float = 0.0
    stopped: int = 0
    stopped_by: str = "stop"
    gate: float = 1.0
    gated: int = 0
    frozen: tuple[str, ...] = ()
    policy: str = "float32"


def built(network: Network, task: Task) -> keras.Model:
    """Returns a new model for the shape of `task`; its weights depend on Keras's random seed."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(network.policy)
    try:
        inputs = keras.Input(task.x.shape[1:], dtype="int32" if task.tokens else "float32")
        x = _BODIES[network.kind](network, inputs, task)
        last = layers.Dense(
            network.outputs or task.classes or 1,
            network.last,
            kernel_initializer=_initializer(network.last_initializer),
            dtype="float32",
            name="output",
        )
        model = keras.Model(inputs, last(x), name="net")
    finally:
        keras.config.set_dtype_policy(before)
    for name in network.frozen:
        model.get_layer(name).trainable = False
    return model


def _mlp(network: Network, x: keras.KerasTensor, task: Task) -> keras.KerasTensor:
    for i, units in enumerate(network.units, 1):
        y = layers.Dense(units, **_start(network), name=f"dense_{i}")(x)
        y = _activated(network, y, i)
        if network.gates and i > 1:
            y = Gate(name=f"gate_{i}")(y)
        x = layers.Add()([x, y]) if network.residual and i > 1 else y
    return x


def _cnn(network: Network, x: keras.KerasTensor, task: Task) -> keras.KerasTensor:
    for i, units in enumerate(network.units, 1):
        x = layers.Conv2D(units, 3, padding="same", **_start(network), name=f"conv_{i}")(x)
        x = _activated(network, x, i)
        if i == 1:
            x = layers.MaxPooling2D(2)(x)
    return layers.Flatten()(x)


def _lstm(network: Network, x: keras.KerasTensor, task: Task) -> keras.KerasTensor:
    if task.tokens:
        x = layers.Embedding(task.tokens, network.units[0], name="embedding")(x)
    for i, units in enumerate(network.units, 1):
        x = layers.LSTM(
            units,
            kernel_initializer=_initializer(network.initializer),
            recurrent_initializer=_initializer(network.initializer),
            return_sequences=i < len(network.units),
            name=f"lstm_{i}",
        )(x)
        x = _regular(network, x, i)
    return x


def _transformer(network: Network, x: keras.KerasTensor, task: Task) -> keras.KerasTensor:
    width = network.units[0]
    x = layers.Embedding(task.tokens, width, name="embedding")(x)
    for i in range(1, len(network.units) + 1):
        y = layers.LayerNormalization(name=f"block_{i}_norm_1")(x)
        y = layers.MultiHeadAttention(1, width, name=f"block_{i}_attention")(y, y)
        x = layers.Add()([x, y])
        y = layers.LayerNormalization(name=f"block_{i}_norm_2")(x)
        y = layers.Dense(2 * width, network.activation, **_start(network), name=f"block_{i}_up")(y)
        y = layers.Dense(width, **_start(network), name=f"block_{i}_down")(y)
        x = _regular(network, layers.Add()([x, y]), i)
    return layers.GlobalAveragePooling1D()(x)


def _bag(network: Network, x: keras.KerasTensor, task: Task) -> keras.KerasTensor:
    x = layers.Embedding(task.tokens, network.units[0], name="embedding")(x)
    return _mlp(network, layers.GlobalAveragePooling1D()(x), task)


_BODIES = {"mlp": _mlp, "cnn": _cnn, "lstm": _lstm, "transformer": _transformer, "bag": _bag}


#: Ways to pass something on, and no gradient back.
STOPS: dict[str, Callable[[Any], Any]] = {
    "stop": keras.ops.stop_gradient,
    "sign": keras.ops.sign,
    "threshold": lambda x: keras.ops.cast(x > 0, x.dtype),
    "round": keras.ops.round,
    "argmax": lambda x: keras.ops.one_hot(keras.ops.argmax(x, axis=-1), x.shape[-1], dtype=x.dtype),
}


@keras.saving.register_keras_serializable("tests")
class StopGradient(layers.Layer):
    """Passes its input on, made of it what `by` says, and no gradient back."""

    def __init__(self, by: str = "stop", **options: Any) -> None:
        super().__init__(**options)
        self.by = by

    def call(self, x):
        return STOPS[self.by](x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "by": self.by}


@keras.saving.register_keras_serializable("tests")
class Gate(layers.Layer):
    """Multiplies by one trained number, 0 at first."""

    def build(self, shape):
        self.gate = self.add_weight(name="gate", shape=(), initializer="zeros")

    def call(self, x):
        return self.gate * x


def _start(network: Network) -> dict[str, keras.initializers.Initializer]:
    return {
        "kernel_initializer": _initializer(network.initializer),
        "bias_initializer": keras.initializers.Constant(network.bias),
    }


def _activated(network: Network, x: keras.KerasTensor, i: int) -> keras.KerasTensor:
    if network.normalization == "batch":
        x = layers.BatchNormalization(momentum=0.9)(x)
    elif network.normalization == "layer":
        x = layers.LayerNormalization()(x)
    return _regular(network, layers.Activation(network.activation)(x), i)


def _regular(network: Network, x: keras.KerasTensor, i: int) -> keras.KerasTensor:
    if network.dropout:
        x = layers.Dropout(network.dropout)(x)
    if network.gated == i:
        x = layers.Rescaling(network.gate)(x)
    return StopGradient(network.stopped_by)(x) if network.stopped == i else x


def _initializer(name: str) -> keras.initializers.Initializer:
    kind, _, number = name.partition(":")
    if kind == "normal":
        return keras.initializers.RandomNormal(stddev=float(number))
    if kind == "constant":
        return keras.initializers.Constant(float(number))
    return keras.initializers.get(name)
