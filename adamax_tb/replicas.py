"""Replicas of one training, in this process or in several: which process writes, and how far apart they are.

It adds no collective operation, and waits for nobody: where one process looked and the others did not, all would stand
still. What processes tell each other goes through the key-value store that TensorFlow and JAX run for their own
coordination. That is no public interface: where it is missing or fails, processes are not compared, and nothing else
changes.
"""

import base64
import contextlib
import itertools
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adamax_tb.agreement import Agreement
from adamax_tb.columns import COLUMNS
from adamax_tb.coordination import JaxStore, Store, TensorFlowStore
from adamax_tb.schema import NOT_RECORDED, recorded
from adamax_tb.sentinel import Drained

#: The chief asks so many other processes at a drain, in turn: an answer takes half a millisecond.
ASKED = 4
#: A process that has not answered so many times in a row is asked only every so many drains, and at last no more: it
#: records nothing, and TensorFlow keeps each question.
SILENT, MUTE = 8, 64
#: So many of the chief's own records are kept to be compared with what others tell of the same step.
KEPT = 256
#: What is compared of each variable: norms, of the weights after the update and of the gradient that was applied.
COMPARED = (COLUMNS.index("weight_l2"), COLUMNS.index("gradient_l2"))

_asked = itertools.count()


@dataclass(frozen=True, slots=True)
class _Told:
    """What a process tells of its latest record.

    Attributes:
        training: the how-manieth training of this recording it belongs to: a restart counts steps anew.
        step: the update.
        norms: (len(COMPARED), L) float32.
    """

    training: int
    step: int
    norms: NDArray[np.float32]

    def text(self) -> str:
        """Returns it as a text."""
        numbers = base64.b64encode(self.norms.astype("<f4").tobytes()).decode()
        return f"{self.training} {self.step} {numbers}"

    @staticmethod
    def of(text: str) -> "_Told":
        """Returns what `text` tells."""
        training, step, numbers = text.split(" ")
        norms = np.frombuffer(base64.b64decode(numbers), "<f4").reshape(len(COMPARED), -1)
        return _Told(int(training), int(step), norms)


class Replicas:
    """The replicas of one recorded optimizer.

    Args:
        processes: how many train it together.
        index: which of them this is; 0 is the chief.
        copies: how many copies of each variable this process keeps and compares.
        store: where processes tell each other of their records, if they can.
        name: what is recorded, the same in all processes.

    Attributes:
        has: what there is to compare, of `schema.NEEDS`.
    """

    def __init__(
        self,
        processes: int = 1,
        index: int = 0,
        copies: int = 1,
        store: Store | None = None,
        name: str = "",
    ) -> None:
        self.processes = processes
        self._name = name
        self.index = index
        self._store = store if processes > 1 else None
        compared = {"workers"} if self._store is not None else set()
        self.has = frozenset(compared | ({"replicas"} if compared or copies > 1 else set()))
        self._training = 0
        self._own: OrderedDict[int, NDArray[np.float32]] = OrderedDict()  # step → norms
        self._told: dict[int, _Told] = {}  # process → the latest that was not compared yet
        self._last: dict[int, str] = {}  # process → the last text
        self._missed: dict[int, int] = {}  # process → how many questions in a row had no answer
        self._drains = 0

    def agreement(self) -> Agreement | None:
        """Returns how these processes end together; None where they cannot tell each other anything."""
        if self._store is None:
            return None
        return Agreement(self._store, self._name, self.processes, self.index)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run and tells of findings."""
        return self.index == 0

    def begin(self) -> None:
        """A training begins or goes on: what was told before is not of it."""
        self._training += 1
        self._own.clear()
        self._told.clear()

    def tell(self, drained: Drained) -> None:
        """Tells the chief of the latest of the drained records."""
        if self._store is None or not drained.steps.size:
            return
        norms = drained.columns[-1, COMPARED, :]
        told = _Told(self._training, int(drained.steps[-1]), norms)
        try:
            self._store.put(self._key(self.index), told.text())
        except Exception:  # the service is gone, and mostly the training with it
            self._store = None

    def statistics(self, drained: Drained) -> dict[str, NDArray[np.float32]]:
        """Returns how far apart the replicas are, at the drained records.

        A comparison with another process stands in the record that it is of; in the next, if that is written already.

        Returns:
            statistic → (R, L), of `schema.STATS`, those that `has` has; `NOT_RECORDED` where nothing was compared.
        """
        shape = (len(drained.steps), drained.columns.shape[-1])
        weights, gradients = (np.full(shape, NOT_RECORDED) for _ in range(2))
        if drained.copies is not None:
            weights = spread(drained.copies)
        for step, norms in zip(drained.steps.tolist(), drained.columns[:, COMPARED], strict=True):
            self._own[step] = norms
        while len(self._own) > KEPT:
            self._own.popitem(last=False)
        for told in self._news():
            apart = spread(np.stack([self._own[told.step], told.norms]))
            at = min(int(np.searchsorted(drained.steps, told.step)), len(drained.steps) - 1)
            weights[at] = _larger(weights[at], apart[0])
            gradients[at] = _larger(gradients[at], apart[1])
        found = {"replicas": ("replica_spread", weights)}
        found["workers"] = ("replica_gradient_spread", gradients)
        return dict(found[needs] for needs in self.has)

    def end(self) -> None:
        """The training has ended: the store need not keep what was told."""
        if self._store is not None and self.is_chief:
            with contextlib.suppress(Exception):
                for process in range(1, self.processes):
                    self._store.delete(self._key(process))

    def _key(self, process: int) -> str:
        return f"adamax_tb/{self._name}/{process}"

    def _news(self) -> list[_Told]:
        """Returns what others tell of records that the chief has, too, each once."""
        if self._store is None:
            return []
        news = self._comparable()  # told before the chief came so far
        self._drains += 1
        others = [p for p in range(1, self.processes) if self._is_asked(p)]
        first = (self._drains * ASKED) % max(len(others), 1)
        try:
            for process in [*others[first:], *others[:first]][:ASKED]:
                self._ask(self._store, process)
        except Exception:  # as in `tell`
            self._store = None
        return news + self._comparable()

    def _is_asked(self, process: int) -> bool:
        """Tells whether to ask a process: not while the chief is behind it, and rarely if it never answers."""
        missed = self._missed.get(process, 0)
        silent = missed >= MUTE or (missed >= SILENT and self._drains % SILENT > 0)
        return process not in self._told and not silent

    def _ask(self, store: Store, process: int) -> None:
        text = store.get(self._key(process))
        self._missed[process] = 0 if text is not None else self._missed.get(process, 0) + 1
        if text is not None and text != self._last.get(process):
            self._last[process] = text
            self._told[process] = _Told.of(text)

    def _comparable(self) -> list[_Told]:
        """Returns what was told of records that the chief has; forgets it, and what it can have no more."""
        news = []
        latest = next(reversed(self._own), 0)
        for process, told in [*self._told.items()]:
            if (told.training, told.step) > (self._training, latest):
                continue  # the chief is still to make this record
            del self._told[process]
            own = self._own.get(told.step) if told.training == self._training else None
            if own is not None and own.shape == told.norms.shape:
                news.append(told)
        return news


def of(optimizer: Any) -> Replicas:
    """Returns the replicas that `optimizer` trains, as its backend has them.

    Processes know what belongs together by the order in which they ask: all run the same program.
    """
    name = f"{next(_asked)}/{optimizer.name}"
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _of_tensorflow(getattr(optimizer, "_distribution_strategy", None), name)
    return _of_jax(name) if backend == "jax" else Replicas()


def warn_of_fit() -> None:
    """Says what to do instead if `fit` is about to fail: it does before a callback is called."""
    if keras.backend.backend() == "tensorflow" and TensorFlowStore.found() is not None:
        warnings.warn(
            "OptimizerHealth is made for `fit`, which Keras 3.15 cannot do under tf.distribute."
            "MultiWorkerMirroredStrategy (https://github.com/keras-team/keras/issues/20585): it ends with 'unsupported "
            "type ... PerReplica'. Train in a loop of your own, with adamax_tb.record in place of OptimizerHealth; "
            "examples/multi_worker.py is one. On JAX `fit` can.",
            stacklevel=3,
        )


def spread(norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns how far apart K replicas are: (largest - smallest) / largest of their norms.

    Args:
        norms: (K, …), of which the result has the rest of the axes.

    Returns:
        0 where all are the same, NaN and infinity included; infinity where only some are finite; `NOT_RECORDED` where
        one of them is.
    """
    known = recorded(norms).all(axis=0)
    same = ((norms == norms[0]) | (np.isnan(norms) & np.isnan(norms[0]))).all(axis=0)
    high, low = norms.max(axis=0), norms.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (high.astype(np.float64) - low) / high
    apart = np.where(same, 0.0, np.where(np.isfinite(high + low), apart, np.inf))
    return np.where(known, apart.astype(np.float32), NOT_RECORDED)


def _larger(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the larger of two spreads, the other one where one was not recorded."""
    return np.where(recorded(a) & ~(a < b), a, b)


def _of_tensorflow(strategy: Any, name: str) -> Replicas:
    import tensorflow as tf

    from adamax_tb.mirrors import local_copies

    if strategy is None:
        return Replicas()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return Replicas(copies=local_copies(strategy))
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict() if resolver is not None else {}
    before = len(cluster.get("chief", ()))
    processes = max(1, before + len(cluster.get("worker", ())))
    index = int(resolver.task_id or 0) if processes > 1 else 0
    if processes > 1 and resolver.task_type == "worker":
        index += before
    store = TensorFlowStore.found() if processes > 1 else None
    return Replicas(processes, index, local_copies(strategy), store, name)


def _of_jax(name: str) -> Replicas:
    import jax

    processes = jax.process_count()
    if jax.process_index() > 0 and keras.distribution.distribution() is None:
        warnings.warn(
            f"OptimizerHealth takes the {processes} processes of this JAX job for one training, which the first one "
            "records: this one writes nothing. Nothing distributes the training, though: set "
            "keras.distribution.DataParallel() before the model is built, or start trainings that are independent as "
            "jobs of their own.",
            stacklevel=4,
        )
    store = JaxStore.found() if processes > 1 else None
    return Replicas(processes, jax.process_index(), store=store, name=name)
