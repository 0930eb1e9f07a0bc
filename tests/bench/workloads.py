"""The models that train_step.py and gpu.py time, each with one batch of noise, which costs as much as anything."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

layers = keras.layers


@dataclass(frozen=True)
class Workload:
    """A model and a batch; `steps` of it are a round, and an epoch: a multiple of the record interval."""

    build: Callable[[], keras.Model]
    batch: tuple[np.ndarray, np.ndarray]
    steps: int


def mlp() -> keras.Model:
    """Returns an MLP of 3 layers, 85 k parameters: a step of under a millisecond."""
    return keras.Sequential(
        [keras.Input((64,)), layers.Dense(256, "relu"), layers.Dense(256, "relu"), layers.Dense(10)]
    )


def cnn() -> keras.Model:
    """Returns a small CNN with a wide dense layer, 4.2 M parameters."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1024, "relu"),
            layers.Dense(10),
        ]
    )


def transformer(blocks: int, width: int, vocabulary: int, length: int) -> keras.Model:
    """Returns an encoder of 16 * blocks + 5 variables, with heads of about 64 and a head of 10 classes."""
    tokens = keras.Input((length,), dtype="int32")
    heads = max(1, width // 64)
    x = layers.Embedding(vocabulary, width)(tokens)
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(width)(layers.Dense(4 * width, "gelu")(y))
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(tokens, layers.Dense(10)(x))


def workloads() -> dict[str, Workload]:
    """Returns name → model and batch of 32, of a CPU's size but for the last two."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 32)

    def floats(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        return random.normal(size=(32, *shape)).astype("float32"), labels

    def encoder(blocks: int, width: int, vocabulary: int, length: int, steps: int) -> Workload:
        tokens = random.integers(0, vocabulary, (32, length)).astype("int32")
        build = lambda: transformer(blocks, width, vocabulary, length)  # noqa: E731
        return Workload(build, (tokens, labels), steps)

    return {
        "mlp": Workload(mlp, floats(64), 200),
        "transformer": encoder(4, 192, 2_000, 32, steps=10),  # 2.2 M parameters
        "cnn": Workload(cnn, floats(16, 16, 3), 20),
        "small transformer": encoder(6, 256, 8_000, 128, steps=320),  # 6.8 M
        "large transformer": encoder(12, 768, 32_000, 128, steps=80),  # 110 M
    }
