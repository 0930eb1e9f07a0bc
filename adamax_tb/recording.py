"""One recording: what a `Recorder` sees of one optimizer, on its way into one run's files.

It owns no loop: `callback` and `loop` say when an update was made. It drains the device in one transfer for several
records, hands them to the writer and to `alerts`, watches for what must be kept in full, and adjusts the cadence to its
budget. A fault of its own is reported once and leaves training going.
"""

import dataclasses
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adamax_tb import columns, interruption, replicas, scalars, schema
from adamax_tb.alerts import Alerts
from adamax_tb.overhead import CADENCES, Meter
from adamax_tb.sentinel import FLIGHT_STEPS, Drained, Updates
from adamax_tb.settings import Settings
from adamax_tb.writer import EventWriter

#: Opens a file of records at an address such as "gs://bucket/run"; None: nothing here can.
open_remote: Any = None
Recorder: Any
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from adamax_tb.recorder import Recorder

    open_remote = tf.io.TFRecordWriter
elif keras.backend.backend() == "jax":
    from adamax_tb.jax_recorder import JaxRecorder as Recorder
else:
    from adamax_tb.torch_recorder import TorchRecorder as Recorder

#: Records wait on the device so many seconds at most.
DRAIN_S = 0.5
#: `every="auto"` starts with this, and looks so many seconds later whether another cadence fits the budget.
FIRST_EVERY = 10
ADJUST_S = 2.0
#: How long a signal waits for the disk.
LAST_WORD_S = 3.0
#: After a fault of its own a recording tries again so many seconds later.
RESUME_S = 5.0


class Recording:
    """Records one optimizer from `start` to `finish`; may be started again.

    Args:
        optimizer: a Keras optimizer, or a LossScaleOptimizer around one.
        settings: what the user chose.
        steps_per_call: how many updates a call of the training function makes at most.
        timed: whether `meter` hears of every step, and what recording costs is to be said.
        end_line: as `Alerts` has it.

    Attributes:
        alerts: what is found while the training goes on.
        planned_step: the last update as the training is planned, 0 where that is not known.
        head: what the model ends in, None where that is not known.
    """

    def __init__(
        self,
        optimizer: Any,
        settings: Settings,
        steps_per_call: int = 1,
        timed: bool = True,
        end_line: Callable[[], None] = lambda: None,
    ) -> None:
        self._replicas = replicas.of(getattr(optimizer, "inner_optimizer", optimizer))
        together = self._replicas.processes > 1
        may_end = bool(settings.stop_on or settings.on_finding)
        self._agreement = self._replicas.agreement() if may_end and together else None
        if settings.stop_on and together and self._agreement is None:
            settings = self._going_on(settings)
        self._settings = settings
        self._log_dir = settings.log_dir  # or one below it, where another training has that
        self._timed = timed
        self.alerts = Alerts(settings, end_line, together)
        auto = settings.every == "auto"
        # a call with a record must be told from one without
        self._densest = 2 * steps_per_call if steps_per_call > 1 else 1
        every = max(FIRST_EVERY, self._densest) if auto else int(settings.every)
        self.recorder = Recorder(
            optimizer, every, steps_per_call, settings.variables, adjustable=auto
        )
        self.meter = Meter()
        self.planned_step = 0
        self.head: schema.Head | None = None
        self._writer: EventWriter | None = None
        self._busy = self._ending = self._blamed = self._warned_of_deaf = False
        self._resume_at = 0.0  # after a fault, of `time.perf_counter`
        self._learning_rate = 0.0
        self._config: dict[str, Any] = {}
        self._watched = self._last_step = 0  # the last update looked at, and the last recorded
        self._having: dict[str, NDArray[np.bool_]] = {}  # statistic → (L,), which variables have it
        self._sound, self._recorded_bad = True, False
        self._judged: schema.LayerTable | None = None  # the same throughout a training
        self._flight: schema.Flight | None = None  # of the last time something was not finite
        self._scalars: dict[str, NDArray[np.float32]] = {}  # tag → (R,), of the last records
        self._level = 0.0  # the verdict, as a number
        self._drained_at = self._start = 0
        self._drained_s = self._adjusted_s = 0.0

    def _going_on(self, settings: Settings) -> Settings:
        """Returns `settings` without `stop_on`: processes that go on would wait forever for one that stops."""
        if self._replicas.is_chief:
            warnings.warn(
                "Argument `stop_on` is left out of account: several processes train together, and this version of "
                f"{keras.backend.backend()} gives them nothing to agree on an end with. If one stopped, the others "
                "would wait for it. `on_finding` is called here.",
                stacklevel=3,
            )
        return dataclasses.replace(settings, stop_on=())

    @property
    def every(self) -> int:
        """The cadence as it is now."""
        return self.recorder.every

    @property
    def iterations(self) -> int:
        """How many updates the optimizer has made; waits for those under way."""
        return self.recorder.made

    def start(self) -> None:
        """Attaches to the optimizer. The training step must be traced after that."""
        self._ending = self._blamed = False
        self._resume_at = 0.0
        self.recorder.attach()

    def begin(self) -> int:
        """Reads where the optimizer stands, which is built by now, and returns its updates so far."""
        self._start = self._drained_at = start = self.iterations
        self._last_step = (
            start  # records up to it are not of this training, or were drained by `finish`
        )
        if start < self._watched:  # a checkpoint was loaded: what it knows is of another future
            self.recorder.forget(start)
            self._watched, self._flight = start, None
        self.alerts.begin(start)
        self._replicas.begin()
        if self._agreement is not None:
            try:
                self._agreement.begin()
            except Exception as error:  # as in `ends`
                self._agreement = None
                self.alerts.warn(f"cannot end the processes of this training together: {error!r}")
        rate = float(_host(self.recorder.optimizer.learning_rate))
        self._learning_rate = float(f"{rate:.7g}")  # 0.001, not float32's 0.0010000000475
        self._config = _config(
            self.recorder.optimizer
        )  # now: on JAX `fit` takes the variables' values away
        self._judged = None
        return start

    def look(self, update: int) -> None:
        """Drains the device when it is time to, `update` being the last update made."""
        now = time.perf_counter()
        if now < self._resume_at:
            return
        every = self.recorder.every
        waiting = update // every - self._drained_at // every
        first = self._drained_at == self._start
        if (
            first
            or waiting >= self.recorder.pending
            or (waiting and now - self._drained_s >= DRAIN_S)
        ):
            self.drain()
            if first:
                self.meter.spent()  # opening files and tracing is of the beginning, not of every step
            self._drained_at, self._drained_s = update, now
            try:
                self._adjust(now)
            except Exception as error:  # as in `drain`
                self._pause(error)
            self._tell()

    def ends(self, made: Callable[[], int], wanted: bool = False) -> bool:
        """Tells whether the training is to end now; several processes end together.

        Args:
            made: tells how many updates were made by now: of several processes each asks after the same ones.
            wanted: whether it is to end for another reason than a finding.
        """
        agreement, found = self._agreement, self.alerts.stopped_by is not None
        if agreement is None:
            return (wanted or found) and self._replicas.processes == 1
        try:
            ends = agreement.ends(wanted or found, made)
        except Exception as error:  # the service is gone, and mostly the training with it
            self._agreement = None
            self.alerts.warn(
                f"cannot end the processes of this training together any more: {error!r}"
            )
            return False
        if agreement.is_ignored and not self._warned_of_deaf:
            self._warned_of_deaf = True
            self.alerts.warn(
                "wants to end this training, and some of its processes do not listen: give `stop_on` to each, and in a "
                "loop of your own ask `should_stop` in each"
            )
        return ends

    def drain(self, reason: str | None = None) -> None:
        """Brings the records that wait on the device to the writer; with a `reason`, a flight record as well."""
        last_word = self._ending or reason is not None
        if time.perf_counter() < self._resume_at and (self._stopped or not last_word):
            return
        self._busy = True
        try:
            # a run that blows up is no fault of ours
            with self.meter.host(), np.errstate(all="ignore"):
                drained = self.recorder.drain()
                if drained is not None:
                    self._take(drained, reason)
        except Exception as error:  # being watched must never harm a training run
            self._pause(error)
        finally:
            self._busy = False
        if not self._ending:
            interruption.deliver()

    def interrupted(self, reason: str) -> bool:
        """Drains, with a flight record, and has all of it on the disk if that takes no longer than `LAST_WORD_S`.

        Returns False, and does nothing, when a signal comes while it drains, or on JAX while a step is made: the signal
        is sent again after that.
        """
        if self._busy or not self.recorder.readable:
            return False
        self.drain(reason)
        self._flush()
        return True

    def finish(self, reason: str | None = None) -> None:
        """Drains what is left, closes the file and detaches; with a `reason`, writes a flight record before."""
        self._ending = True
        try:
            self.drain(reason)
            self._replicas.end()
        finally:
            # first: an interruption may come while it is closed
            writer, self._writer = self._writer, None
            try:
                if writer is not None:
                    writer.close()
                    self._log_dir = writer.log_dir
            finally:
                self.recorder.detach()
        self.alerts.end()
        self._ending = False
        self._tell()
        interruption.deliver()  # last: it may end the process

    def _tell(self) -> None:
        self.alerts.tell(self._watched, self._flush)

    def _flush(self) -> None:
        """Has what was written on the disk, if that takes no longer than `LAST_WORD_S`."""
        if self._writer is not None:
            self._writer.flush(LAST_WORD_S)

    def fail(self, error: Exception) -> None:
        """Records no more of this training, and says why."""
        if not self._stopped:
            self._resume_at = math.inf
            self.alerts.warn(f"stopped recording into {self._log_dir}: {error!r}")

    @property
    def _stopped(self) -> bool:
        return self._resume_at == math.inf

    def _pause(self, error: Exception) -> None:
        """Leaves the device alone for a while, and says why the first time."""
        if self._stopped:
            return
        self._resume_at = time.perf_counter() + RESUME_S
        if not self._blamed:
            self._blamed = True
            self.alerts.warn(
                f"could not record into {self._log_dir} and tries again every {RESUME_S:g} s: {error!r}"
            )

    def _adjust(self, now: float) -> None:
        """Chooses the cadence that keeps to the budget, right after a drain."""
        if (
            self._settings.every != "auto"
            or now < self._resume_at
            or now - self._adjusted_s < ADJUST_S
        ):
            return
        if self._replicas.processes > 1:  # all of them must take records at the same steps
            return
        self._adjusted_s = now
        allowed = [x for x in CADENCES if self._densest <= x <= self.recorder.most]
        if allowed:
            every = self.meter.cadence(self._settings.overhead, self.recorder.every, allowed)
            self.recorder.set_every(every)

    def _take(self, drained: Drained, reason: str | None) -> None:
        held = drained.held
        if not self._replicas.is_chief:
            self.meter.count(len(drained.sentinel.steps), len(drained.steps))
            self._replicas.tell(drained)
            self._watched = int(held.steps[-1]) if held.steps.size else self._watched
            return
        if drained.steps.size:
            if self._writer is None:
                self._open()
            self._write(drained)
        if self._writer is None or not held.steps.size:
            return
        bad = self._went_bad(held)
        if bad is not None:
            self._flight = self._write_flight(held, *bad)
        elif reason is not None:
            self._write_flight(held, reason, int(held.steps[-1]))
        self._watched = int(held.steps[-1])
        if self.alerts.is_due(bad is not None, self._ending):
            self._judged = self._judged or self._table()
            if self.alerts.judge(self._judged, self._flight, self._ending):
                self._write_flight(held, "critical finding", int(held.steps[-1]))
        if self._settings.write_summaries:
            self._write_summaries(drained.steps, int(held.steps[-1]))

    def _open(self) -> None:
        table = self._table()
        self._having = {name: self._variables_with(name) for name in table.statistics}
        remote = open_remote if "://" in self._log_dir else None
        self._writer = EventWriter(self._log_dir, table, remote)
        if self._timed:
            self.meter.sentinel_s = self.recorder.sentinel_cost()

    def _write(self, drained: Drained) -> None:
        assert self._writer is not None
        recorder = self.recorder
        self.meter.count(len(drained.sentinel.steps), len(drained.steps))
        layer_stats = self._layer_stats(drained)
        recorded = {
            name: _masked(layer_stats[name], having & recorder.present)
            for name, having in self._having.items()
        }
        step_stats = self._step_stats(drained, layer_stats)
        bad = np.array([drained.sentinel.bad[window].any() for window in drained.windows()])
        turned_bad = bad & ~np.concatenate([[self._recorded_bad], bad[:-1]])
        self._recorded_bad = bool(bad[-1])
        self._writer.write(drained.steps, recorded, step_stats, critical=turned_bad)
        self.alerts.history.add(drained.steps, recorded, step_stats)
        if self._settings.write_summaries:
            sizes = [math.prod(v.shape) for v in recorder.variables]
            self._scalars = scalars.record_scalars(recorded, step_stats, sizes)

    def _write_summaries(self, steps: NDArray[np.int64], last_step: int) -> None:
        """Writes what TensorBoard's own tabs show of the records of `steps`, judged by now, and of what is found."""
        assert self._writer is not None
        findings = self.alerts.standing
        before, self._level = self._level, scalars.level(findings)
        tag = schema.scalar_tag("verdict")
        if len(steps):
            levels = scalars.record_levels(steps, before, findings)
            self._writer.write_scalars(steps, {**self._scalars, tag: levels})
        elif self._level != before:
            self._writer.write_scalars(np.array([last_step]), {tag: np.array([self._level])})
        if self._ending or self.alerts.has_news:
            text = scalars.findings_text(findings, last_step, self._ending)
            self._writer.write_text(last_step, text)

    def _layer_stats(self, drained: Drained) -> dict[str, NDArray[Any]]:
        """Returns statistic → (R, L), of `schema.STATS`."""
        recorder = self.recorder
        shapes = [tuple(v.shape) for v in recorder.variables]
        norms, windows = drained.sentinel.norms, drained.windows()
        peaks = np.stack([window.start + _peak_row(norms[window]) for window in windows])
        return {
            **columns.finished(
                recorder.optimizer,
                recorder.kinds,
                drained.columns,
                shapes,
                drained.records.header("learning_rate"),
                drained.records.t,
            ),
            "nonfinite": drained.nonfinite,
            "gradient_norm": drained.records.norms,
            "gradient_norm_peak": np.take_along_axis(norms, peaks, axis=0),
            "gradient_norm_peak_step": drained.sentinel.steps[peaks],
            **self._replicas.statistics(drained),
        }

    def _step_stats(
        self, drained: Drained, layer_stats: dict[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Returns step statistic → (R,), of `schema.STEP_STATS`."""
        whole = np.linalg.norm(layer_stats["gradient_norm"].astype(np.float64), axis=1)
        clipped = np.linalg.norm(layer_stats["clipped_gradient_norm"], axis=1)
        sentinel, windows = drained.sentinel, drained.windows()
        losses = [sentinel.header("loss")[window] for window in windows]
        restarted = [sentinel.steps[w][sentinel.restarted[w]] for w in windows]
        since = [
            step - steps[-1] if steps.size else np.nan
            for step, steps in zip(drained.steps, restarted, strict=True)
        ]
        skipped = self._skipped(drained)
        return {
            "loss": drained.records.header("loss"),
            "loss_peak": np.array([loss[_peak_row(loss)] for loss in losses]),
            "learning_rate": drained.records.header("learning_rate"),
            "loss_scale": drained.records.header("loss_scale"),
            "skipped_steps": np.array([np.nansum(skipped[window]) for window in windows]),
            "clip_factor": np.divide(clipped, whole, out=np.ones_like(whole), where=whole > 0),
            "restarts": np.array([steps.size for steps in restarted]),
            "since_restart": np.array(since, np.float64),
            "nonfinite_steps": np.array([np.sum(~sentinel.finite[w]) for w in windows]),
            "overhead": np.full(len(drained.steps), self.meter.spent()),
            "thinned": self._overwritten(drained.steps),
        }

    def _overwritten(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns (R,), how many records before each were overwritten before they were drained."""
        if self._settings.every == "auto":
            return np.zeros(len(steps), np.int64)
        every = self.recorder.every
        interval = np.concatenate([[min(self._last_step, steps[0])], steps]) // every
        self._last_step = int(steps[-1])
        return np.maximum(np.diff(interval) - (steps % every == 0), 0)

    def _skipped(self, drained: Drained) -> NDArray[np.float64]:
        """Returns (N,), how many batches loss scaling threw away before each update of `drained.sentinel`."""
        outer, held, sentinel = self.recorder.outer, drained.held, drained.sentinel
        if outer is self.recorder.optimizer:
            return np.zeros(len(sentinel.steps))
        per_update = self.recorder.optimizer.gradient_accumulation_steps or 1
        skipped = held.skipped(
            int(outer.dynamic_growth_steps), per_update, float(outer.initial_scale)
        )
        return skipped[len(skipped) - len(sentinel.steps) :]

    def _went_bad(self, held: Updates) -> tuple[str, int] | None:
        """Returns why and at which update the run went bad, if it did since the last look."""
        bad = held.bad
        (new,) = np.nonzero(bad & (held.steps > self._watched))
        first = new[0] if new.size and self._sound else None
        self._sound = not bad[-FLIGHT_STEPS:].any()  # one stretch of bad updates is one event
        if first is None:
            return None
        reason = "nonfinite loss" if held.finite[first] else "nonfinite gradient"
        return reason, int(held.steps[first])

    def _write_flight(self, held: Updates, reason: str, step: int) -> schema.Flight:
        assert self._writer is not None
        flown = held[int(np.searchsorted(held.steps, step - FLIGHT_STEPS, side="right")) :]
        header = {name: flown.header(name) for name in ("loss", "learning_rate", "loss_scale")}
        code = np.full(len(flown.steps), schema.FLIGHT_REASONS.index(reason), np.float64)
        norms = _masked(flown.norms, self.recorder.present)
        self._writer.write_flight(flown.steps, norms, {**header, "reason": code})
        numbers = {name: x.astype(np.float32) for name, x in header.items()}
        reasons = (reason,) * len(flown.steps)
        return schema.Flight(flown.steps, norms, reasons=reasons, **numbers)

    def _variables_with(self, statistic: str) -> NDArray[np.bool_]:
        """Returns (L,), which of the watched variables have it."""
        (needs,) = (s.needs for s in schema.STATS if s.name == statistic)
        if not needs or needs in self._replicas.has:
            return np.ones(len(self.recorder.kinds), np.bool_)
        return np.array([needs in kind.has for kind in self.recorder.kinds])

    def _table(self) -> schema.LayerTable:
        recorder = self.recorder
        config = {**self._config}
        config["learning_rate"] = self._learning_rate
        if not config.get("use_ema"):
            config.pop("ema_momentum", None)
        if "lazy_rows" in config:
            config["lazy_rows"] = 1
        names = schema.unique_names([v.path for v in recorder.variables])
        return schema.LayerTable(
            version=schema.VERSION,
            layers=[
                schema.Layer(
                    name=name, shape=v.shape, dtype=keras.backend.standardize_dtype(v.dtype)
                )
                for v, name in zip(recorder.variables, names, strict=True)
            ],
            statistics=schema.recorded_statistics(
                self._replicas.has.union(*(kind.has for kind in recorder.kinds))
            ),
            step_statistics=schema.STEP_STATS,
            optimizer=type(recorder.optimizer).__name__,
            hyperparameters={
                name: float(value)
                for name, value in config.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            },
            every=recorder.every,
            planned_step=self.planned_step,
            head=self.head,
        )


def _config(optimizer: Any) -> dict[str, Any]:
    """Returns the optimizer's arguments, empty where one cannot be saved, such as a schedule without `get_config`."""
    with warnings.catch_warnings():  # the numbers are wanted, not what cannot be saved
        warnings.simplefilter("ignore")
        try:
            config: dict[str, Any] = optimizer.get_config()
        except Exception:
            return {}
    return config


def _host(value: Any) -> Any:
    """Returns a number of the optimizer, which under a tf.distribute strategy is one per replica."""
    tensor = keras.ops.convert_to_tensor(value)
    on_tensorflow = keras.backend.backend() == "tensorflow"  # whose tensors NumPy warns of
    return tensor.numpy() if on_tensorflow else keras.ops.convert_to_numpy(tensor)


def _peak_row(values: NDArray[Any]) -> NDArray[np.intp]:
    """Returns the row of the largest entry of each column of `values`; the first NaN counts as the largest."""
    return np.argmax(np.where(np.isnan(values), np.inf, values), axis=0)


def _masked(values: NDArray[Any], present: Any) -> NDArray[np.float32]:
    """Returns `values`, (R, L), in float32, with `NOT_RECORDED` for the variables that are not `present`."""
    with np.errstate(over="ignore"):
        result = np.array(values, np.float32)
    result[:, ~present] = schema.NOT_RECORDED
    return result
