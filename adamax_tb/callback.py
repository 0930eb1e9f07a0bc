"""`OptimizerHealth`, the Keras callback that records an optimizer's health while a model trains.

It owns the timing inside `fit`; a `Recording` does the work. A fault of its own leaves training going.
"""

import atexit
import contextlib
import functools
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Collection
from typing import Any

import keras

from adamax_tb import interruption, replicas
from adamax_tb.head import head_of
from adamax_tb.recording import Recording
from adamax_tb.rules import Finding
from adamax_tb.settings import Settings, path_of, rule_names

END_OF_DATA: tuple[type[BaseException], ...] = (StopIteration,)
ON_JAX = keras.backend.backend() == "jax"
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    END_OF_DATA = (StopIteration, tf.errors.OutOfRangeError)

#: On a GPU, and on JAX, a step returns before it is done: to time one, the host must wait for it. It does so for the
#: first records of a training and then for every so many.
PROBED_FIRST = 8
PROBED_EVERY = 16


#: Callbacks whose fit has begun and not ended, as far as they know.
_under_way: "weakref.WeakSet[OptimizerHealth]" = weakref.WeakSet()


def _harmless(method: Callable[..., None]) -> Callable[..., None]:
    """Returns a method of the callback after whose fault training goes on, unwatched."""

    @functools.wraps(method)
    def call(self: "OptimizerHealth", *arguments: Any, **named: Any) -> None:
        try:
            method(self, *arguments, **named)
        except Exception as error:  # being watched must never harm a training run
            self._recording.fail(error)

    return call


class OptimizerHealth(keras.callbacks.Callback):
    """Records, per layer and step, what the optimizer does, for TensorBoard's "Optimizer health" tab.

        model.fit(x, y, callbacks=[adamax_tb.OptimizerHealth("runs/first")])

    then `tensorboard --logdir runs`. It works with the optimizer that the model was compiled with, of any class, in a
    LossScaleOptimizer or not: gradients and weights of any, and of Keras's own what their state says (AdaMax:
    m, u, step sizes, updates; SGD: momentum and updates; Ftrl: the accumulator). The weights come out the same as
    without it. `schema.STATS` says what is recorded.

    The last 128 updates are kept on the device. They are written out, every single one, when a gradient or the loss
    turns NaN or infinite, when a rule finds something critical, when the training step raises, and on Ctrl-C or
    SIGTERM.

    While the model trains, the run is judged as its records come, within a hundredth of the time, and once more at its
    end. A finding that is critical or a warning and has held for a while (a NaN: at once), or holds when training
    ends, is told once, in one paragraph: a warning of the logger "adamax_tb". It goes to standard error, below the
    progress bar, unless logging is set up otherwise; `logging.getLogger("adamax_tb").setLevel("ERROR")` silences it.
    Records reach the host every half second or 16 at a time: a NaN is told at the next record, or up to half a second
    after it.

    Of several processes that train together the first one writes and tells; with `stop_on` all end at the same update,
    a little later; `every="auto"` keeps to 10.

    It records in `fit` on any backend of Keras that trains.

    Args:
        log_dir: Directory of this run, such as `"runs/first"`; made if missing. A directory that already holds a run
            is continued: a step recorded again replaces what followed it.
        every: A full record is taken at update 1 and at every update divisible by this. Between records the gradient
            norm of each layer is watched at every update, so that no spike is lost, and the first update whose
            gradient is not finite is recorded in full. `"auto"`: as often as `overhead` allows, 1 to 1,000; it starts
            with 10.
        overhead: With `every="auto"`, the part of the training time that recording may take; where watching alone takes
            more, the records are as few as can be. What recording takes, watching every update included, is measured
            and in the record for any `every` that leaves steps without a record to compare with.
        variables: A regular expression; only variables whose path holds it somewhere are watched, such as
            `r"/kernel$"`. By default all trainable ones. Norms over all layers, such as the clip factor, are then over
            these.
        optimizer: The optimizer to watch, if it is not `model.optimizer`: of a model that trains with two, give each a
            callback and a `log_dir` of its own.
        on_finding: A function that is called with each `adamax_tb.Finding` that is told, in order. If it raises an
            Exception, a warning says so once and training goes on.
        stop_on: Names of rules, such as `("nonfinite", "exploding-gradient")`, or one. When a finding of one of these,
            or one that led to one of these, is told, the flight record is written and `model.stop_training` is set:
            training ends after this batch, and `fit` returns. As with any callback that stops a `fit`, the validation
            of the epoch still runs. Another `fit` with this callback ends again if the finding holds then.
        write_summaries: Whether to write for TensorBoard's own tabs, too: for Time Series and Scalars, at every record,
            `optimizer/gradient_norm`, `optimizer/update_ratio`, `optimizer/learning_rate`, `optimizer/loss` and
            `optimizer/verdict` (0, 1 for a warning, 2 for critical), and for Text `optimizer/findings`, whenever
            something is told and when training ends.

    Raises:
        ValueError: an argument is not what it must be, or `log_dir` cannot be written; when `fit` starts: the model is
            not compiled.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        every: int | str = 10,
        overhead: float = 0.02,
        variables: str | None = None,
        optimizer: Any = None,
        on_finding: Callable[[Finding], Any] | None = None,
        stop_on: str | Collection[str] | None = None,
        write_summaries: bool = False,
    ) -> None:
        super().__init__()
        replicas.warn_of_fit()
        self.async_safe = ON_JAX  # there nothing of ours waits for a batch's logs
        self._settings = Settings(
            path_of(log_dir),
            every,
            overhead,
            variables,
            on_finding,
            rule_names(stop_on),
            write_summaries,
        )
        self._optimizer = optimizer
        self._recording: Any = None
        self._recorded: Any = None  # of what: to continue only with the same
        self._training = False
        self._thread = 0
        self._start = self._batches = self._update = 0
        self._last_batch = -1
        self._probes = 0
        self._waits = self._bar_drawn = False
        self._train_function: Any = None
        self._began = 0.0

    def set_model(self, model: Any) -> None:
        """Starts watching the optimizer of `model`; `fit` calls this before it traces its training step."""
        super().set_model(model)
        for other in [*_under_way]:
            if other._is_left_by(self):
                other._finish("exception")  # its fit was interrupted
        if self._recording is not None:
            self._recording.recorder.detach()
        optimizer = self._optimizer or getattr(model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "OptimizerHealth needs a compiled model: call `model.compile(optimizer=..., loss=...)` before `fit`."
            )
        if ON_JAX:
            self._check_watchable(model, optimizer)
        recorded = (optimizer, model.steps_per_execution)
        if self._recorded != recorded:  # else it still knows the updates after the last record
            self._recording = Recording(
                optimizer, self._settings, model.steps_per_execution, end_line=self._end_line
            )
            self._recorded = recorded
        if ON_JAX:
            self._recording.recorder.model = model
        self._recording.start()
        model.train_function = None  # an earlier fit traced it without us

    def _is_left_by(self, other: "OptimizerHealth") -> bool:
        """Tells whether its fit has ended without a word, as `other` begins one: itself, or where it writes."""
        here = self._thread == threading.get_ident()
        return self is other or (here and self._settings.log_dir == other._settings.log_dir)

    def _check_watchable(self, model: Any, optimizer: Any) -> None:
        if optimizer is not getattr(model, "optimizer", None):
            raise ValueError(
                "Argument `optimizer` must be the one that the model was compiled with: on JAX `fit` keeps no other's "
                f"state. Received: optimizer={optimizer!r}"
            )

    def on_test_begin(self, logs: Any = None) -> None:
        """Stops watching when the callback was given to `evaluate`, not to `fit`."""
        if not self._training:
            self._recording.recorder.detach()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Stops watching when the callback was given to `predict`, not to `fit`."""
        if not self._training:
            self._recording.recorder.detach()

    @_harmless
    def on_train_begin(self, logs: Any = None) -> None:
        """Reads where the optimizer stands."""
        self._training, self._bar_drawn = True, False
        self._thread = threading.get_ident()
        _under_way.add(self)
        self._batches = self._probes = 0
        self._start = self._update = self._recording.begin()
        self._recording.planned_step = 0
        with contextlib.suppress(Exception):  # of the user's own classes; a rule then knows less
            self._recording.head = head_of(self.model)
        self._waits = self._recording.recorder.is_ahead
        self.model.train_function = self._guarded(self.model.train_function)
        interruption.listen(self._recording.interrupted)
        atexit.register(self._at_exit)  # a fit that is interrupted never gets to on_train_end

    @_harmless
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Counts batches anew; in the first epoch, those that are planned."""
        self._last_batch = -1
        batches = self.params.get("steps")
        if not self._batches and batches:
            accumulated = self._recording.recorder.optimizer.gradient_accumulation_steps or 1
            planned = batches * (self.params["epochs"] - epoch) // accumulated
            self._recording.planned_step = self._start + planned

    @_harmless
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Starts the watch."""
        if not ON_JAX:
            self._begin_call()

    @_harmless
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the records of the batches since the last call, if there are any."""
        if not ON_JAX:
            self._count(batch)
            self._end_call()

    def _count(self, batch: int) -> None:
        """Counts the batches up to number `batch` of the epoch, or to its last: a call may find fewer than it takes."""
        planned = self.params.get("steps")
        batch = min(batch, planned - 1) if planned else batch
        self._batches += batch - self._last_batch
        self._last_batch = batch

    def _begin_call(self) -> None:
        if self._waits and self._probed():
            _ = self._recording.iterations
        self._began = time.perf_counter()

    def _end_call(self) -> None:
        if not self._waits:
            ended = time.perf_counter()
        elif self._probed():
            _ = self._recording.iterations
            ended = time.perf_counter()
        else:
            ended = 0.0
        recording = self._recording
        accumulated = recording.recorder.optimizer.gradient_accumulation_steps or 1
        update = self._start + self._batches // accumulated
        every = recording.every
        records = update // every - self._update // every
        if ended:
            recording.meter.step(ended - self._began, update - self._update, records)
        self._probes += records
        self._update = update
        fault = None
        try:
            recording.look(update)
        except Exception as error:
            fault = error
        if recording.ends(lambda: update):  # all processes ask after each update, whatever happens
            self._model.stop_training = True
        if fault is not None:
            raise fault
        self._bar_drawn = True  # Keras's progress bar comes after us

    @_harmless
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes that the progress bar ends its line, and on JAX that the variables have their values again."""
        self._bar_drawn = False
        if ON_JAX and self._training:
            self._recording.recorder.state = None

    @_harmless
    def on_train_end(self, logs: Any = None) -> None:
        """Writes what is left, closes the file and leaves the optimizer as it was."""
        self.model.train_function = None
        try:
            self._warn_of_missing_updates()
        finally:
            self._finish()

    def _warn_of_missing_updates(self) -> None:
        """Says so when most batches made no update: what is not there cannot be seen in the record."""
        recorder = self._recording.recorder
        expected = self._batches // (recorder.optimizer.gradient_accumulation_steps or 1)
        made = self._recording.iterations - self._start
        if made * 2 >= expected or not self.model.trainable_variables:
            return
        if recorder.outer is not recorder.optimizer:
            why = (
                "Loss scaling threw these batches away, as their gradients are not finite in float16: look for what "
                "overflows there, or train in bfloat16."
            )
        else:
            why = (
                f"This model was compiled with {type(recorder.optimizer).__name__}; if it trains with another "
                "optimizer, give that one to OptimizerHealth as `optimizer`."
            )
        warnings.warn(
            f"{expected - made} of {expected} updates that OptimizerHealth expected for {self._settings.log_dir} were "
            f"not made. {why}",
            stacklevel=2,
        )

    def _end_line(self) -> None:
        """Ends the progress bar's line, if it is drawn; the bar then goes on in a line of its own."""
        shown = self.params and self.params.get("verbose") in (1, "auto")
        if self._bar_drawn and shown and keras.config.is_interactive_logging_enabled():
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._bar_drawn = False

    def _probed(self) -> bool:
        """Tells whether the host waits for this batch: one with a record, or the one before."""
        ahead = -self._update % self._recording.every
        wanted = self._probes < PROBED_FIRST or self._probes % PROBED_EVERY == 0
        return wanted and ahead <= 2 * self._model.steps_per_execution

    def _guarded(self, train_function: Any) -> Any:
        """Returns `train_function`; when it raises, what happened before is written out first."""

        def guarded(*arguments: Any) -> Any:
            try:
                return (self._on_jax if ON_JAX else train_function)(*arguments)
            except END_OF_DATA:
                raise
            except BaseException as error:
                self._finish(interruption.reason_of(type(error)))
                self.model.train_function = None
                raise

        self._train_function = train_function
        return guarded

    def _on_jax(self, state: Any, iterator: Any) -> Any:
        """Calls the training function where it takes the state and gives it back: between two calls it can be read.

        `self.model` would put the state into the variables, every time.
        """
        recorder = self._recording.recorder
        try:
            recorder.state = state[2]
            self._begin_call()
        except Exception as error:  # being watched must never harm a training run
            self._recording.fail(error)
        logs, state = self._train_function(state, iterator)
        try:
            recorder.state = state[2]
            # as `fit` does next: a signal that was kept waiting may end it here
            names = [
                f"{n}_variables" for n in ("trainable", "non_trainable", "optimizer", "metrics")
            ]
            self._model._jax_state = dict(zip(names, state, strict=True))
            self._count(self._last_batch + self._model.steps_per_execution)
            self._end_call()
        except Exception as error:  # as above
            self._recording.fail(error)
        interruption.deliver()
        return logs, state

    def _at_exit(self) -> None:
        reason = interruption.reason_of(getattr(sys, "last_type", None) or Exception)
        self._finish(None if reason == "interrupt" else reason)  # the signal had its flight record

    @_harmless
    def _finish(self, reason: str | None = None) -> None:
        if not self._training:
            return
        self._training = False
        _under_way.discard(self)
        atexit.unregister(self._at_exit)
        interruption.leave(self._recording.interrupted)
        if ON_JAX:  # the optimizer's variables have their values again
            with contextlib.suppress(Exception):  # a step that failed took them
                self.model.jax_state_sync()
            self._recording.recorder.state = None
        self._recording.finish(reason)
