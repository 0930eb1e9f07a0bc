"""`OptimizerHealth`, the Keras callback that records an optimizer's health while a model trains.

It owns the timing: attaches a `Recorder`, drains it in one transfer per record and hands records to the writer. A
fault of its own is reported once and leaves training going.
"""

import atexit
import os
import time
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
    from adamax_tb.recorder import Drained, Recorder


#: Records wait on the device until there are this many, or this many seconds have passed, or the buffer holds so many
#: numbers: a drain costs the host 1 ms, as much as a step of a small model.
PENDING_RECORDS = 16
DRAIN_S = 0.5
BUFFER_ENTRIES = 2**20
MAX_EVERY = 10_000  # the device keeps a row for every update between two records


class OptimizerHealth(keras.callbacks.Callback):
    """Records, per layer and step, what the optimizer does, for TensorBoard's "Optimizer health" tab.

        model.fit(x, y, callbacks=[adamax_tb.OptimizerHealth("runs/first")])

    then `tensorboard --logdir runs`. It works with the optimizer that the model was compiled with, a LossScaleOptimizer
    around it or not: of `adamax_tb.AdaMax`, `keras.optimizers.Adamax` and `keras.optimizers.Adam` (AdamW too) it
    records the moments and updates as well, of any other the gradients and weights. The weights come out the same as
    without it. `schema.STATS` says what is recorded.

    Args:
        log_dir: Directory of this run, such as `"runs/first"`; made if missing. A directory that already holds a run
            is continued: a step recorded again replaces what followed it.
        every: A full record is taken at update 1 and at every update divisible by this. Between records the gradient
            norm of each layer is watched at every update, so that no spike is lost, and the first update whose
            gradient is not finite is recorded in full.

    Raises:
        ValueError: `every` is not an integer from 1 to 10,000, or `log_dir` cannot be written; when `fit` starts: the
            model is not compiled, or Keras does not run on TensorFlow.
    """

    def __init__(self, log_dir: str | os.PathLike[str], every: int = 10) -> None:
        super().__init__()
        whole = isinstance(every, (int, np.integer)) and not isinstance(every, bool)
        if not whole or not 1 <= every <= MAX_EVERY:
            raise ValueError(
                f"Argument `every` must be a positive integer of at most {MAX_EVERY}. Received: every={every!r}"
            )
        self.every = int(every)
        try:
            self.log_dir = os.path.expanduser(os.fsdecode(log_dir))
        except TypeError as error:
            raise ValueError(
                f"Argument `log_dir` must be a path. Received: log_dir={log_dir!r}"
            ) from error
        _check_writable(self.log_dir)
        self._recorder: Any = None
        self._settings: dict[str, Any] = {}
        self._writer: EventWriter | None = None
        self._failed = False
        self._training = False
        self._start = 0
        self._batches = 0
        self._last_batch = -1
        self._drained_at = 0
        self._drained_s = 0.0
        self._learning_rate = 0.0
        self._pending = 1

    def set_model(self, model: Any) -> None:
        """Starts watching the optimizer of `model`; `fit` calls this before it traces its training step."""
        super().set_model(model)
        if self._training:
            self._finish()  # the fit before was interrupted
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
        columns = max(1, len(model.trainable_variables)) * (self.every + len(stats.COLUMNS))
        self._pending = int(np.clip(BUFFER_ENTRIES // columns, 1, PENDING_RECORDS))
        settings = {
            "optimizer": optimizer,
            "every": self.every,
            "steps_per_drain": model.steps_per_execution + self._pending * self.every,
            "xla": bool(model.jit_compile),
        }
        if self._settings != settings:  # else it still knows the updates after the last record
            self._recorder = Recorder(**settings)
            self._settings = settings
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
        optimizer = self._recorder.optimizer
        self._start = self._drained_at = int(_host(optimizer.iterations))
        self._recorder.rewind(self._start)
        rate = float(_host(optimizer.learning_rate))
        self._learning_rate = float(f"{rate:.7g}")  # 0.001, not float32's 0.0010000000475
        atexit.register(self._finish)  # a fit that is interrupted never gets to on_train_end

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
        pending = update // self.every - self._drained_at // self.every
        now = time.monotonic()
        first = self._drained_at == self._start
        if first or pending >= self._pending or (pending and now - self._drained_s >= DRAIN_S):
            self._guarded_drain()
            self._drained_at, self._drained_s = update, now

    def on_train_end(self, logs: Any = None) -> None:
        """Writes what is left, closes the file and leaves the optimizer as it was."""
        self._finish()
        self._detach()
        self.model.train_function = None

    def _finish(self) -> None:
        atexit.unregister(self._finish)
        if self._recorder is not None and not self._failed:
            self._guarded_drain()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._training = False

    def _detach(self) -> None:
        if self._recorder is not None:
            self._recorder.detach()

    def _guarded_drain(self) -> None:
        try:
            drained = self._recorder.drain()
            if drained is not None and drained.steps.size:
                with np.errstate(all="ignore"):  # a run that blows up is no fault of ours
                    self._write(drained)
        except Exception as error:  # being watched must never harm a training run
            self._failed = True
            warnings.warn(
                f"OptimizerHealth stopped recording into {self.log_dir}: {error!r}. Training goes on.",
                stacklevel=2,
            )

    def _write(self, drained: "Drained") -> None:
        if self._writer is None:
            self._writer = EventWriter(
                self.log_dir, self._table(), open_records=tf.io.TFRecordWriter
            )
        present = self._recorder.present
        stats_of = self._layer_stats(drained)
        recorded = schema.recorded_statistics(self._recorder.kind.states)
        self._writer.write(
            drained.steps,
            {name: _masked(stats_of[name], present) for name in recorded},
            self._step_stats(drained, stats_of),
        )

    def _layer_stats(self, drained: "Drained") -> dict[str, NDArray[Any]]:
        """Returns statistic → (R, L), of `schema.STATS`."""
        recorder = self._recorder
        learning_rate = drained.header("learning_rate")
        rate = recorder.kind.rate(recorder.optimizer, learning_rate, drained.header("t"))
        shapes = [tuple(v.shape) for v in recorder.variables]
        norms, windows = drained.sentinel, drained.windows()
        peaks = np.stack([window.start + _peak_row(norms[window]) for window in windows])
        return {
            **stats.finished(drained.columns, shapes, learning_rate, rate),
            "nonfinite": drained.nonfinite,
            "gradient_norm": norms[[window.stop - 1 for window in windows]],
            "gradient_norm_peak": np.take_along_axis(norms, peaks, axis=0),
            "gradient_norm_peak_step": drained.sentinel_steps[peaks],
        }

    def _step_stats(
        self, drained: "Drained", stats_of: dict[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Returns step statistic → (R,), of `schema.STEP_STATS`."""
        whole = np.linalg.norm(stats_of["gradient_norm"].astype(np.float64), axis=1)
        clipped = np.linalg.norm(stats_of["clipped_gradient_norm"], axis=1)
        losses = [drained.losses[window] for window in drained.windows()]
        return {
            "loss": drained.header("loss"),
            "loss_peak": np.array([loss[_peak_row(loss)] for loss in losses]),
            "learning_rate": drained.header("learning_rate"),
            "loss_scale": drained.header("loss_scale"),
            "skipped_steps": self._skipped(drained),
            "clip_factor": np.divide(clipped, whole, out=np.ones_like(whole), where=whole > 0),
            **self._restarts(drained),
        }

    def _restarts(self, drained: "Drained") -> dict[str, NDArray[Any]]:
        restarted = [drained.sentinel_steps[w][drained.restarted[w]] for w in drained.windows()]
        since = [
            step - steps[-1] if steps.size else np.nan
            for step, steps in zip(drained.steps, restarted, strict=True)
        ]
        return {
            "restarts": np.array([steps.size for steps in restarted]),
            "since_restart": np.array(since, np.float64),
        }

    def _skipped(self, drained: "Drained") -> NDArray[np.float64]:
        """Returns how many batches of this fit the loss scaling threw away: known for the last record of a drain."""
        recorder = self._recorder
        if recorder.outer is recorder.optimizer:
            return np.zeros(len(drained.steps))
        skipped = np.full(len(drained.steps), np.nan)
        if not recorder.optimizer.gradient_accumulation_steps:
            skipped[-1] = self._start + self._batches - drained.sentinel_steps[-1]
        return skipped

    def _table(self) -> schema.LayerTable:
        recorder = self._recorder
        with warnings.catch_warnings():  # the numbers are wanted, not what cannot be saved
            warnings.simplefilter("ignore")
            config = recorder.optimizer.get_config()
        names = schema.unique_names([v.path for v in recorder.variables])
        config["learning_rate"] = self._learning_rate
        if not config["use_ema"]:
            del config["ema_momentum"]
        if "lazy_rows" in config:
            config["lazy_rows"] = 1
        return schema.LayerTable(
            version=schema.VERSION,
            layers=[
                schema.Layer(
                    name=name, shape=v.shape, dtype=keras.backend.standardize_dtype(v.dtype)
                )
                for v, name in zip(recorder.variables, names, strict=True)
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


def _host(value: Any) -> Any:
    """Returns a number of the optimizer, which under a tf.distribute strategy is one per replica."""
    return keras.ops.convert_to_tensor(value).numpy()


def _peak_row(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Returns the row of the largest entry of each column of `values`; the first NaN counts as the largest."""
    return np.argmax(np.where(np.isnan(values), np.inf, values), axis=0)


def _masked(values: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns `values`, (R, L), in float32, with `NOT_RECORDED` for the variables that got no gradient."""
    with np.errstate(over="ignore"):
        result = np.array(values, np.float32)
    result[:, ~present] = schema.NOT_RECORDED
    return result
