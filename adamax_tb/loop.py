"""`record`, for training loops that are not `fit`.

A thread of its own looks at the device now and then, since no callback says when an update was made.
"""

import os
import threading
import warnings
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any

import keras

from adamax_tb import interruption
from adamax_tb.recording import Recording
from adamax_tb.rules import Finding
from adamax_tb.settings import Settings, path_of, rule_names

LOOK_S = 0.02
#: So many updates may pass between two looks without a record being lost; records that are, are counted as thinned.
UPDATES_PER_LOOK = 200


def require_tensorflow(what: str) -> None:
    """Raises a ValueError that says `what` needs it if Keras does not run on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{what} needs Keras on TensorFlow; it runs on {keras.backend.backend()}. Set the environment variable "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )


class record:
    """Records an optimizer while a loop of your own applies gradients with it.

        with adamax_tb.record(optimizer, "runs/first") as recording:
            for x, y in data:
                train_step(x, y)

    where `train_step` calls `optimizer.apply_gradients` or `optimizer.apply`, eagerly or in a `tf.function`. A
    `tf.function` must be traced inside the `with` block: what was traced before does not know that it is watched.
    Afterwards it goes on as before, and may be left traced: the statistics are then computed and kept by nobody.

    Findings are told while the loop runs, as `OptimizerHealth` tells them. No loop can be ended from outside: with
    `stop_on`, ask in it:

            for x, y in data:
                train_step(x, y)
                if recording.should_stop:
                    break

    The loss is known only where the optimizer sees it: call `loss = recording.loss(loss)` in the step before the
    gradients are applied, or `optimizer.scale_loss(loss)`, as for mixed precision.

    Of several processes that train together each must record; the first one writes and tells.

    Args:
        optimizer: A Keras optimizer; or a compiled model, whose `optimizer` is meant and whose `train_on_batch` is then
            traced anew.
        log_dir: As `OptimizerHealth` has it.
        every: A whole number, as `OptimizerHealth` has it: here no step is timed.
        variables: As `OptimizerHealth` has it.
        on_finding: As `OptimizerHealth` has it; called by another thread than the loop's. What is no Exception, such as
            SystemExit, makes `should_stop` true and is raised at the end of the `with` block; give it to each of
            several processes, so that all end.
        stop_on: As `OptimizerHealth` has it, but that it makes `should_stop` true.
        write_summaries: As `OptimizerHealth` has it.

    Raises:
        ValueError: an argument is not what it must be, or Keras does not run on TensorFlow.
    """

    def __init__(
        self,
        optimizer: Any,
        log_dir: str | os.PathLike[str],
        every: Any = 10,
        variables: str | None = None,
        on_finding: Callable[[Finding], Any] | None = None,
        stop_on: str | Collection[str] | None = None,
        write_summaries: bool = False,
    ) -> None:
        require_tensorflow("`adamax_tb.record`")
        self._model = optimizer if isinstance(optimizer, keras.Model) else None
        if self._model is not None:
            optimizer = getattr(optimizer, "optimizer", None)
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError(
                "Argument `optimizer` must be a Keras optimizer or a compiled model. Received: "
                f"optimizer={optimizer!r}"
            )
        if every == "auto":
            raise ValueError(
                'Argument `every` must be a whole number: only in `fit` steps are timed, which "auto" needs. Received: '
                f"every={every!r}"
            )
        settings = Settings(
            path_of(log_dir),
            every,
            0.5,
            variables,
            on_finding,
            rule_names(stop_on),
            write_summaries,
        )
        self._recording = Recording(optimizer, settings, UPDATES_PER_LOOK, timed=False)
        self._done = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None
        self._start = 0
        self._raised: BaseException | None = None  # by the user's function, in the thread

    @property
    def should_stop(self) -> bool:
        """Whether a finding of `stop_on` has been told: the flight record is written, and the loop is to end.

        Of several processes each must ask after the same updates, such as all: it is true in all of them together.
        """
        return self._recording.ends(lambda: self._recording.iterations, self._raised is not None)

    def loss(self, loss: Any) -> Any:
        """Takes down the () loss of the update that comes next, and returns it."""
        self._recording.recorder.take_loss(loss)
        return loss

    def __enter__(self) -> "record":
        """Starts watching."""
        if self._thread is not None:
            raise RuntimeError("This `record` is used up: make another one for another `with`.")
        self._recording.start()
        if self._model is not None:
            self._model.train_function = None
        self._start = self._recording.begin()
        interruption.listen(self._interrupted)
        self._thread = threading.Thread(target=self._look, name="adamax-tb loop", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Writes what is left and leaves the optimizer as it was."""
        interruption.leave(self._interrupted)
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        reason = None if kind is None else interruption.reason_of(kind)
        with self._turn:
            made = self._start
            try:
                made = self._recording.iterations
            except Exception as failure:  # as in `_look`
                self._recording.fail(failure)
            try:
                self._recording.finish(reason)
            except Exception as failure:
                self._recording.fail(failure)
        if self._raised is not None and error is None:
            raise self._raised
        if self._model is not None:
            self._model.train_function = None
        if made > self._start and self._recording.recorder.buffer is None:
            warnings.warn(
                "adamax_tb.record saw none of the updates that were made: the tf.function that makes them was traced "
                "before the `with` block. Call it for the first time inside the block.",
                stacklevel=2,
            )

    def _look(self) -> None:
        while not self._done.wait(LOOK_S):
            with self._turn:
                if self._recording.recorder.buffer is not None:
                    try:
                        self._recording.look(self._recording.iterations)
                    except Exception as error:  # being watched must never harm a training run
                        self._recording.fail(error)
                    except BaseException as error:  # of the user's function: it ends the loop
                        self._raised = error
                        return

    def _interrupted(self, reason: str) -> bool:
        if self._turn.acquire(timeout=5):  # a look under way ends soon
            try:
                self._recording.interrupted(reason)
            finally:
                self._turn.release()
        return True
