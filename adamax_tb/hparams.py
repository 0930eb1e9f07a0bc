"""Writes what a trial reached, as summaries of TensorBoard's HParams tab, beside the run's record.

A trial is one training of one model with one optimizer, learning rate and seed. These summaries are all there is of it:
the HParams tab and `adamax-tb compare` read the same numbers. It knows no framework.
"""

import math
import operator
import os
import time
from collections.abc import Iterable, Mapping

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from adamax_tb import events
from adamax_tb.recordfile import RecordFile
from adamax_tb.rundirectory import new_name

#: What a trial's metrics are called in the HParams tab, by tag.
METRICS: Mapping[str, str] = {
    "trial/loss": "held-out loss",
    "trial/accuracy": "held-out accuracy",
    "trial/seconds": "training seconds",
}
LOSS, ACCURACY, SECONDS = METRICS
_HPARAMS = {
    "optimizer": api_pb2.DATA_TYPE_STRING,
    "learning_rate": api_pb2.DATA_TYPE_FLOAT64,
    "seed": api_pb2.DATA_TYPE_FLOAT64,
}
#: How the names of the files end.
_EXPERIMENT_FILE, TRIAL_FILE = "adamax_tb_experiment", "adamax_tb_trial"
_MAX_SEED = 2**53  # HParams keeps numbers as float64


class TrialWriter:
    """Takes down what a trial reaches, and writes it when the trial is finished.

        trial = TrialWriter("runs", "AdaMax", learning_rate=0.002, seed=0)
        model.fit(..., callbacks=[adamax_tb.OptimizerHealth(trial.log_dir), ...])
        trial.reached(step=1000, loss=0.12, accuracy=0.96, seconds=31.0)
        trial.finish()

    Call `finish` when `fit` has returned: TensorBoard follows one event file of a run at a time, in the order in which
    they were made, so this one has to be the last.

    Args:
        logdir: the directory where all trials go, as it is given to `tensorboard --logdir`.
        optimizer: what the optimizer is called; trials with the same name are compared as one optimizer.
        learning_rate: that the optimizer is given, or the first of its schedule; 0 or more.
        seed: a whole number from 0 on. Trials of the same seed should begin with the same weights and see the same
            batches in the same order: then they can be compared in pairs.

    Attributes:
        log_dir: where the run belongs, for `OptimizerHealth`: `LOGDIR/optimizer/learning_rate/seed`.

    Raises:
        ValueError: an argument is not what it must be.
    """

    def __init__(
        self, logdir: str | os.PathLike[str], optimizer: str, learning_rate: float, seed: int = 0
    ) -> None:
        if not optimizer or optimizer.strip(".") == "" or set(optimizer) & set("/\\\0"):
            raise ValueError(
                f"Argument `optimizer` names a directory and cannot be {optimizer!r}: give it a name such as 'AdaMax'."
            )
        if not math.isfinite(learning_rate) or learning_rate < 0:
            raise ValueError(
                f"Argument `learning_rate` must be a number from 0 on, not {learning_rate!r}."
            )
        try:
            whole = operator.index(seed)  # of NumPy, too
        except TypeError:
            whole = -1
        if not 0 <= whole < _MAX_SEED:
            raise ValueError(
                f"Argument `seed` must be a whole number from 0 to 2**53 - 1, not {seed!r}."
            )
        self._logdir = os.fspath(logdir)
        self._hparams = (optimizer, float(learning_rate), whole)
        self.log_dir = os.path.join(self._logdir, optimizer, f"{learning_rate:.6g}", f"{whole}")
        self._started = time.time()
        self._points: list[tuple[int, float, dict[str, float]]] = []

    def reached(
        self,
        step: int,
        loss: float,
        accuracy: float = math.nan,
        seconds: float = math.nan,
    ) -> None:
        """Takes down what the model is worth after `step` updates.

        The first should be at step 0, before training: a trial that ends above it has diverged. Steps to a target are
        as fine as these points are, and the time per step is taken between the second and the last one, so that
        tracing and compiling, which come with the first steps, are not in it.

        Args:
            step: updates made, more than at the call before.
            loss: on held-out data; NaN and infinity are results, too.
            accuracy: on held-out data, 0 to 1; NaN if there is no such thing.
            seconds: of training so far, without these tests; NaN if it was not measured.

        Raises:
            ValueError: `step` is not above the last one.
        """
        if step < 0 or (self._points and step <= self._points[-1][0]):
            last = self._points[-1][0] if self._points else "none"
            raise ValueError(
                f"Argument `step` must be a whole number from 0 on and above the last one, {last}, not {step!r}."
            )
        values = {LOSS: float(loss), ACCURACY: float(accuracy), SECONDS: float(seconds)}
        known = {tag: v for tag, v in values.items() if tag == LOSS or not math.isnan(v)}
        self._points.append((int(step), time.time(), known))

    def finish(self) -> None:
        """Writes the trial into an event file of its own in `log_dir`, and what the metrics are into the logdir's.

        Raises:
            ValueError: `reached` was never called.
            OSError: it cannot be written.
        """
        if not self._points:
            raise ValueError("The trial reached nothing: call `reached` before `finish`.")
        if not os.path.isdir(self._logdir) or not any(
            name.endswith(_EXPERIMENT_FILE) for name in os.listdir(self._logdir)
        ):
            _write(self._logdir, _EXPERIMENT_FILE, [(0, time.time(), _experiment())])
        optimizer, learning_rate, seed = self._hparams
        start = plugin_data_pb2.SessionStartInfo(
            group_name="/".join(map(str, self._hparams)), start_time_secs=self._started
        )
        start.hparams["optimizer"].string_value = optimizer
        start.hparams["learning_rate"].number_value = learning_rate
        start.hparams["seed"].number_value = seed
        finite = math.isfinite(self._points[-1][2][LOSS])
        end = plugin_data_pb2.SessionEndInfo(
            status=api_pb2.STATUS_SUCCESS if finite else api_pb2.STATUS_FAILURE,
            end_time_secs=time.time(),
        )
        points = [
            (step, when, summary_pb2.Summary(value=_scalars(values)))
            for step, when, values in self._points
        ]
        events = [
            (0, self._started, _summary(metadata.SESSION_START_INFO_TAG, session_start_info=start)),
            *points,
            (0, time.time(), _summary(metadata.SESSION_END_INFO_TAG, session_end_info=end)),
        ]
        _write(self.log_dir, TRIAL_FILE, events)


def _scalars(values: Mapping[str, float]) -> list[summary_pb2.Summary.Value]:
    return [summary_pb2.Summary.Value(tag=tag, simple_value=v) for tag, v in values.items()]


def _experiment() -> summary_pb2.Summary:
    """Returns what the hyperparameters and metrics are.

    No domain is given: TensorBoard keeps the first experiment that it sees, and would hide what a later sweep adds.
    """
    return _summary(
        metadata.EXPERIMENT_TAG,
        experiment=api_pb2.Experiment(
            hparam_infos=[api_pb2.HParamInfo(name=n, type=t) for n, t in _HPARAMS.items()],
            metric_infos=[
                api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=shown)
                for tag, shown in METRICS.items()
            ],
            time_created_secs=time.time(),
        ),
    )


def _summary(tag: str, **content: object) -> summary_pb2.Summary:
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    value = summary_pb2.Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
    return summary_pb2.Summary(value=[value])


def _write(
    directory: str, suffix: str, summaries: Iterable[tuple[int, float, summary_pb2.Summary]]
) -> None:
    """Writes a whole event file, which sorts behind those that were made before."""
    os.makedirs(directory, exist_ok=True)
    records = RecordFile(os.path.join(directory, new_name(suffix, os.listdir(directory))))
    records.write(events.version())
    for step, when, summary in summaries:
        event = event_pb2.Event(wall_time=when, step=step, summary=summary)
        records.write(event.SerializeToString())
    records.close()
