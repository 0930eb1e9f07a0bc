"""Reads what trials reached back from event files, whoever wrote them.

Needs neither TensorFlow nor a running TensorBoard. It compares nothing.
"""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import summary_pb2, types_pb2
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from adamax_tb import schema
from adamax_tb.eventfile import EventFile
from adamax_tb.hparams import LOSS, METRICS, TRIAL_FILE
from adamax_tb.logdir import FoundFile, event_files


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial reached, at each of the P steps where it was tested.

    Attributes:
        name: the run's, its directory relative to the log directory.
        optimizer: what the optimizer is called.
        learning_rate: that it was given.
        seed: trials of the same seed begin with the same weights and see the same batches.
        steps: (P,) int64, updates made; 0 is the untrained model.
        loss: (P,), on held-out data; NaN and infinity are results, too.
        accuracy: (P,), on held-out data, 0 to 1; NaN where it is not known.
        seconds: (P,), of training until then; NaN where it is not known.
        finished: whether it came to its end. A trial that was interrupted is never written by `TrialWriter`; one
            that another program wrote may be.
    """

    name: str
    optimizer: str
    learning_rate: float
    seed: int
    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    seconds: NDArray[np.float64]
    finished: bool = True

    @property
    def diverged(self) -> bool:
        """Whether it ends with a loss that is not finite, or above that of the untrained model, if that was tested."""
        last, first = self.loss[-1], self.loss[0]
        return not math.isfinite(last) or bool(self.steps[0] == 0 and last > first)


def read_trials(
    logdir: str | os.PathLike[str], told: Callable[[int, int], object] | None = None
) -> tuple[dict[str, Trial], dict[str, str]]:
    """Reads the trials below `logdir`, whoever wrote them: a run with these hyperparameters and a "trial/loss".

    Args:
        logdir: a directory, or an address that fsspec can open.
        told: is called now and then with how many files were read, and of how many.

    Returns:
        The trials by the run's name, in natural order; and by name, the reason why a trial cannot be used. A run
        without these hyperparameters is neither.

    Raises:
        FileNotFoundError: there is no such directory.
        ImportError: the address needs a package that is missing.
    """
    errors: dict[str, str] = {}
    by_run: dict[str, list[FoundFile]] = {}
    for file in event_files(os.fspath(logdir), errors=errors):
        if not file.name.endswith(
            schema.PLUGIN_NAME
        ):  # a record of statistics: large, and no trial
            by_run.setdefault(file.run, []).append(file)
    trials: dict[str, Trial] = {}
    count, done = sum(map(len, by_run.values())), 0
    for name in sorted(by_run, key=schema.natural_key):
        try:
            read = _read(by_run[name])
            if read is not None:
                trials[name] = read.trial(name)
        except (OSError, ValueError) as error:
            errors[name] = f"Trial {name!r} cannot be used: {error}"
        done += len(by_run[name])
        if told is not None:
            told(done, count)
    return trials, errors


@dataclass
class _Reading:
    """What was read of a trial so far."""

    hparams: dict[str, object]
    finished: bool = False
    points: dict[int, dict[str, float]] = field(default_factory=dict)

    def trial(self, name: str) -> Trial:
        optimizer, rate = self.hparams["optimizer"], self.hparams["learning_rate"]
        seed = self.hparams.get("seed", 0.0)
        if not isinstance(optimizer, str) or not isinstance(rate, float):
            raise ValueError("`optimizer` must be a string and `learning_rate` a number.")
        if not isinstance(seed, float) or not seed.is_integer():
            raise ValueError(f"`seed` must be a whole number, not {seed!r}.")
        steps = sorted(step for step, values in self.points.items() if LOSS in values)
        if not steps:
            raise ValueError(f"it has no value of {LOSS!r}.")
        loss, accuracy, seconds = (
            np.array([self.points[step].get(tag, math.nan) for step in steps]) for tag in METRICS
        )
        return Trial(
            name=name,
            optimizer=optimizer,
            learning_rate=rate,
            seed=int(seed),
            steps=np.array(steps, np.int64),
            loss=loss,
            accuracy=accuracy,
            seconds=seconds,
            finished=self.finished,
        )


def _read(files: Iterable[FoundFile]) -> _Reading | None:
    """Returns the last trial that the event files of a run hold, None if they hold none."""
    reading: _Reading | None = None
    points: dict[int, dict[str, float]] = {}
    notes = []
    for found in sorted(files, key=lambda file: file.name):
        file = EventFile(found.name, found.open)
        for event in file.events(found.size_bytes):
            for value in event.summary.value:
                if value.tag == metadata.SESSION_START_INFO_TAG:
                    if reading is not None and reading.finished:
                        points = {}
                    reading = _started(value) or reading
                elif value.tag == metadata.SESSION_END_INFO_TAG and reading is not None:
                    reading.finished = True
                elif value.tag in METRICS:
                    points.setdefault(event.step, {})[value.tag] = _number(value)
        if found.name.endswith(TRIAL_FILE) and (reading is None or not reading.finished):
            notes.append(file.note() or f"{file.name} holds no whole trial.")
    if notes:
        raise ValueError(" ".join(notes))
    if reading is not None:
        reading.points = points
    return reading


def _started(value: summary_pb2.Summary.Value) -> _Reading | None:
    content = value.metadata.plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    kinds = {"string_value", "number_value", "bool_value"}
    hparams = {
        key: getattr(v, kind)
        for key, v in info.hparams.items()
        if (kind := v.WhichOneof("kind")) in kinds
    }
    return _Reading(hparams) if {"optimizer", "learning_rate"} <= hparams.keys() else None


def _number(value: summary_pb2.Summary.Value) -> float:
    """Returns a scalar, as `TrialWriter` or as `tf.summary.scalar` writes it."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    tensor = value.tensor
    if tensor.tensor_content and tensor.dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE):
        kind = "<f4" if tensor.dtype == types_pb2.DT_FLOAT else "<f8"
        return float(np.frombuffer(tensor.tensor_content, kind)[0])
    numbers = [*tensor.float_val, *tensor.double_val]
    return float(numbers[0]) if numbers else math.nan
