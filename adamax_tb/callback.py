"""`OptimizerHealth`, the Keras callback that records an optimizer's health while a model trains.

It owns the timing: attaches a `Recorder`, drains it in one transfer per record and hands records to the writer. A
fault of its own is reported once and leaves training going.
"""

import os
import warnings
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adamax_tb import schema
from adamax_tb.writer import EventWriter

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from adamax_tb import stats
    from adamax_tb.recorder import HEADER, Drained, Recorder


class OptimizerHealth(keras.callbacks.Callback):
    """Records, per layer and step, what the optimizer does, for TensorBoard's "Optimizer health" tab.

        model.fit(x, y, callbacks=[adamax_tb.OptimizerHealth("runs/first")])

    then `tensorboard --logdir runs`. It works with `adamax_tb.AdaMax`, `keras.optimizers.Adamax` and
    `keras.optimizers.Adam` (AdamW too), with or without a LossScaleOptimizer around them, as the model was compiled
    with. The weights come out the same as without it. `schema.STATS` says what is recorded.

    Args:
        log_dir: Directory of this run, such as `"runs/first"`; made if missing. A directory that already holds a run
            is continued: a step recorded again replaces what followed it.
        every: A full record is taken at update 1 and at every update divisible by this. Between records the gradient
            norm of each layer is watched at every update, so that no spike is lost, and the first update whose
            gradient is not finite is recorded in full.

    Raises:
        ValueError: `every` is not a positive integer, or `log_dir` cannot be written; when `fit` starts: the model is
            not compiled, its optimizer is of an unknown kind, or Keras does not run on TensorFlow.
    """

    def __init__(self, log_dir: str | os.PathLike[str], every: int = 10) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(
                f"Argument `every` must be a positive integer. Received: every={every!r}"
            )
        self.log_dir = os.fspath(log_dir)
        self.every = int(every)
        _check_writable(self.log_dir)
        self._recorder: Any = None
        self._writer: EventWriter | None = None
        self._failed = False
        self._training = False
        self._start = 0
        self._batches = 0
        self._last_batch = -1
        self._drained_at = 0

    def set_model(self, model: Any) -> None:
        """Starts watching the optimizer of `model`; `fit` calls this before it traces its training step."""
        super().set_model(model)
        self._detach()
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"OptimizerHealth needs Keras on TensorFlow; it runs on {keras.backend.backend()}. Set the environment "
                "variable KERAS_BACKEND=tensorflow before Keras is imported."
            )
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "OptimizerHealth needs a compiled model: call `model.compile(optimizer=..., loss=...)` before `fit`."
            )
        self._recorder = Recorder(
            optimizer,
            self.every,
            steps_per_drain=model.steps_per_execution + self.every,
            xla=bool(model.jit_compile),
        )
        self._recorder.attach()
        model.train_function = None  # an earlier fit traced it without us

    def on_test_begin(self, logs: Any = None) -> None:
        """Stops watching when the callback was given to `evaluate`, not to `fit`."""
        if not self._training:
            self._detach()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Stops watching when the callback was given to `predict`, not to `fit`."""
        if not self._training:
            self._detach()

    def on_train_begin(self, logs: Any = None) -> None:
        """Reads where the optimizer stands."""
        self._training, self._failed = True, False
        self._batches = 0
        self._start = self._drained_at = int(self._recorder.optimizer.iterations)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Counts batches anew."""
        self._last_batch = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the records of the batches since the last call, if there are any."""
        self._batches += batch - self._last_batch
        self._last_batch = batch
        if self._failed:
            return
        accumulated = self._recorder.optimizer.gradient_accumulation_steps or 1
        update = self._start + self._batches // accumulated
        first = self._drained_at == self._start
        if first or update // self.every > self._drained_at // self.every:
            self._guarded_drain()
            self._drained_at = update

    def on_train_end(self, logs: Any = None) -> None:
        """Writes what is left, closes the file and leaves the optimizer as it was."""
        if not self._failed:
            self._guarded_drain()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._detach()
        self.model.train_function = None
        self._training = False

    def _detach(self) -> None:
        if self._recorder is not None:
            self._recorder.detach()
            self._recorder = None

    def _guarded_drain(self) -> None:
        try:
            drained = self._recorder.drain()
            if drained is not None and drained.steps.size:
                self._write(drained)
        except Exception as error:  # being watched must never harm a training run
            self._failed = True
            warnings.warn(
                f"OptimizerHealth stopped recording into {self.log_dir}: {error!r}. Training goes on.",
                stacklevel=2,
            )

    def _write(self, drained: "Drained") -> None:
        recorder = self._recorder
        if self._writer is None:
            self._writer = EventWriter(
                self.log_dir, self._table(), open_records=tf.io.TFRecordWriter
            )
        shapes = [tuple(v.shape) for v in recorder.variables]
        after = 0
        for i, step in enumerate(drained.steps):
            header = dict(zip(HEADER, drained.headers[i].astype(float), strict=True))
            since = (drained.sentinel_steps > after) & (drained.sentinel_steps <= step)
            after = int(step)
            norms = drained.sentinel[since]
            learning_rate = header["learning_rate"]
            rate = recorder.kind.rate(recorder.optimizer, learning_rate, int(step))
            record = stats.finished(drained.columns[i], shapes, learning_rate, rate)
            peak_row = _peak_row(norms)
            record["gradient_norm"] = norms[-1]
            record["gradient_norm_peak"] = np.take_along_axis(norms, peak_row[None], axis=0)[0]
            record["gradient_norm_peak_step"] = drained.sentinel_steps[since][peak_row]
            record["nonfinite"] = drained.nonfinite[i]
            losses = drained.losses[since]
            step_stats = {
                "loss": header["loss"],
                "loss_peak": losses[_peak_row(losses[:, None])[0]],
                "learning_rate": learning_rate,
                "loss_scale": header["loss_scale"],
                "skipped_steps": self._skipped(int(step)),
                "clip_factor": _clip_factor(norms[-1], record["clipped_gradient_norm"]),
            }
            recorded = schema.recorded_statistics(recorder.kind.states)
            self._writer.write(
                int(step),
                {name: _masked(record[name], recorder.present) for name in recorded},
                step_stats,
            )

    def _skipped(self, step: int) -> float:
        """Returns how many batches of this fit the loss scaling threw away, as far as it can be told."""
        if self._recorder.outer is self._recorder.optimizer:
            return 0.0
        return float(max(0, self._start + self._batches - step))

    def _table(self) -> schema.LayerTable:
        recorder = self._recorder
        config = recorder.optimizer.get_config()
        config["learning_rate"] = float(
            f"{float(recorder.optimizer.learning_rate):.7g}"
        )  # 0.001, not 0.0010000000475
        return schema.LayerTable(
            version=schema.VERSION,
            layers=[
                schema.Layer(
                    name=v.path, shape=v.shape, dtype=keras.backend.standardize_dtype(v.dtype)
                )
                for v in recorder.variables
            ],
            statistics=schema.recorded_statistics(recorder.kind.states),
            step_statistics=schema.STEP_STATS,
            optimizer=type(recorder.optimizer).__name__,
            hyperparameters={
                name: float(value)
                for name, value in config.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            },
            every=self.every,
        )


def _check_writable(log_dir: str) -> None:
    if "://" in log_dir:
        return  # a remote file system says so itself, when the file is opened
    try:
        os.makedirs(log_dir, exist_ok=True)
        writable = os.access(log_dir, os.W_OK | os.X_OK)
    except OSError as error:
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} ({error})"
        ) from error
    if not writable:
        raise ValueError(
            f"Argument `log_dir` must be a directory that can be written. Received: log_dir={log_dir!r} (no permission)"
        )


def _peak_row(norms: NDArray[np.float32]) -> NDArray[np.intp]:
    """Returns for each column of (N, L) the row of its largest entry; the first NaN counts as the largest."""
    return np.argmax(np.where(np.isnan(norms), np.inf, norms), axis=0)


def _clip_factor(before: NDArray[np.float32], after: NDArray[np.float64]) -> float:
    """Returns by how much clipping shortened the gradient of all layers together; 1 without clipping."""
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.sqrt(np.square(before.astype(np.float64)).sum())
        return float(np.sqrt(np.square(after).sum()) / whole) if whole else 1.0


def _masked(values: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns float32 `values` with `NOT_RECORDED` for the variables that got no gradient."""
    with np.errstate(over="ignore"):
        result = np.asarray(values).astype(np.float32)
    result[~present] = schema.NOT_RECORDED
    return result
