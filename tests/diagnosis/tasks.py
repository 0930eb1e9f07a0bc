"""The data that programs learn: what scikit-learn ships or generates, nothing that is downloaded.

A task belongs to one split, and so do all programs on it: near-twins never straddle the splits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn import datasets

Split = Literal["tuning", "test"]


@dataclass(frozen=True)
class Task:
    """All examples of a task.

    Attributes:
        x: (N, ...) float32, or int32 tokens.
        y: (N,) int64 classes, or (N, 1) float32 values.
        classes: how many classes there are; 0 for a regression.
        tokens: size of the vocabulary; 0 if `x` is no tokens.
    """

    x: np.ndarray
    y: np.ndarray
    classes: int
    tokens: int = 0


def digits() -> Task:
    x, y = datasets.load_digits(return_X_y=True)
    return _classes(x, y)


def digit_images() -> Task:
    task = digits()
    return Task(task.x.reshape(-1, 8, 8, 1), task.y, 10)


def digit_rows() -> Task:
    task = digits()
    return Task(task.x.reshape(-1, 8, 8), task.y, 10)


def digit_tokens() -> Task:
    """Digits as 16 tokens: the ink of each square of 2 by 2 pixels, and where the square is."""
    x, y = datasets.load_digits(return_X_y=True)
    ink = x.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16) // 8
    tokens = ink.astype(np.int32) + 9 * np.arange(16, dtype=np.int32)
    return Task(tokens, y.astype(np.int64), 10, tokens=9 * 16)


def friedman_tokens() -> Task:
    """Friedman's first function of 10 features, each a token: which eighth of its range it is in."""
    x, y = datasets.make_friedman1(900, n_features=10, noise=0.5, random_state=14)
    tokens = np.minimum(8 * x, 7).astype(np.int32) + 8 * np.arange(10, dtype=np.int32)
    return Task(tokens, y.astype(np.float32)[:, None], 0, tokens=80)


def cancer() -> Task:
    return _classes(*datasets.load_breast_cancer(return_X_y=True))


def diabetes() -> Task:
    return _values(*datasets.load_diabetes(return_X_y=True, scaled=False))


def moons() -> Task:
    return _classes(*datasets.make_moons(800, noise=0.15, random_state=1))


def checkerboard() -> Task:
    """Rows of a checkerboard of 6 by 4 shades, shuffled and noisy; the class is which of the 6 a row is from."""
    x, rows, _ = datasets.make_checkerboard((900, 12), n_clusters=(6, 4), noise=25, random_state=2)
    return _classes(x, rows[::4].argmax(axis=0))


def friedman1() -> Task:
    return _values(*datasets.make_friedman1(800, n_features=10, noise=0.5, random_state=3))


def swiss_roll() -> Task:
    return _values(*datasets.make_swiss_roll(900, noise=0.1, random_state=4))


def wine() -> Task:
    return _classes(*datasets.load_wine(return_X_y=True))


def iris() -> Task:
    return _classes(*datasets.load_iris(return_X_y=True))


def clusters() -> Task:
    x, y = datasets.make_classification(
        900, n_features=20, n_informative=8, n_classes=4, class_sep=1.5, random_state=5
    )
    return _classes(x, y)


def sheet() -> Task:
    """A sheet bent to an S: the middle third of its length against the two ends."""
    x, t = datasets.make_s_curve(800, noise=0.05, random_state=6)
    return _classes(x, np.abs(t) < np.pi / 2)


def quantiles() -> Task:
    return _classes(
        *datasets.make_gaussian_quantiles(n_samples=900, n_features=4, n_classes=3, random_state=7)
    )


def friedman2() -> Task:
    return _values(*datasets.make_friedman2(800, noise=10.0, random_state=8))


def s_curve() -> Task:
    return _values(*datasets.make_s_curve(900, noise=0.05, random_state=9))


def linear() -> Task:
    x, y = datasets.make_regression(800, n_features=20, n_informative=10, noise=5, random_state=10)
    return _values(x, y)


def clouds() -> Task:
    """Images, 12 by 12, of 60 points each: of moons, circles, blobs or an S."""
    random = np.random.default_rng(11)
    images = [np.sqrt(_drawn(_cloud(i % 4, i), random)) for i in range(800)]
    return _classes(np.array(images)[..., None], np.arange(800) % 4)


def walks() -> Task:
    """Sequences of 12 points along an S, along a roll, and along a half moon."""
    random = np.random.default_rng(12)
    walks = [_walk(i % 3, i) @ _turn(random) for i in range(750)]
    return _classes(np.array(walks), np.arange(750) % 3)


def words() -> Task:
    """Documents of up to 24 words of a vocabulary of 60, on one of 4 topics; 0 is no word."""
    counts, topics = datasets.make_multilabel_classification(
        900, 60, n_classes=4, n_labels=1, length=24, allow_unlabeled=False, random_state=13
    )
    tokens = np.zeros((900, 24), np.int32)
    for row, count in zip(tokens, counts.astype(int), strict=True):
        document = np.repeat(np.arange(1, 61), count)[:24]
        row[: len(document)] = document
    return Task(tokens, topics.argmax(axis=1).astype(np.int64), 4, tokens=61)


def cluster_tokens() -> Task:
    """Clusters in 12 features, each a token: which sixth of the examples it is among."""
    x, y = datasets.make_classification(
        900, n_features=12, n_informative=6, n_classes=3, class_sep=1.5, random_state=15
    )
    sixth = x.argsort(axis=0).argsort(axis=0) * 6 // 900
    tokens = sixth.astype(np.int32) + 6 * np.arange(12, dtype=np.int32)
    return Task(tokens, y.astype(np.int64), 3, tokens=72)


TASKS: dict[str, tuple[Split, Callable[[], Task]]] = {
    **{
        make.__name__: ("tuning", make)
        for make in (
            digits,
            digit_images,
            digit_rows,
            digit_tokens,
            friedman_tokens,
            cancer,
            diabetes,
            moons,
            checkerboard,
            friedman1,
            swiss_roll,
        )
    },
    **{
        make.__name__: ("test", make)
        for make in (
            wine,
            iris,
            clusters,
            sheet,
            quantiles,
            friedman2,
            s_curve,
            linear,
            clouds,
            walks,
            words,
            cluster_tokens,
        )
    },
}


def scaled(x: np.ndarray) -> np.ndarray:
    """Returns `x` with each feature at mean 0 and variance 1; an image's or a sequence's pixels all together."""
    axes = 0 if x.ndim == 2 else None
    spread = x.std(axis=axes)
    return ((x - x.mean(axis=axes)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _classes(x: np.ndarray, y: np.ndarray) -> Task:
    return Task(x.astype(np.float32), y.astype(np.int64), int(y.max()) + 1)


def _values(x: np.ndarray, y: np.ndarray) -> Task:
    return Task(x.astype(np.float32), y.astype(np.float32)[:, None], 0)


def _cloud(kind: int, seed: int) -> np.ndarray:
    if kind == 0:
        return datasets.make_moons(60, noise=0.1, random_state=seed)[0] - (0.5, 0.25)
    if kind == 1:
        return datasets.make_circles(60, noise=0.1, factor=0.4, random_state=seed)[0]
    if kind == 2:
        points = datasets.make_blobs(60, centers=3, cluster_std=0.15, random_state=seed)[0]
        return points / 10
    return datasets.make_s_curve(60, noise=0.1, random_state=seed)[0][:, [0, 2]] * (1, 0.5)


def _drawn(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    moved = points + random.normal(0, 0.1, 2)
    return np.histogram2d(*moved.T, bins=12, range=[(-1.6, 1.6)] * 2)[0]


def _walk(kind: int, seed: int) -> np.ndarray:
    if kind == 0:
        points, t = datasets.make_s_curve(12, noise=0.1, random_state=seed)
    elif kind == 1:
        points, t = datasets.make_swiss_roll(12, noise=0.1, random_state=seed)
        points = points / 8
    else:
        flat, _ = datasets.make_moons((12, 0), shuffle=False, noise=0.1, random_state=seed)
        points, t = np.c_[flat, np.zeros(12)], np.arange(12)
    return points[np.argsort(t)]


def _turn(random: np.random.Generator) -> np.ndarray:
    angle = random.normal(0, 0.3)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
