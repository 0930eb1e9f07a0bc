"""What is said of AdaMax, measured: outliers, sparse gradients, exploding gradients, the learning rate, the bound.

    .venv/bin/python tests/bench/claims.py [NAME ...]       all, or those named; `make claims`

Each claim has its source, what was predicted before anything ran, and a verdict by a rule that was written with it.
Every optimizer gets the same number of learning rates, half a decade apart and the best not at the edge where that can
be, and the same steps; all start from the same weights and see the same batches, seed by seed, and differences are
taken in these pairs. ± is the 95 % interval over the seeds.

Training runs in one traced loop for each task and optimizer; between trials weights and state are set back.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import adamax_tb
from adamax_tb.comparison import Comparison, compared
from adamax_tb.interval import Interval, interval
from adamax_tb.trials import Trial

SEEDS = 5
STEP = math.sqrt(10)  # from a rate to the next one
Adam, AdaMax = keras.optimizers.Adam, adamax_tb.AdaMax


@dataclass(frozen=True)
class Tried:
    """An optimizer and where its sweep has its middle."""

    make: Callable[..., keras.Optimizer]
    middle: float


#: Settings are the defaults; RMSProp forgets with 0.9, Adam's v and AdaMax's u with 0.999.
DENSE = {
    "SGD": Tried(keras.optimizers.SGD, 0.3),
    "AdaGrad": Tried(keras.optimizers.Adagrad, 0.1),
    "RMSProp": Tried(keras.optimizers.RMSprop, 0.003),
    "Adam": Tried(Adam, 0.01),
    "AMSGrad": Tried(lambda rate, **more: Adam(rate, amsgrad=True, **more), 0.01),
    "AdaMax": Tried(AdaMax, 0.01),
}
SPARSE = {
    "SGD": Tried(keras.optimizers.SGD, 3.0),
    "AdaGrad": Tried(keras.optimizers.Adagrad, 1.0),
    "RMSProp": Tried(keras.optimizers.RMSprop, 0.03),
    "Adam": Tried(Adam, 0.03),
    "AMSGrad": Tried(lambda rate, **more: Adam(rate, amsgrad=True, **more), 0.03),
    "AdaMax": Tried(AdaMax, 0.1),
    "AdaMax, lazy_rows": Tried(lambda rate, **more: AdaMax(rate, lazy_rows=True, **more), 0.3),
}
RECURRENT = {
    "SGD": Tried(keras.optimizers.SGD, 0.003),
    "AdaGrad": Tried(keras.optimizers.Adagrad, 0.03),
    "RMSProp": Tried(keras.optimizers.RMSprop, 0.003),
    "Adam": Tried(Adam, 0.003),
    "AMSGrad": Tried(lambda rate, **more: Adam(rate, amsgrad=True, **more), 0.003),
    "AdaMax": Tried(AdaMax, 0.003),
}


@dataclass(frozen=True)
class Task:
    """A model and its batches.

    Attributes:
        build: makes the model.
        losses: (labels, outputs) → (B,).
        batches: seed → the training batches: inputs (T, B, ...), labels (T, B), and (T,) what the loss is times.
        held_out: inputs and labels to test with.
    """

    build: Callable[[], keras.Model]
    losses: Callable[[Any, Any], Any]
    batches: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]
    held_out: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """A trial and the largest change of a weight in it, in learning rates."""

    trial: Trial
    largest_update: float


class Loop:
    """A task's training with one optimizer, traced once."""

    def __init__(self, task: Task, name: str, tried: Tried, **settings: Any) -> None:
        self._task, self._name = task, name
        keras.utils.set_random_seed(0)
        self._model = task.build()
        self._optimizer = tried.make(1.0, **settings)
        self._optimizer.build(self._model.trainable_variables)
        self._state = [v.numpy() for v in self._optimizer.variables]

    def run(self, rate: float, seed: int) -> Outcome:
        """Trains from the seed's weights and tests at the end."""
        keras.utils.set_random_seed(seed)
        fresh = self._task.build()
        self._model.set_weights(fresh.get_weights())
        for variable, value in zip(self._optimizer.variables, self._state, strict=True):
            variable.assign(value)
        self._optimizer.learning_rate = rate
        untrained = float(self._tested())
        batches = self._task.batches(seed)
        largest = float(self._trained(*map(tf.constant, batches)))
        trained = float(self._tested())
        steps = np.array([0, len(batches[0])])
        unknown = np.full(2, np.nan)
        losses = np.array([untrained, trained])
        trial = Trial(
            f"{self._name}/{rate:g}/{seed}", self._name, rate, seed, steps, losses, unknown, unknown
        )
        return Outcome(trial, largest / rate)

    @tf.function(jit_compile=False)
    def _trained(self, inputs: Any, labels: Any, factors: Any) -> Any:
        variables = self._model.trainable_variables
        largest = tf.constant(0.0)
        for t in tf.range(tf.shape(inputs)[0]):
            before = [tf.identity(v.value) for v in variables]
            with tf.GradientTape() as tape:
                outputs = self._model(inputs[t], training=True)
                loss = factors[t] * tf.reduce_mean(self._task.losses(labels[t], outputs))
            self._optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
            moved = [
                tf.reduce_max(tf.abs(v.value - w)) for v, w in zip(variables, before, strict=True)
            ]
            largest = tf.maximum(largest, tf.reduce_max(tf.stack(moved)))
        return largest

    @tf.function(jit_compile=False)
    def _tested(self) -> Any:
        inputs, labels = self._task.held_out
        return tf.reduce_mean(self._task.losses(labels, self._model(inputs, training=False)))


def swept(
    task: Task, optimizers: Mapping[str, Tried], rates: int, seeds: int = SEEDS, **settings: Any
) -> dict[str, list[Outcome]]:
    """Returns by optimizer the outcomes at an odd number of `rates` around its middle, with each seed."""
    found: dict[str, list[Outcome]] = {}
    for name, tried in optimizers.items():
        began = time.perf_counter()
        loop = Loop(task, name, tried, **settings)
        around = [tried.middle * STEP**i for i in range(-(rates // 2), rates // 2 + 1)]
        found[name] = [loop.run(rate, seed) for rate in around for seed in range(seeds)]
        print(f"  {name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def standings(outcomes: Mapping[str, Sequence[Outcome]]) -> Comparison:
    """Returns the comparison that `adamax-tb compare` makes."""
    return compared([o.trial for of_one in outcomes.values() for o in of_one], {})


def last_losses(outcomes: Sequence[Outcome], rate: float) -> np.ndarray:
    """Returns (seeds,) what the trials at a rate end with."""
    return np.array([o.trial.loss[-1] for o in outcomes if o.trial.learning_rate == rate])


def best_rates(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, float]:
    """Returns by optimizer the rate with the lowest mean loss; infinity if none is finite."""
    return {s.optimizer: s.learning_rate or math.inf for s in standings(outcomes).standings}


# The tasks


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images (N, 64) and labels to train on, and those held out."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16).astype("float32"), labels[order]
    return images[:1347], labels[:1347], images[1347:], labels[1347:]


CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
DIGIT_STEPS, LATER_STEPS = 600, 3000
CORRUPTED, LOUDER = range(200, 203), 100.0


def drawn(seed: int, steps: int, size: int = 32) -> np.ndarray:
    """Returns (steps, size) which examples each batch has: every epoch in another order."""
    random = np.random.default_rng(seed)
    epochs = -(-steps * size // 1347)
    order = np.concatenate([random.permutation(1347) for _ in range(epochs)])
    return order[: steps * size].reshape(steps, size)


def mlp() -> keras.Model:
    """Returns two hidden layers of 32 for the digits."""
    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((64,)), dense(32, "relu"), dense(32, "relu"), dense(10)])


def digit_batches(seed: int, steps: int = DIGIT_STEPS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns clean batches."""
    which = drawn(seed, steps)
    images, labels, *_ = digits()
    return images[which], labels[which], np.ones(steps, np.float32)


def corrupted_batches(
    seed: int, steps: int = DIGIT_STEPS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the same batches but for three: their labels are noise and their gradient is `LOUDER`."""
    images, labels, factors = digit_batches(seed, steps)
    labels, factors = labels.copy(), factors.copy()
    for t in CORRUPTED:
        labels[t] = np.random.default_rng([seed, t]).integers(0, 10, labels.shape[1])
        factors[t] = LOUDER
    return images, labels, factors


ROWS, WORDS, SPARSE_STEPS = 2000, 8, 500


@cache
def meanings() -> np.ndarray:
    """Returns (ROWS,) what each word adds to a text's logit."""
    return np.random.default_rng(7).normal(size=ROWS).astype("float32")


def texts(random: np.random.Generator, *shape: int, even: bool = False) -> tuple[Any, Any]:
    """Returns words (*shape, WORDS) and labels (*shape,); words are drawn by Zipf's law, or all alike."""
    chances = np.ones(ROWS) if even else 1 / np.arange(1, ROWS + 1)
    words = random.choice(ROWS, (*shape, WORDS), p=chances / chances.sum())
    logits = meanings()[words].sum(-1)
    return words.astype("int32"), (random.random(shape) < 1 / (1 + np.exp(-logits))).astype(
        "float32"
    )


def bag() -> keras.Model:
    """Returns an embedding whose rows are added up, and a layer that makes a logit of the sum."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((WORDS,), dtype="int32"),
            layers.Embedding(ROWS, 4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )


def text_batches(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns batches in which rare words are rare."""
    words, labels = texts(np.random.default_rng(seed), SPARSE_STEPS, 32)
    return words, labels, np.ones(SPARSE_STEPS, np.float32)


def logistic(labels: Any, logits: Any) -> Any:
    """Returns each example's loss."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits[:, 0])


RECURRENT_STEPS = 300
CHANCE = math.log(10)
LEARNED = 0.95 * CHANCE


def rnn() -> keras.Model:
    """Returns a relu network over 32 pairs of pixels; a pass through its recurrence begins as times 1.05."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Reshape((32, 2)),
            layers.SimpleRNN(
                32,
                activation="relu",
                recurrent_initializer=keras.initializers.Identity(1.05),
                unroll=True,  # quicker
            ),
            layers.Dense(10),
        ]
    )


def recurrent_batches(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the digits for the recurrent network."""
    which = drawn(seed, RECURRENT_STEPS)
    images, labels, *_ = digits()
    return images[which], labels[which], np.ones(RECURRENT_STEPS, np.float32)


# The claims


@cache
def clean_digits() -> dict[str, list[Outcome]]:
    """Returns what all optimizers reach on the digits, over three decades of rates."""
    return swept(Task(mlp, CROSSENTROPY, digit_batches, digits()[2:]), DENSE, rates=7)


def outliers() -> Iterator[str]:
    """Three corrupted batches of 600; verdict by the damage that they leave, compared with Adam's."""
    clean = clean_digits()
    hit = swept(Task(mlp, CROSSENTROPY, corrupted_batches, digits()[2:]), DENSE, rates=5)
    rates, tuned = best_rates(clean), best_rates(hit)
    yield "| | best rate | loss, clean | damage at that rate | loss, rate tuned to the corruption |"
    yield "|---|---|---|---|---|"
    damage = {}
    for name, rate in rates.items():
        before, after = last_losses(clean[name], rate), last_losses(hit[name], rate)
        damage[name] = after - before
        retuned = interval(last_losses(hit[name], tuned[name]))
        yield (
            f"| {name} | {rate:.2g} | {shown(interval(before))} | {shown(interval(damage[name]))} | "
            f"{shown(retuned)} at {tuned[name]:.2g} |"
        )
    than_adam = interval(damage["AdaMax"] - damage["Adam"])
    than_sgd = interval(damage["AdaMax"] - damage["SGD"])
    yield f"\nAdaMax's damage minus Adam's: {shown(than_adam)}; minus SGD's: {shown(than_sgd)}."
    yield verdict(below(than_adam), below(than_sgd))
    yield from later(rates)


def later(rates: Mapping[str, float]) -> Iterator[str]:
    """What is left of the damage in a longer training, at the rates that were best: added when the rest was seen."""
    clean, hit = (
        Task(mlp, CROSSENTROPY, partial(batches, steps=LATER_STEPS), digits()[2:])
        for batches in (digit_batches, corrupted_batches)
    )
    names = ("RMSProp", "Adam", "AdaMax")
    tried = {name: Tried(DENSE[name].make, rates[name]) for name in names}
    before, after = swept(clean, tried, rates=1), swept(hit, tried, rates=1)
    damage = {n: last_losses(after[n], rates[n]) - last_losses(before[n], rates[n]) for n in names}
    told = ", ".join(f"{name} {shown(interval(damage[name]))}" for name in names)
    yield f"\nAdded when this was seen: the damage after {LATER_STEPS:,} steps, at the same rates: {told}."


def sparse() -> Iterator[str]:
    """Words by Zipf's law; verdict by the loss on texts of evenly drawn words, compared with Adam and AdaGrad."""
    held_out = texts(np.random.default_rng(99), 4000, even=True)
    found = swept(Task(bag, logistic, text_batches, held_out), SPARSE, rates=5)
    comparison = standings(found)
    yield from ranked(comparison)
    losses = {
        s.optimizer: last_losses(found[s.optimizer], s.learning_rate) for s in comparison.standings
    }
    against = {
        other: interval(losses["AdaMax"] - losses[other]) for other in losses if other != "AdaMax"
    }
    told = "; ".join(f"{other} {shown(difference)}" for other, difference in against.items())
    yield f"\nAdaMax's loss minus that of: {told}."
    yield verdict(
        below(against["Adam"]) and below(against["AdaGrad"]),
        below(against["Adam"]) or below(against["SGD"]),
    )


def exploding() -> Iterator[str]:
    """A recurrence that multiplies; verdict by what learned without clipping, compared with Adam."""
    task = Task(rnn, CROSSENTROPY, recurrent_batches, digits()[2:])
    found = {
        "none": swept(task, RECURRENT, rates=7, seeds=3),
        "to norm 1": swept(task, RECURRENT, rates=7, seeds=3, global_clipnorm=1.0),
    }
    yield "| | clipping | learned | NaN or infinite | best rate | loss |"
    yield "|---|---|---|---|---|---|"
    learned = {}
    for clipping, outcomes in found.items():
        for standing in standings(outcomes).standings:
            name = standing.optimizer
            losses = np.array([o.trial.loss[-1] for o in outcomes[name]])
            learned[name, clipping] = count = int((losses < LEARNED).sum())
            yield (
                f"| {name} | {clipping} | {count} of {len(losses)} | {(~np.isfinite(losses)).sum()} | "
                f"{standing.learning_rate or math.nan:.2g} | {shown(standing.loss)} |"
            )
    ours = learned["AdaMax", "none"]
    yield f"\nLearned is to end below {LEARNED:.2f}; chance is {CHANCE:.2f}."
    yield verdict(ours > learned["Adam", "none"], ours > learned["SGD", "none"])


def rates() -> Iterator[str]:
    """What a wrong rate costs; verdict by the mean over four wrong ones, compared with all others.

    A loss above chance, or that is not finite, counts as chance.
    """
    found = clean_digits()
    best = best_rates(found)
    yield "| | best rate | 10 times too low | 3.2 times too low | 3.2 times too high | 10 times too high | mean |"
    yield "|---|---|---|---|---|---|---|"
    means = {}
    for name, outcomes in found.items():
        own = sorted({o.trial.learning_rate for o in outcomes})
        at = own.index(best[name])
        costs = {r: np.log(np.fmin(last_losses(outcomes, r), CHANCE)) for r in own}
        around = [own[i] if 0 <= i < len(own) else None for i in (at - 2, at - 1, at + 1, at + 2)]
        unknown = np.full(SEEDS, np.nan)
        paid = [unknown if r is None else costs[r] - costs[best[name]] for r in around]
        means[name] = np.nanmean(paid, axis=0)
        cells = [times(interval(p)) for p in (*paid, means[name])]
        yield f"| {name} | {best[name]:.2g} | {' | '.join(cells)} |"
    against = {
        other: interval(means["AdaMax"] - own) for other, own in means.items() if other != "AdaMax"
    }
    told = "; ".join(f"{other} {times(difference)}" for other, difference in against.items())
    yield f"\nWhat AdaMax pays on average, over what is paid by: {told}."
    yield verdict(all(map(below, against.values())), any(map(below, against.values())))


def bound() -> Iterator[str]:
    """The largest change of a weight in one step; verdict by whether it is above the learning rate."""
    yield "| | largest change of a weight, in learning rates: digits | corrupted | with g = 0.999^t |"
    yield "|---|---|---|---|"
    hit = swept(
        Task(mlp, CROSSENTROPY, corrupted_batches, digits()[2:]),
        {name: DENSE[name] for name in ("AdaMax", "Adam", "RMSProp")},
        rates=1,
    )
    largest = {}
    for name in ("AdaMax", "Adam", "RMSProp"):
        clean = max(o.largest_update for o in clean_digits()[name])
        corrupted = max(o.largest_update for o in hit[name])
        made_up = adversarial(DENSE[name].make)
        largest[name] = max(clean, corrupted, made_up)
        yield f"| {name} | {clean:.4f} | {corrupted:.4f} | {made_up:.4f} |"
    yield ""
    yield verdict(largest["AdaMax"] <= 1 + 1e-5, largest["AdaMax"] <= 1.0091)


def adversarial(make: Callable[..., keras.Optimizer], steps: int = 100) -> float:
    """Returns the largest update, in learning rates, when the gradient fades as u does."""
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer = make(1.0, epsilon=1e-30)
    largest = 0.0
    for t in range(1, steps + 1):
        before = float(weight.numpy()[0])
        optimizer.apply([tf.constant([0.999**t], tf.float32)], [weight])
        largest = max(largest, abs(float(weight.numpy()[0]) - before))
        weight.assign([0.0])  # so that float32 holds the next difference exactly
    return largest


def below(difference: Interval) -> bool:
    """Tells whether a mean is below 0 for sure."""
    return difference.mean + difference.half < 0


def verdict(whole: bool, part: bool) -> str:
    """Returns it in words."""
    return f"**{'Holds' if whole else 'Holds in part' if part else 'Does not hold here'}.**"


def ranked(comparison: Comparison) -> Iterator[str]:
    """Yields a table of optimizers, the best first."""
    yield "| | best rate | loss | did not diverge | good rates |"
    yield "|---|---|---|---|---|"
    for standing in comparison.standings:
        low, high = standing.good_rates or (math.nan, math.nan)
        edge = f", the {standing.edge}" if standing.edge else ""
        yield (
            f"| {standing.optimizer} | {standing.learning_rate or math.nan:.2g}{edge} | {shown(standing.loss)} | "
            f"{standing.sound} of {standing.trials} | {low:.2g} to {high:.2g} |"
        )


def shown(value: Interval) -> str:
    """Returns a mean and its interval."""
    return f"{value.mean:.3f} ± {value.half:.3f}"


def times(value: Interval) -> str:
    """Returns the factor of which `value` is the logarithm, and its interval."""
    low, high = value.mean - value.half, value.mean + value.half
    return f"{math.exp(value.mean):.2f} ({math.exp(low):.2f} to {math.exp(high):.2f})"


@dataclass(frozen=True)
class Claim:
    """Something that is said, by whom, what was predicted before measuring, and how it is measured."""

    said: str
    source: str
    predicted: str
    measure: Callable[[], Iterator[str]]


CLAIMS = {
    "outliers": Claim(
        "AdaMax is more robust to outliers among the gradients than Adam.",
        "tutorials and encyclopedias; the paper does not say it",
        "It is not. A gradient R times the usual fills u with R, and v with R^2 / 1000: u has forgotten it after "
        f"ln(R) / 0.001 steps and the root of v after 2 ln(R / 31.6) / 0.001, for R = {LOUDER:g} 4,600 and 2,300 "
        "steps. AdaMax stands still for the rest of this training, Adam for nearly all of it. RMSProp, which forgets "
        "in 10 steps, takes the least damage of the adaptive ones. The worst is SGD's, which follows the noise.",
        outliers,
    ),
    "sparse": Claim(
        "AdaMax is better where gradients are sparse, as of embeddings.",
        "TensorFlow's documentation of Adamax (sometimes better than Adam, above all with embeddings), and tutorials",
        "Better than SGD, not better than AdaGrad; not told from Adam: u and v forget alike, and both drift on with m. "
        "lazy_rows needs a larger rate and comes out a little worse.",
        sparse,
    ),
    "exploding": Claim(
        "AdaMax withstands exploding gradients, without clipping.",
        "tutorials, from the bound on its updates",
        "It is not torn to NaN where SGD is, as no update exceeds the learning rate; but nor is Adam. Clipping makes "
        "SGD trainable and matters little to AdaMax.",
        exploding,
    ),
    "rates": Claim(
        "AdaMax is less sensitive to the learning rate.",
        "tutorials",
        "Its range of good rates lies higher than Adam's and is as wide: a rate that is 3 or 10 times off costs as "
        "much. Narrower than AdaGrad's, and not told from SGD's on this easy task.",
        rates,
    ),
    "bound": Claim(
        "No update of AdaMax exceeds the learning rate.",
        "Kingma and Ba 2015, section 7.1: |Delta_t| <= alpha",
        "In training it holds. It is not exact: for g = 0.999^t it comes to 1.0091 learning rates. Adam's largest is "
        "above 1 after the corrupted batches, up to 3.2.",
        bound,
    ),
}


def main() -> None:
    """Measures the claims that are named, or all, and prints a section for each."""
    names = sys.argv[1:] or [*CLAIMS]
    if unknown := {*names} - {*CLAIMS}:
        sys.exit(f"There is no claim {unknown.pop()!r}. There are: {', '.join(CLAIMS)}")
    for name in names:
        claim = CLAIMS[name]
        began = time.perf_counter()
        lines = [*claim.measure()]
        print(f"## {claim.said}\n\nSource: {claim.source}.\n\nPredicted: {claim.predicted}\n")
        print("\n".join(lines))
        print(f"\n({time.perf_counter() - began:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
