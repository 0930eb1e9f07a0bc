"""`HealthWriter`, for training code without Keras: it writes what the code itself measured of its layers.

It measures nothing, knows no framework, and needs NumPy alone beside what `writer` needs.
"""

import atexit
import difflib
import operator
import os
from collections.abc import Iterable, Mapping
from itertools import islice, takewhile
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import schema
from adamax_tb.assembly import Assembly
from adamax_tb.eventfile import EventFile
from adamax_tb.logdir import event_files
from adamax_tb.settings import Settings, path_of
from adamax_tb.thinning import hand_on
from adamax_tb.writer import EventWriter

#: What every table has: without these there is no diagnosis, not even of the loss.
NEEDED = ("gradient_norm", "gradient_norm_peak", "gradient_norm_peak_step", "nonfinite")
#: A file's first record is among so many events: a flight record may come before it.
FIRST_EVENTS = 256

_LAYER_STATISTICS = frozenset(statistic.name for statistic in schema.STATS)
_Values = dict[str, NDArray[np.float32]]


class HealthWriter:
    """Records what a training loop without Keras measured, for TensorBoard's "Optimizer health" tab.

    The same tags, panel and rules as `OptimizerHealth`: `adamax-tb check` and `adamax_tb.read_runs` read what it wrote.
    AdaMax written out in NumPy, for a linear model `x @ w`:

        w, m, u = np.zeros((3, x.shape[1]))
        with adamax_tb.HealthWriter("runs/numpy", {"w": w.shape}, optimizer="AdaMax") as health:
            for t in range(1, 501):
                error = x @ w - y
                g = 2 * error @ x / len(y)
                m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
                update = 0.01 / (1 - 0.9**t) * m / (u + 1e-7)
                w = w - update
                if t == 1 or t % 10 == 0:
                    size = np.linalg.norm(w)
                    layer = {"gradient_norm": [np.linalg.norm(g)], "weight_norm": [size]}
                    layer |= {"update_ratio": [np.linalg.norm(update) / size], "u_mean": [u.mean()]}
                    health.write(t, {"loss": np.mean(error**2), "learning_rate": 0.01, **layer})

    `docs/guide/pytorch.md` has a loop in PyTorch. The rules need `gradient_norm`; with `weight_norm` and
    `update_ratio` they tell steps that are too large from those that are too small. A record is on the disk five
    seconds after `write` at the latest, and when `close` returns. Where the disk fails or is too slow, training goes
    on, with a warning.

    Args:
        log_dir: Directory of this run, such as `"runs/first"`; made if missing. A directory that already holds a run is
            continued: a step recorded again replaces what followed it.
        layers: The L layers in model order, each a trainable variable, named by its path, such as
            `"block_2/dense/kernel"`: what stands before the last slash is a group in the panel. A mapping name → shape,
            with units last as Keras has it, (inputs, units), or names alone; rules that compare sizes per weight, such
            as `vanishing-gradient`, need the shapes.
        optimizer: Its class name, for the panel and in remedies; "optimizer" without one.
        hyperparameters: Numbers such as `{"learning_rate": 0.001, "beta_2": 0.999}`. Rules know them by the names that
            Keras gives them.
        planned_step: The last step as the training is planned; findings of a training that has just begun then wait.

    Raises:
        ValueError: an argument is not what it must be, `log_dir` cannot be written, or holds a run of a newer format.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        layers: Mapping[str, Iterable[int]] | Iterable[str],
        optimizer: str = "",
        hyperparameters: Mapping[str, float] | None = None,
        planned_step: int | None = None,
    ) -> None:
        self._log_dir = path_of(log_dir)
        if "://" in self._log_dir:
            raise ValueError(
                "Argument `log_dir` must be a directory of this machine; copy it from there afterwards. Received: "
                f"log_dir={log_dir!r}"
            )
        if not isinstance(optimizer, str):
            raise ValueError(
                "Argument `optimizer` must be the optimizer's class name, such as "
                f"type(optimizer).__name__. Received: optimizer={optimizer!r}"
            )
        self._table = schema.LayerTable(
            version=schema.VERSION,
            layers=_layers(layers),
            statistics=NEEDED,
            step_statistics=schema.STEP_STATS,
            optimizer=optimizer or "optimizer",  # remedies name it
            hyperparameters=_hyperparameters(hyperparameters or {}),
            planned_step=0 if planned_step is None else _whole("planned_step", planned_step),
        )
        Settings(self._log_dir, every=1, overhead=0.5, variables=None)  # checks the directory
        self._before = _recorded_before(self._log_dir)
        self._writer: EventWriter | None = None
        self._closed = self._bad = False
        self._step = 0  # the last one written
        self._watched_step = 0
        self._watched: _Values = {}  # the peaks since the last record

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Records what was measured at one step, and returns at once.

        Args:
            step: optimizer updates made so far, this one included: from 1, larger than that of the record before.
            values: name → value. Of `schema.STATS` (L,) numbers each, one per layer in the order of `layers`: anything
                that `np.asarray` takes, such as a list, an array or a PyTorch tensor on the CPU. NaN and infinity are
                recorded as they are, beyond float32's range is infinity; None is for a layer that has no such value.
                Of `schema.STEP_STATS`, such as `loss` and `learning_rate`, one number each. What is left out was not
                recorded at this step, but for three that `gradient_norm` tells: `gradient_norm_peak` and its step are
                this record's, or those of a `watch` since the last one, and `nonfinite` is 0 where the norm is finite.

        Raises:
            ValueError: there is no such statistic, a value has another shape or holds no numbers, the step is not
                larger, or the writer is closed. Nothing is recorded then, and what was written before stays.
        """
        at = self._following(step)
        layer_stats, numbers = self._checked(values)
        if "loss" in numbers:
            numbers.setdefault("loss_peak", numbers["loss"].copy())
        record = _completed(at, layer_stats) | numbers
        _keep_peaks(self._watched, record)
        self._step, self._watched = at, {}
        self._put(at, record)

    def watch(self, step: int, gradient_norm: Any, loss: Any = None) -> None:
        """Takes note of a step between two records, so that no spike falls between them.

        The largest gradient norm of each layer and the largest loss of all steps since the last record, and the step at
        which the norm came, are in the next one, in `gradient_norm_peak`, `gradient_norm_peak_step` and `loss_peak`;
        NaN counts as the largest. Nothing is written for a step by itself.

        Args:
            step: as `write` has it; it may come before `write` at the same step.
            gradient_norm: (L,) numbers, as `write` has them.
            loss: one number, or None where it is not known.

        Raises:
            ValueError: as `write` has it.
        """
        at = self._following(step)
        given = {"gradient_norm": gradient_norm} | ({} if loss is None else {"loss": loss})
        layer_stats, numbers = self._checked(given)
        peaks = {"gradient_norm_peak": layer_stats["gradient_norm"]}
        peaks["gradient_norm_peak_step"] = _where_recorded(peaks["gradient_norm_peak"], at)
        if numbers:
            peaks["loss_peak"] = numbers["loss"]
        _keep_peaks(self._watched, peaks)
        self._watched, self._watched_step = peaks, at

    def flush(self) -> None:
        """Returns when everything written so far is on the disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Writes what is left and closes the file; the end of the process does so, too."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            atexit.unregister(self.close)

    def __enter__(self) -> "HealthWriter":
        """Returns itself, to be closed at the end of the `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def _following(self, step: Any) -> int:
        """Returns `step` if it is open to be recorded."""
        if self._closed:
            raise ValueError(
                f"This HealthWriter is closed. Another HealthWriter({self._log_dir!r}, layers) continues the run."
            )
        at = _whole("step", step)
        last = max(self._step + 1, self._watched_step)
        if at < last:
            raise ValueError(
                f"Argument `step` must be at least {last}, as step {max(self._step, self._watched_step)} came before. "
                "To go on from an earlier step, as after loading a checkpoint, make another HealthWriter. Received: "
                f"step={at}"
            )
        return at

    def _checked(self, values: Mapping[str, Any]) -> tuple[_Values, _Values]:
        """Returns what is of layers, (L,) each, and what is of the step, (1,) each; copies."""
        if not isinstance(values, Mapping):
            raise ValueError(
                'Argument `values` must be a mapping from names of statistics, such as {"loss": 0.5, "gradient_norm": '
                f"norms}}. Received: {type(values).__name__}"
            )
        layers: _Values = {}
        numbers: _Values = {}
        for name, value in values.items():
            if name in _LAYER_STATISTICS:
                layers[name] = _floats(name, value, (len(self._table.layers),))
            elif name in schema.STEP_STATS:
                numbers[name] = _floats(name, value, ()).reshape(1)
            else:
                raise ValueError(_unknown(name))
        return layers, numbers

    def _put(self, step: int, record: _Values) -> None:
        """Hands a record to the writer; the first one, and one with a new statistic, opens a file."""
        own = [name for name in record if name in _LAYER_STATISTICS]
        writer = self._writer_of(step, own)
        unknown = np.full(len(self._table.layers), schema.NOT_RECORDED)
        layers = {name: record.get(name, unknown)[np.newaxis] for name in self._table.statistics}
        numbers = {name: record[name] for name in schema.STEP_STATS if name in record}
        bad = _is_bad(record)
        writer.write(np.array([step]), layers, numbers, critical=bad and not self._bad)
        self._bad = bad

    def _writer_of(self, step: int, names: Iterable[str]) -> EventWriter:
        """Returns the writer of a file whose table has these statistics.

        A table cannot grow within a file. Readers take the columns of the run's last table, so it has all there were;
        from step 1 on a run begins anew.
        """
        has = set(self._table.statistics)
        if self._writer is None and step > 1:
            has |= set(self._before)
        if self._writer is not None and has.issuperset(names):
            return self._writer
        log_dir = self._log_dir
        if self._writer is None:
            atexit.register(self.close)
        else:
            self._writer.close()
            log_dir = self._writer.log_dir
        has |= set(names)
        self._table.statistics[:] = [s.name for s in schema.STATS if s.name in has]
        table = schema.LayerTable()
        table.CopyFrom(self._table)  # it is written later, by a thread
        self._writer = EventWriter(log_dir, table)
        return self._writer


def _layers(layers: Any) -> list[schema.Layer]:
    """Returns the layers of the table."""
    shapes = layers if isinstance(layers, Mapping) else None
    names = () if isinstance(layers, (str, bytes)) else layers
    try:
        names = list(names)
    except TypeError:
        names = []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(
            "Argument `layers` must hold the names of the layers, or map them to shapes, such as "
            '{"dense/kernel": (64, 10), "dense/bias": (10,)}; of a PyTorch model {name: p.shape for name, p in '
            f"model.named_parameters()}}. Received: layers={layers!r:.200}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Argument `layers`: each layer needs a name of its own. More than once: {', '.join(twice)}"
        )
    return [
        schema.Layer(name=name, shape=_shape(name, shapes[name] if shapes else ()))
        for name in names
    ]


def _shape(name: str, shape: Any) -> list[int]:
    try:
        sizes = [operator.index(size) for size in shape]
    except TypeError:
        sizes = [-1]
    if min(sizes, default=0) < 0:
        raise ValueError(
            f"Argument `layers`: the shape of {name!r} must be whole numbers, such as (64, 10). Received: "
            f"{shape!r:.200}"
        )
    return sizes


def _hyperparameters(hyperparameters: Any) -> dict[str, float]:
    try:
        return {str(name): float(value) for name, value in dict(hyperparameters).items()}
    except (TypeError, ValueError) as error:
        raise ValueError(
            'Argument `hyperparameters` must map names to numbers, such as {"learning_rate": 0.001}; leave out what is '
            f"none. Received: hyperparameters={hyperparameters!r:.200} ({error})"
        ) from error


def _whole(argument: str, value: Any) -> int:
    """Returns a step as an int."""
    try:
        number = 0 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number < 2**63:
        raise ValueError(
            f"Argument `{argument}` must be a whole number from 1: optimizer updates are counted from 1. Received: "
            f"{argument}={value!r}"
        )
    return number


def _floats(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Returns a copy of `value` in float32, `NOT_RECORDED` where it is None."""
    try:
        array = np.asarray(value)
        if array.dtype == object:
            entries = [schema.NOT_RECORDED if x is None else float(x) for x in array.flat]
            array = np.array(entries, np.float32).reshape(array.shape)
        if not np.can_cast(array.dtype, np.float32, "same_kind"):
            raise TypeError(f"it holds {array.dtype}")
    except Exception as error:  # whatever a foreign array raises
        raise ValueError(
            f"Argument `values`: {name!r} must be numbers that NumPy can read; of a PyTorch tensor give "
            f"tensor.detach().float().cpu(). Received: {type(value).__name__} ({error})"
        ) from error
    if array.shape != shape:
        wanted = (
            f"one number for each of the {shape[0]} layers, shape {shape}"
            if shape
            else "one number"
        )
        raise ValueError(
            f"Argument `values`: {name!r} must be {wanted}. Received: shape {array.shape}"
        )
    with np.errstate(all="ignore"):  # beyond float32 is infinity
        return array.astype("<f4")


def _unknown(name: Any) -> str:
    """Returns what to say of a statistic that does not exist."""
    names = [*(s.name for s in schema.STATS), *schema.STEP_STATS]
    close = difflib.get_close_matches(str(name), names)
    meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"Argument `values`: there is no statistic {name!r}.{meant} adamax_tb.schema.STATS lists those of a layer, "
        "adamax_tb.schema.STEP_STATS those of a step."
    )


def _completed(step: int, layer_stats: _Values) -> _Values:
    """Returns the statistics of layers with those that `gradient_norm` tells."""
    if "gradient_norm" not in layer_stats:
        return layer_stats
    norms = layer_stats["gradient_norm"]
    told = {"nonfinite": np.where(np.isfinite(norms), np.float32(0), schema.NOT_RECORDED)}
    if "gradient_norm_peak" not in layer_stats:
        told["gradient_norm_peak"] = norms.copy()
        told["gradient_norm_peak_step"] = _where_recorded(norms, step)
    return told | layer_stats


def _keep_peaks(watched: _Values, later: _Values) -> None:
    """Puts the peaks of the steps `watched` into `later`, where that has none or smaller ones."""
    for name in watched.keys() - later.keys():
        later[name] = np.full_like(watched[name], schema.NOT_RECORDED)
    hand_on(watched, later, 0)


def _where_recorded(norms: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Returns (L,), the step at which these norms came, `NOT_RECORDED` where they are."""
    return np.where(schema.recorded(norms), np.float32(step), schema.NOT_RECORDED)


def _is_bad(record: _Values) -> bool:
    """Tells whether a gradient or the loss is known not to be finite."""
    looked_at = (record[name] for name in ("gradient_norm_peak", "loss_peak") if name in record)
    return any(bool((~np.isfinite(x) & schema.recorded(x)).any()) for x in looked_at)


def _recorded_before(log_dir: str) -> tuple[str, ...]:
    """Returns the statistics of the run that a directory holds, as its last file has them; () without a run.

    Raises:
        ValueError: the run cannot be continued.
    """
    if not os.path.isdir(log_dir):
        return ()
    own = takewhile(lambda file: file.run == ".", event_files(log_dir))
    for found in sorted(own, key=lambda file: file.name, reverse=True):
        assembly = Assembly()
        try:
            file = EventFile(found.name, found.open)
            for event in islice(file.events(found.size_bytes), FIRST_EVENTS):
                assembly.add(event)
                if run := assembly.run("."):
                    return run.statistics
        except OSError:
            continue
        except ValueError as error:
            raise ValueError(
                f"Argument `log_dir`: {log_dir!r} holds a run that cannot be continued. {error}"
            ) from error
    return ()
