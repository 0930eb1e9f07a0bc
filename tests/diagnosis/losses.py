"""The losses of programs, right ones and wrong ones, by name; and what a constant prediction would cost.

A loss written by hand has the mistakes that are made by hand: a log of 0, a root of 0, a division by 0.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from tasks import Task

Loss = Callable[[Any, Any], Any]


def _picked(y: Any, outputs: Any) -> Any:
    classes = ops.one_hot(ops.reshape(ops.cast(y, "int32"), (-1,)), outputs.shape[-1])
    return ops.sum(classes * outputs, axis=-1)


def log_likelihood(y, outputs):
    """Cross-entropy by hand, with a softmax by hand: exp overflows, and a probability may be 0."""
    powers = ops.exp(outputs)
    return -ops.log(_picked(y, powers) / ops.sum(powers, axis=-1))


def safe_log_likelihood(y, outputs):
    return -_picked(y, ops.log_softmax(outputs))


def focal(y, outputs):
    """A focal loss by hand on softmax outputs: the root of what is missing to 1, whose derivative there is infinite."""
    right = _picked(y, outputs)
    return ops.sqrt(1 - right) * -ops.log(right + 1e-7)


def safe_focal(y, outputs):
    right = _picked(y, outputs)
    return ops.sqrt(1 - right + 1e-4) * -ops.log(right + 1e-7)


def distance(y, outputs):
    """The root of the squared error of each example: no derivative where it is 0, as for targets and outputs of 0."""
    return ops.sqrt(ops.sum(ops.square(y - outputs), axis=-1))


def safe_distance(y, outputs):
    return ops.sqrt(ops.sum(ops.square(y - outputs), axis=-1) + 1e-6)


def relative(y, outputs):
    """The error as a part of the target, which may be 0."""
    return ops.sum(ops.abs((y - outputs) / y), axis=-1)


def safe_relative(y, outputs):
    return ops.sum(ops.abs((y - outputs) / (ops.abs(y) + 1)), axis=-1)


def counts(y, outputs):
    """Poisson's likelihood of counts whose logarithm is the output: exp overflows."""
    return ops.mean(ops.exp(outputs) - y * outputs, axis=-1)


def broadcast(y, outputs):
    """The squared error of every output against every target of the batch: shapes (N,) and (N, 1) broadcast."""
    return ops.mean(ops.square(ops.reshape(y, (-1,)) - outputs), axis=-1)


def class_number(y, outputs):
    """The squared error of every output against the number of the class, which should have been one-hot."""
    return ops.mean(ops.square(ops.reshape(ops.cast(y, "float32"), (-1, 1)) - outputs), axis=-1)


def offset(y, outputs):
    """The squared error and a penalty of 10000 that nothing changes."""
    return ops.mean(ops.square(y - outputs), axis=-1) + 1e4


def density(y, outputs):
    """The negative logarithm of a normal density of spread 0.2, without its constant: below 0 where it is narrow."""
    return ops.mean(ops.square((y - outputs) / 0.2) / 2 + np.log(0.2), axis=-1)


def negated(y, outputs):
    """Cross-entropy with the wrong sign."""
    return _picked(y, ops.log_softmax(outputs))


_losses = keras.losses
LOSSES: dict[str, Callable[[], Loss]] = {
    "logits": lambda: _losses.SparseCategoricalCrossentropy(from_logits=True),
    "probabilities": lambda: _losses.SparseCategoricalCrossentropy(),
    "binary logits": lambda: _losses.BinaryCrossentropy(from_logits=True),
    "binary probabilities": lambda: _losses.BinaryCrossentropy(),
    "mse": _losses.MeanSquaredError,
    "mae": _losses.MeanAbsoluteError,
    "huber": _losses.Huber,
    **{
        f.__name__: lambda f=f: f
        for f in (
            log_likelihood,
            safe_log_likelihood,
            focal,
            safe_focal,
            distance,
            safe_distance,
            relative,
            safe_relative,
            counts,
            broadcast,
            class_number,
            offset,
            density,
            negated,
        )
    },
}
#: Losses of outputs that are probabilities, and of one output for two classes.
PROBABILITIES = {"probabilities", "binary probabilities", "focal", "safe_focal"}
BINARY = {"binary logits", "binary probabilities"}


def loss_of(name: str, y: np.ndarray, outputs: np.ndarray) -> float:
    """Returns the mean loss of all examples."""
    target = y[:, None].astype(np.float32) if name in BINARY else y
    value = LOSSES[name]()(ops.convert_to_tensor(target), ops.convert_to_tensor(outputs))
    return float(np.mean(ops.convert_to_numpy(value)))


def error_of(name: str, task: Task, y: np.ndarray, outputs: np.ndarray) -> float:
    """Returns what is wrong: the part of examples whose class is not the one predicted, or the unexplained variance."""
    if not np.isfinite(outputs).all():
        return float("nan")
    if not task.classes:
        predicted = np.exp(outputs) if name == "counts" else outputs
        return float(np.mean(np.square(y - predicted)) / np.var(y))
    if outputs.shape[-1] == 1:
        predicted = outputs[:, 0] > (0.5 if name in PROBABILITIES else 0)
    else:
        predicted = outputs.argmax(axis=-1)
    return float(np.mean(predicted != y))


def constant_loss(name: str, task: Task, y: np.ndarray, width: int) -> float:
    """Returns the loss of the best prediction that does not look at `x`."""
    if task.classes:
        share = np.bincount(y, minlength=task.classes) / len(y)
        guess = share[1:] if width == 1 else share
        if name not in PROBABILITIES:
            guess = np.log(guess / (1 - guess)) if width == 1 else np.log(guess)
        guesses = [guess[:width]]
    else:
        guesses = [np.array([v]) for v in (*np.quantile(y, np.linspace(0, 1, 101)), np.mean(y))]
        if name == "counts":
            guesses = [np.log(np.maximum(g, 1e-3)) for g in guesses]
    tiled = (np.tile(g, (len(y), 1)).astype(np.float32) for g in guesses)
    return min(loss_of(name, y, outputs) for outputs in tiled)


def constant_error(task: Task, y: np.ndarray) -> float:
    """Returns the error of that prediction."""
    return float(1 - np.bincount(y).max() / len(y)) if task.classes else 1.0
