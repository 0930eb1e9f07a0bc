"""What is recorded: the statistics, their tags, and `Run`, the record of one training run.

The only description of it: no other module spells a tag, the plugin's name or a statistic's position. Reads and
writes no file.
"""

import dataclasses
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema_pb2 import Layer, LayerTable

__all__ = ["Layer", "LayerTable", "Run", "Statistic", "STATS", "STEP_STATS"]

PLUGIN_NAME = "optimizer_health"
VERSION = 1

#: The value of an entry that was not recorded: a NaN whose payload no computation yields.
NOT_RECORDED = np.uint32(0x7FFFFFFF).view(np.float32)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number per trainable variable and recorded step.

    `needs` says what an optimizer must have for it: "" (nothing: any has it) or one of `NEEDS`.
    """

    name: str
    label: str
    unit: str
    scale: str
    needs: str
    description: str


#: What optimizers have or have not, and statistics may need.
NEEDS: tuple[str, ...] = (
    "m",  # a decayed mean of gradients: Adam's, AdaMax's or Lion's first moment
    "u",  # AdaMax's infinity norm
    "v",  # a decayed mean of squared gradients: Adam's or RMSprop's second moment
    "accumulator",  # a sum of squared gradients: Adagrad's or Ftrl's
    "momentum",  # a buffer of earlier steps or gradients: SGD's, RMSprop's or Muon's
    "update",  # an update that follows from gradient, weight and state
    "step size",  # a denominator of its own for each entry
    "saturation",  # a bound on an entry's update that is reached when all its gradients agree
    "memory",  # a state that fades when the gradient stays 0
)

_GRADIENT = "loss per weight"

STATS: tuple[Statistic, ...] = (
    Statistic(
        "gradient_norm",
        "Gradient norm",
        _GRADIENT,
        "log",
        "",
        "L2 norm of the gradient, after loss unscaling and accumulation, before clipping.",
    ),
    Statistic(
        "gradient_norm_peak",
        "Gradient norm, peak since last record",
        _GRADIENT,
        "log",
        "",
        "Largest gradient norm of all steps since the previous record: no spike is lost between two records.",
    ),
    Statistic(
        "gradient_norm_peak_step",
        "Step of the peak",
        "step",
        "linear",
        "",
        "The step at which the largest gradient norm since the previous record came.",
    ),
    Statistic(
        "clipped_gradient_norm",
        "Gradient norm after clipping",
        _GRADIENT,
        "log",
        "",
        "L2 norm of the gradient that the optimizer applied.",
    ),
    Statistic(
        "gradient_max",
        "Largest gradient entry",
        _GRADIENT,
        "log",
        "",
        "Largest absolute entry of the applied gradient.",
    ),
    Statistic(
        "gradient_zeros",
        "Zero gradient entries",
        "fraction",
        "linear",
        "",
        "Fraction of the applied gradient's entries that are exactly 0.",
    ),
    Statistic(
        "nonfinite",
        "Non-finite gradient entries",
        "entries",
        "log",
        "",
        "Number of NaN or infinite entries in the applied gradient.",
    ),
    Statistic(
        "m_rms",
        "First moment m (RMS)",
        _GRADIENT,
        "log",
        "m",
        "Root mean square of m, the decayed mean of the gradient.",
    ),
    Statistic(
        "momentum_rms",
        "Momentum buffer (RMS)",
        "as the optimizer keeps it",
        "log",
        "momentum",
        "Root mean square of the momentum buffer: SGD and RMSprop keep it in units of the weights, with the learning "
        "rate in it, Muon in units of the gradient.",
    ),
    Statistic(
        "u_min",
        "Infinity norm u (smallest)",
        _GRADIENT,
        "log",
        "u",
        "Smallest entry of u, the decayed maximum of the gradient's size.",
    ),
    Statistic(
        "u_mean",
        "Infinity norm u (mean)",
        _GRADIENT,
        "log",
        "u",
        "Mean of u, the decayed maximum of the gradient's size.",
    ),
    Statistic(
        "u_max",
        "Infinity norm u (largest)",
        _GRADIENT,
        "log",
        "u",
        "Largest entry of u, the decayed maximum of the gradient's size.",
    ),
    Statistic(
        "u_zeros",
        "Entries that never had a gradient",
        "fraction",
        "linear",
        "u",
        "Fraction of u that is exactly 0: weights that never had a gradient and never moved.",
    ),
    Statistic(
        "v_min",
        "Second moment, root of v (smallest)",
        _GRADIENT,
        "log",
        "v",
        "Smallest entry of the root of v, the decayed mean of the squared gradient (with amsgrad, its largest so far).",
    ),
    Statistic(
        "v_mean",
        "Second moment, root of v (mean)",
        _GRADIENT,
        "log",
        "v",
        "Mean of the root of v, the decayed mean of the squared gradient (with amsgrad, its largest so far).",
    ),
    Statistic(
        "v_max",
        "Second moment, root of v (largest)",
        _GRADIENT,
        "log",
        "v",
        "Largest entry of the root of v, the decayed mean of the squared gradient (with amsgrad, its largest so far).",
    ),
    Statistic(
        "v_zeros",
        "Entries whose v is 0",
        "fraction",
        "linear",
        "v",
        "Fraction of v that is exactly 0: weights that never had a gradient, or one whose square is below float32's "
        "range.",
    ),
    Statistic(
        "accumulator_min",
        "Sum of squares, root (smallest)",
        _GRADIENT,
        "log",
        "accumulator",
        "Smallest entry of the root of the accumulator, the sum of all squared gradients: it only grows.",
    ),
    Statistic(
        "accumulator_mean",
        "Sum of squares, root (mean)",
        _GRADIENT,
        "log",
        "accumulator",
        "Mean of the root of the accumulator, the sum of all squared gradients: it only grows.",
    ),
    Statistic(
        "accumulator_max",
        "Sum of squares, root (largest)",
        _GRADIENT,
        "log",
        "accumulator",
        "Largest entry of the root of the accumulator, the sum of all squared gradients: it only grows.",
    ),
    Statistic(
        "step_size",
        "Effective step size",
        "weight per gradient",
        "log",
        "step size",
        "Mean of what the optimizer multiplies m, or the gradient where it has no m, by: for AdaMax "
        "lr/(1 - beta_1^t)/(u + epsilon), over entries with u > 0 (v, accumulator); with lazy_rows, of the rows in "
        "this update.",
    ),
    Statistic(
        "update_rms",
        "Update (RMS)",
        "weight",
        "log",
        "update",
        "Root mean square of this step's change of the weights, weight decay left out.",
    ),
    Statistic(
        "update_max",
        "Update (largest)",
        "weight",
        "log",
        "update",
        "Largest absolute change of a weight in this step, weight decay left out.",
    ),
    Statistic(
        "update_ratio",
        "Update / weight",
        "ratio",
        "log",
        "update",
        "L2 norm of this step's update over the L2 norm of the weights. Near 1e-3 is usual after warm-up.",
    ),
    Statistic(
        "saturation",
        "Saturation",
        "ratio",
        "linear",
        "saturation",
        "Mean of |update|/lr, for AdaMax |m_hat|/(u + epsilon), over entries with u > 0: 1 when every gradient points "
        "the same way, near 0.07 when they are noise. With lazy_rows, of the rows in this update.",
    ),
    Statistic(
        "weight_norm",
        "Weight norm",
        "weight",
        "log",
        "",
        "L2 norm of the weights after the update.",
    ),
    Statistic(
        "descent_share",
        "Share of descent",
        "fraction",
        "linear",
        "update",
        "This layer's part of the predicted fall of the loss, -g·update, of all layers' absolute parts.",
    ),
    Statistic(
        "dead_units",
        "Dead units",
        "fraction",
        "linear",
        "memory",
        "Fraction of output units (the last axis) whose weights get no gradient, and have had none for so long that "
        "m fell below a millionth of u: about 130 updates at beta_1 = 0.9. Without u or v, that the unit's memory (m "
        "or momentum, else v) fell below a millionth of the layer's strongest unit's.",
    ),
)

#: One number per recorded step, in the order of the vector `STEP_TAG`.
STEP_STATS: tuple[str, ...] = (
    "loss",
    "loss_peak",
    "learning_rate",
    "loss_scale",
    "skipped_steps",  # batches since the previous record that loss scaling threw away: no updates
    "clip_factor",
    "restarts",  # how often m and u were cleared since the previous record
    "since_restart",  # updates since the last of these; 0: cleared before this very update
    "nonfinite_steps",  # updates since the previous record whose gradient was not finite
    "overhead",  # part of the training time that recording took lately, as measured
    "thinned",  # records since the previous one that were dropped: the disk was too slow
)

#: One number per update of a flight record, in the order of the vector `FLIGHT_STEP_TAG`.
FLIGHT_STEP_STATS: tuple[str, ...] = ("loss", "learning_rate", "loss_scale", "reason")

#: Why a flight record was written: the number `reason` counts these from 0.
FLIGHT_REASONS: tuple[str, ...] = (
    "nonfinite gradient",
    "nonfinite loss",
    "critical finding",
    "exception",
    "interrupt",
    "termination",
)

LAYERS_TAG = f"{PLUGIN_NAME}/layers"
STEP_TAG = f"{PLUGIN_NAME}/step"
FLIGHT_TAG = f"{PLUGIN_NAME}/flight/gradient_norm"
FLIGHT_STEP_TAG = f"{PLUGIN_NAME}/flight/step"

_BY_NAME = {statistic.name: statistic for statistic in STATS}


def statistic_tag(name: str) -> str:
    """Returns the tag under which the layer statistic `name` is stored."""
    return f"{PLUGIN_NAME}/{_BY_NAME[name].name}"


def recorded_statistics(has: Collection[str]) -> tuple[str, ...]:
    """Returns the names of the statistics that an optimizer has which has these of `NEEDS`."""
    return tuple(s.name for s in STATS if not s.needs or s.needs in has)


@dataclass(frozen=True, slots=True)
class Flight:
    """What every single update did before something went wrong: the last ones of the run, at full resolution.

    Attributes:
        steps: (F,) int64, updates, strictly increasing; more than one such stretch if more than one thing went wrong.
        gradient_norm: (F, L) float32, before clipping, of the run's layers.
        loss: (F,) float32, NaN where it is not known.
        learning_rate: (F,) float32.
        loss_scale: (F,) float32.
        reasons: F of `FLIGHT_REASONS`, why the stretch that an update belongs to was written.
    """

    steps: NDArray[np.int64]
    gradient_norm: NDArray[np.float32]
    loss: NDArray[np.float32]
    learning_rate: NDArray[np.float32]
    loss_scale: NDArray[np.float32]
    reasons: tuple[str, ...]

    def until(self, step: int) -> "Flight | None":
        """Returns the updates up to `step`, None if there are none."""
        count = int(np.searchsorted(self.steps, step, side="right"))
        if not count:
            return None
        names = [f.name for f in dataclasses.fields(self)]
        return Flight(**{name: getattr(self, name)[:count] for name in names})


@dataclass(frozen=True, slots=True)
class Run:
    """The record of one training run: every recorded step of every layer, exactly.

    A layer is one trainable variable, named by its path ("block_2/dense/kernel"), in model order.

    Attributes:
        name: the run's directory relative to the log directory, "." for the log directory itself.
        steps: (T,) int64, optimizer updates counted from 1, strictly increasing.
        wall_times: (T,) float64, seconds since the epoch.
        layers: L names.
        shapes: the shape of each layer.
        statistics: names of the statistics recorded, in the order of `STATS`.
        optimizer: class name of the optimizer.
        hyperparameters: numbers such as `learning_rate` and `beta_1`.
        notes: what the reader had to skip or repair, one sentence each.
        flight: the updates before something went wrong, None if nothing did.
    """

    name: str
    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]
    layers: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    statistics: tuple[str, ...]
    optimizer: str
    hyperparameters: Mapping[str, float]
    notes: tuple[str, ...] = ()
    flight: Flight | None = None
    _stats: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    _step_stats: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def stat(self, name: str) -> NDArray[np.float32]:
        """Returns one statistic of every layer at every recorded step.

        Args:
            name: one of `statistics`; `STATS` says what each means.

        Returns:
            (T, L) float32. NaN and infinity are as they were computed; an entry that was not recorded holds
            `NOT_RECORDED`, a NaN of its own.

        Raises:
            KeyError: this run has no such statistic.
        """
        if name not in self._stats:
            raise KeyError(
                f"Run {self.name!r} has no statistic {name!r}. It has: {', '.join(self.statistics)}"
            )
        return self._stats[name]

    def step_stat(self, name: str) -> NDArray[np.float32]:
        """Returns (T,) float32, one of `STEP_STATS` at every recorded step; NaN where it is not known."""
        if name not in STEP_STATS:
            raise KeyError(f"No step statistic {name!r}. There are: {', '.join(STEP_STATS)}")
        return self._step_stats[name]

    def until(self, count: int) -> "Run":
        """Returns the run as it was after its first `count` records."""
        return dataclasses.replace(
            self,
            steps=self.steps[:count],
            wall_times=self.wall_times[:count],
            flight=self.flight.until(int(self.steps[count - 1])) if self.flight and count else None,
            _stats={name: values[:count] for name, values in self._stats.items()},
            _step_stats={name: values[:count] for name, values in self._step_stats.items()},
        )

    @property
    def restarts(self) -> NDArray[np.int64]:
        """(K,) int64, the updates before which m and u were cleared; of several between two records the last."""
        with np.errstate(invalid="ignore"):
            restarted = self.step_stat("restarts") > 0
        return self.steps[restarted] - self.step_stat("since_restart")[restarted].astype(np.int64)

    @property
    def restart_count(self) -> int:
        """How often m and u were cleared, all of those between two records counted."""
        return int(np.nansum(self.step_stat("restarts")))

    @property
    def loss(self) -> NDArray[np.float32]:
        """(T,) float32, the loss of the batch of each recorded step; NaN where it is not known."""
        return self.step_stat("loss")


def unique_names(names: Sequence[str]) -> list[str]:
    """Returns `names`, numbering the layers of those that stood before: Keras lets two layers have one name.

    "net/dense/kernel" twice is "net/dense/kernel" and "net/dense (2)/kernel".
    """
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        group, slash, leaf = name.rpartition("/")
        number = f" ({seen[name]})" if seen[name] > 1 else ""
        unique.append(f"{group}{number}{slash}{leaf}" if slash else f"{name}{number}")
    return unique


def layer_group(name: str) -> str:
    """Returns the path of the layer that owns the variable `name`: "block/dense" for "block/dense/kernel"."""
    return name.rpartition("/")[0] or name


def json_number(value: float) -> float | str:
    """Returns `value`, or the string "NaN", "Infinity" or "-Infinity" for what JSON cannot hold."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Returns a sort key that puts "run2" before "run10"."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
    ]


#: tag → (steps (T,), wall times (T,), values (T, C) float32 or, for `LAYERS_TAG`, T bytes objects)
Series = Mapping[str, tuple[Sequence[int], Sequence[float], Sequence[object]]]


def run_from_series(name: str, series: Series, notes: Sequence[str] = ()) -> Run | None:
    """Puts a run together from its time series, as an event file or TensorBoard holds them.

    A step that is written again replaces what followed it, as RustBoard has it: the run was resumed from an earlier
    checkpoint. When the layers changed on the way, the last set counts; values of a layer that did not exist at a
    step are `NOT_RECORDED`.

    Args:
        name: the run's name.
        series: time series in the order they were written.
        notes: what the caller skipped, taken over into the run.

    Returns:
        The run, or None when `series` has no layer table or no step.

    Raises:
        ValueError: a table or vector is not of this format.
    """
    if LAYERS_TAG not in series or STEP_TAG not in series:
        return None
    table_steps, _, blobs = series[LAYERS_TAG]
    kept = _kept(table_steps)
    tables = [_table(blobs[i]) for i in kept]
    table_steps = [table_steps[i] for i in kept]
    raw_steps, raw_times, _ = series[STEP_TAG]
    kept = _kept(raw_steps)
    if not tables or not kept:
        return None
    if len(kept) < len(raw_steps):
        gone = len(raw_steps) - len(kept)
        notes = [
            *notes,
            f"{gone} earlier records were replaced when the run was started again from an earlier step.",
        ]
    steps = np.array([raw_steps[i] for i in kept], np.int64)
    times = np.array([raw_times[i] for i in kept], np.float64)
    last = tables[-1]
    layers = tuple(layer.name for layer in last.layers)
    statistics = tuple(s.name for s in STATS if s.name in last.statistics)
    # which table holds at each step
    at = np.clip(np.searchsorted(table_steps, steps, side="right") - 1, 0, None)
    rows = _rows(series[STEP_TAG], steps)
    step_stats = {
        stat: _picked(rows, at, [list(table.step_statistics) for table in tables], (stat,))[:, 0]
        for stat in STEP_STATS
    }
    columns = [[layer.name for layer in table.layers] for table in tables]
    stats = {
        stat: _picked(_rows(series.get(statistic_tag(stat)), steps), at, columns, layers)
        for stat in statistics
    }
    return Run(
        name=name,
        steps=steps,
        wall_times=times,
        layers=layers,
        shapes=tuple(tuple(layer.shape) for layer in last.layers),
        statistics=statistics,
        optimizer=last.optimizer,
        hyperparameters=dict(sorted(last.hyperparameters.items(), key=_learning_rate_first)),
        notes=tuple(notes),
        flight=_flight(series, steps, times, table_steps, columns, layers),
        _stats=stats,
        _step_stats=step_stats,
    )


def _flight(
    series: Series,
    steps: NDArray[np.int64],
    times: NDArray[np.float64],
    table_steps: Sequence[int],
    columns: Sequence[Sequence[str]],
    layers: Sequence[str],
) -> Flight | None:
    """Returns the flight record, without what was written before the record that stands at its steps now."""
    if FLIGHT_TAG not in series or FLIGHT_STEP_TAG not in series:
        return None
    flown, written, _ = series[FLIGHT_STEP_TAG]
    last = np.clip(np.searchsorted(steps, flown, side="right") - 1, 0, None)
    kept = [i for i in _kept(flown) if written[i] >= times[last[i]]]
    if not kept:
        return None
    at = np.array([flown[i] for i in kept], np.int64)
    table = np.clip(np.searchsorted(table_steps, at, side="right") - 1, 0, None)
    numbers = _picked(
        _rows(series[FLIGHT_STEP_TAG], at),
        np.zeros(len(at), np.intp),
        [FLIGHT_STEP_STATS],
        FLIGHT_STEP_STATS,
    )
    loss, learning_rate, loss_scale, reason = numbers.T
    codes = np.clip(np.nan_to_num(reason), 0, len(FLIGHT_REASONS) - 1).astype(int)
    return Flight(
        steps=at,
        gradient_norm=_picked(_rows(series[FLIGHT_TAG], at), table, columns, layers),
        loss=loss,
        learning_rate=learning_rate,
        loss_scale=loss_scale,
        reasons=tuple(FLIGHT_REASONS[code] for code in codes),
    )


def _learning_rate_first(item: tuple[str, float]) -> tuple[bool, str]:
    return item[0] != "learning_rate", item[0]


def _table(blob: object) -> LayerTable:
    if not isinstance(blob, bytes):
        raise ValueError(f"The layer table is not a string tensor but {type(blob).__name__}.")
    try:
        table = LayerTable.FromString(blob)
    except Exception as error:
        raise ValueError(f"The layer table cannot be parsed: {error}") from error
    if table.version > VERSION:
        raise ValueError(
            f"The run was written by a newer adamax-tb (format {table.version}, this one reads up to {VERSION}). "
            "Upgrade with: pip install --upgrade adamax-tb"
        )
    names = [layer.name for layer in table.layers]
    if len(set(names)) < len(names):
        raise ValueError("The layer table names two layers alike.")
    return table


def _kept(steps: Sequence[int]) -> list[int]:
    """Returns the indices that remain when each step removes all earlier entries at or after it."""
    kept: list[int] = []
    for i, step in enumerate(steps):
        while kept and steps[kept[-1]] >= step:
            kept.pop()
        kept.append(i)
    return kept


def _rows(
    series: tuple[Sequence[int], Sequence[float], Sequence[object]] | None, steps: NDArray[np.int64]
) -> list[NDArray[np.float32] | None]:
    """Returns the vector of one tag at each of `steps`, None where it has none."""
    if series is None:
        return [None] * len(steps)
    tag_steps, _, values = series
    by_step = {tag_steps[i]: values[i] for i in _kept(tag_steps)}
    return [by_step.get(int(step)) for step in steps]  # type: ignore[misc]  # vectors, by the tag's contract


def _picked(
    rows: Sequence[NDArray[np.float32] | None],
    at: NDArray[np.intp],
    columns: Sequence[Sequence[str]],
    wanted: Sequence[str],
) -> NDArray[np.float32]:
    """Returns (T, len(wanted)): of each row the `wanted` columns, by the names its own table gives them."""
    result = np.full((len(rows), len(wanted)), NOT_RECORDED, np.float32)
    for which, names in enumerate(columns):
        place = {column: i for i, column in enumerate(names)}
        targets = np.array([i for i, column in enumerate(wanted) if column in place], np.intp)
        sources = np.array([place[wanted[i]] for i in targets], np.intp)
        for t in np.nonzero(at == which)[0].tolist():
            row = rows[t]
            if row is not None and len(row) == len(names):
                result[t, targets] = row[sources]
    return result
