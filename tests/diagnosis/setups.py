"""How a program trains: a `Setup` is a description by values, `training` makes of it what Keras trains.

Everything is seeded: the same setup trains the same way. What a setup does not say is the ordinary choice.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from losses import BINARY, LOSSES
from networks import Network, built
from tasks import TASKS, Task, scaled

import adamax_tb

Number = float | int | bool | str
#: What a loss scale can be told.
SCALE_OPTIONS = ("initial_scale", "dynamic_growth_steps")


@dataclass(frozen=True)
class Optimizer:
    """An optimizer; `schedule` is "constant", or how the rate goes: see `_scheduled`, which takes `numbers`.

    With `scaled_loss`, `scale` are options of the loss scale.
    """

    name: Literal["SGD", "Adam", "RMSprop", "AdaMax"]
    rate: float
    options: tuple[tuple[str, Number], ...] = ()
    schedule: str = "constant"
    numbers: tuple[float, ...] = ()
    scaled_loss: bool = False
    scale: tuple[tuple[str, Number], ...] = ()


def optimizer(name: str, rate: float, schedule: Any = (), **options: Any) -> Optimizer:
    """Returns an `Optimizer`; `schedule` is its name and its numbers."""
    kind, *numbers = schedule or ("constant",)
    scaled_loss = options.pop("scaled_loss", False)
    scale = tuple((key, options.pop(key)) for key in SCALE_OPTIONS if key in options)
    return Optimizer(name, rate, tuple(options.items()), kind, tuple(numbers), scaled_loss, scale)


sgd = functools.partial(optimizer, "SGD")
adam = functools.partial(optimizer, "Adam")
rmsprop = functools.partial(optimizer, "RMSprop")
adamax = functools.partial(optimizer, "AdaMax")


@dataclass(frozen=True)
class Setup:
    """A training, described.

    Attributes:
        task: one of `TASKS`.
        network: what is trained.
        optimizer: what trains it.
        loss: one of `LOSSES`.
        batch_size: examples per step.
        steps: updates.
        inputs: one of `INPUTS`.
        targets: one of `TARGETS`.
        spoiled: what happens to single batches, not to the examples that the outcome is measured on: see `_spoiled`.
        pretrained: updates with Adam at 3e-3 on `pretrained_on` before the training begins.
        pretrained_on: "same", or "other": the classes in another order (values: their negative).
        seed: of weights and order.
    """

    task: str
    network: Network
    optimizer: Optimizer
    loss: str
    batch_size: int = 32
    steps: int = 300
    inputs: str = "scaled"
    targets: str = "scaled"
    spoiled: tuple[str, float, float] | None = None
    pretrained: int = 0
    pretrained_on: Literal["same", "other"] = "same"
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """A compiled model, and the batches it is to see, in order: one epoch without shuffling.

    `task` holds the examples that the outcome is measured on.
    """

    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    batch_size: int
    steps: int
    task: Task


INPUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scaled": scaled,
    "raw": lambda x: x.astype(np.float32),
    "shifted": lambda x: scaled(x) + np.float32(20),
    "thousands": lambda x: scaled(x) * np.float32(1000),
    "thousandths": lambda x: scaled(x) * np.float32(1e-3),
    "divided by a spread of 0": lambda x: _with_constant_column(x),
    "mostly zero": lambda x: np.where(np.abs(scaled(x)) > 1, scaled(x), 0).astype(np.float32),
    "pixels": lambda x: (x * (255 / x.max())).astype(np.float32),
    "unlike units": lambda x: scaled(x) * np.resize(np.float32([1e3, 1e-3]), x.shape[-1]),
    "tokens": lambda x: x,
    "tokens modulo 2": lambda x: x % 2,
    "tokens modulo 5": lambda x: x % 5,
    "tokens cut off": lambda x: np.minimum(x, 1),
    "tokens cut off at 9": lambda x: np.minimum(x, 9),
    "tokens divided by 16": lambda x: x // 16,
    "first 3 tokens": lambda x: np.where(np.arange(x.shape[1]) < 3, x, 0),
    "tokens far apart": lambda x: 20 * x,
}
TARGETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scaled": scaled,
    "raw": lambda y: y,
    "thousands": lambda y: scaled(y) * np.float32(1000),
    "some zero": lambda y: np.maximum(scaled(y), 0),
    "counts": lambda y: np.round(4 * (scaled(y) - scaled(y).min())),
    "negative": lambda y: scaled(y) - 3,
    "a third wrong": lambda y: _mislabelled(y, 0.33),
    "half wrong": lambda y: _mislabelled(y, 0.5),
    "of the next example": lambda y: np.roll(y, 1, axis=0),
    "numbers": lambda y: y[:, None].astype(np.float32),
    "signs": lambda y: (2 * y[:, None] - 1).astype(np.float32),
}


@functools.cache
def _loaded(name: str) -> Task:
    return TASKS[name][1]()


def prepared(setup: Setup) -> Task:
    """Returns the examples as the network gets them; classes that became values are values."""
    task = _loaded(setup.task)
    inputs = "tokens" if task.tokens and setup.inputs == "scaled" else setup.inputs
    targets = "raw" if task.classes and setup.targets == "scaled" else setup.targets
    x, y = INPUTS[inputs](task.x), TARGETS[targets](task.y)
    classes = task.classes if np.issubdtype(y.dtype, np.integer) else 0
    tokens = max(task.tokens, int(x.max()) + 1) if task.tokens else 0
    return Task(x, y, classes, tokens)


def training(setup: Setup, rated: Callable[[Any], Any] = lambda rate: rate) -> Training:
    """Returns what `setup` describes.

    Args:
        setup: the description.
        rated: is given the learning rate, a number or a schedule, and returns the one to use.
    """
    keras.utils.set_random_seed(setup.seed)
    task = prepared(setup)
    model = built(setup.network, task)
    if setup.pretrained:
        _pretrain(model, task, setup)
    order = _order(len(task.x), setup.batch_size * setup.steps, setup.seed)
    x, y = task.x[order], task.y[order]
    if setup.spoiled is not None:
        x, y = _spoiled(x, y, setup)
    rate = rated(_scheduled(setup.optimizer))
    model.compile(_optimizer(setup.optimizer, rate), LOSSES[setup.loss](), jit_compile=False)
    return Training(model, x, _shaped(setup.loss, y), setup.batch_size, setup.steps, task)


def _shaped(loss: str, y: np.ndarray) -> np.ndarray:
    return y[:, None].astype(np.float32) if loss in BINARY else y


def _order(examples: int, wanted: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    epochs = [random.permutation(examples) for _ in range(-(-wanted // examples))]
    return np.concatenate(epochs)[:wanted]


def _spoiled(x: np.ndarray, y: np.ndarray, setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Spoils batches: (how, from update, number).

    "times": one batch is multiplied by the number. "times, again and again": every batch whose update the first number
    divides. "nan input": one example of one batch holds it. "targets times": as "times".
    """
    how, at, number = setup.spoiled or ("", 0, 0)
    x, y = x.copy(), y.copy()
    batches = range(int(at), setup.steps + 1, int(at)) if "again" in how else [int(at)]
    for update in batches:
        rows = slice((update - 1) * setup.batch_size, update * setup.batch_size)
        if how.startswith("times"):
            x[rows] *= np.float32(number)
        elif how.startswith("targets times"):
            y[rows] *= np.float32(number)
        elif how == "nan input":
            x[rows.start] = np.nan
        else:
            raise ValueError(how)
    return x, y


def _pretrain(model: keras.Model, task: Task, setup: Setup) -> None:
    frozen = [layer for layer in model.layers if not layer.trainable]
    for layer in frozen:
        layer.trainable = True
    y = task.y
    if setup.pretrained_on == "other":
        y = (y + 1) % task.classes if task.classes else -y
    order = _order(len(y), 32 * setup.pretrained, setup.seed + 1)
    model.compile(keras.optimizers.Adam(3e-3), LOSSES[setup.loss](), jit_compile=False)
    y = _shaped(setup.loss, y[order])
    model.fit(task.x[order], y, batch_size=32, shuffle=False, verbose=0)
    for layer in frozen:
        layer.trainable = False
    if setup.pretrained_on == "other":  # a new head
        head = model.get_layer("output")
        head.set_weights(
            [
                np.asarray(head.kernel_initializer(head.kernel.shape)),
                np.zeros(head.bias.shape, np.float32),
            ]
        )


def _optimizer(optimizer: Optimizer, rate: Any) -> Any:
    cls = (
        adamax_tb.AdaMax
        if optimizer.name == "AdaMax"
        else getattr(keras.optimizers, optimizer.name)
    )
    made = cls(rate, **dict(optimizer.options))
    if not optimizer.scaled_loss:
        return made
    return keras.optimizers.LossScaleOptimizer(made, **dict(optimizer.scale))


def _scheduled(optimizer: Optimizer) -> Any:
    """Returns the learning rate.

    "growing" and "falling": exponential, (steps, times). "restarts": cosine with restarts, (steps of the first cycle).
    "warm-up": linear from 0, then a cosine to 0, (steps up, steps down). "jump": times the second number from the
    first on. "cycles": up and down linearly between a tenth and the rate, (steps of a cycle).
    """
    schedules, rate = keras.optimizers.schedules, optimizer.rate
    numbers = optimizer.numbers
    match optimizer.schedule:
        case "constant":
            return rate
        case "growing" | "falling":
            return schedules.ExponentialDecay(rate, int(numbers[0]), numbers[1])
        case "restarts":
            return schedules.CosineDecayRestarts(rate, int(numbers[0]), t_mul=1.0)
        case "warm-up":
            return schedules.CosineDecay(
                0.0, int(numbers[1]), warmup_target=rate, warmup_steps=int(numbers[0])
            )
        case "jump":
            return schedules.PiecewiseConstantDecay([int(numbers[0])], [rate, rate * numbers[1]])
        case "cycles":
            return Cycles(rate, int(numbers[0]))
    raise ValueError(optimizer.schedule)


class Cycles(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that goes up and down linearly between a tenth of `rate` and `rate`, in `steps` steps."""

    def __init__(self, rate: float, steps: int) -> None:
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        place = keras.ops.cast(step, "float32") % self.steps / self.steps
        return self.rate * (1.0 - 0.9 * keras.ops.abs(2 * place - 1))

    def get_config(self) -> dict[str, float]:
        return {"rate": self.rate, "steps": self.steps}


class FactoredRate(keras.optimizers.schedules.LearningRateSchedule):
    """A rate, number or schedule, times a variable that can be changed while a model trains."""

    def __init__(self, rate: Any, factor: Any) -> None:
        self.rate, self.factor = rate, factor

    def __call__(self, step: Any) -> Any:
        rate = self.rate(step) if callable(self.rate) else self.rate
        return rate * self.factor


def _with_constant_column(x: np.ndarray) -> np.ndarray:
    """Returns `x` standardised by hand, with a column that is the same everywhere: 0 divided by 0."""
    x = np.c_[x[:, :-1], np.ones(len(x))]
    with np.errstate(invalid="ignore"):
        return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)


def _mislabelled(y: np.ndarray, part: float) -> np.ndarray:
    random = np.random.default_rng(99)
    wrong = random.random(len(y)) < part
    return np.where(wrong, random.integers(0, y.max() + 1, len(y)), y)
