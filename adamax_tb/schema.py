"""What is recorded: the statistics, their tags, and `Run`, the record of one training run.

The only description of it: no other module spells a tag, the plugin's name or a statistic's position. Reads and
writes no file.
"""

import dataclasses
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema_pb2 import Head, Layer, LayerTable

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["Head", "Layer", "LayerTable", "Run", "Statistic", "STATS", "STEP_STATS"]

PLUGIN_NAME = "optimizer_health"
#: Of the files' format; each layer table says its own. Every release reads the files of every version up to its own
#: (tests/golden holds some of each), and refuses those of a newer one with the advice to upgrade. Statistics and step
#: statistics may be added within a version: a table names those it has, and readers leave out what they do not know.
#: The version grows with what an older reader would misread: another meaning of a tag or a name, another length of the
#: vectors that no table describes (`FLIGHT_STEP_STATS`), a new one of `FLIGHT_REASONS`.
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
    "replicas",  # more than one copy of the weights, in this process or in others
    "workers",  # other processes that train with it
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
    Statistic(
        "replica_spread",
        "Replicas apart (weights)",
        "ratio",
        "linear",
        "replicas",
        "How far apart the replicas' copies of the weights are: (largest - smallest) / largest of their norms. 0 where "
        "all is well. Between processes that of the latest record that was compared.",
    ),
    Statistic(
        "replica_gradient_spread",
        "Replicas apart (gradient)",
        "ratio",
        "linear",
        "workers",
        "How far apart the gradients are that the processes apply: (largest - smallest) / largest of their norms. 0 "
        "where gradients are reduced over all of them.",
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

#: Of these, what counts since the previous record.
STEP_COUNTS: tuple[str, ...] = ("skipped_steps", "restarts", "nonfinite_steps", "thinned")
#: A count beyond this is none: it is read as not recorded.
_MOST_COUNTED = 2.0**53

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

#: One number per record for TensorBoard's own tabs, written where that is asked for: name → what the user reads there.
SCALARS: dict[str, str] = {
    "gradient_norm": "L2 norm of the gradient of all watched variables together, before clipping.",
    "update_ratio": "L2 norm of the step's update over the L2 norm of the weights, of all watched variables together.",
    "learning_rate": "Learning rate of the step.",
    "loss": "Loss of the step's batch.",
    "verdict": "As judged while training: 0 nothing found, 1 warning, 2 critical.",
}
FINDINGS_TAG = "optimizer/findings"

_BY_NAME = {statistic.name: statistic for statistic in STATS}


def statistic_tag(name: str) -> str:
    """Returns the tag under which the layer statistic `name` is stored."""
    return f"{PLUGIN_NAME}/{_BY_NAME[name].name}"


def scalar_tag(name: str) -> str:
    """Returns the tag under which TensorBoard's own tabs show `name`, one of `SCALARS`."""
    return f"optimizer/{name}"


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


class Values(Protocol):
    """The values of a run by the names of statistics: (T, L) for layers, (T,) for steps."""

    def __getitem__(self, name: str, /) -> NDArray[np.float32]:
        """Returns all of a statistic, a new array or one that must not be changed."""

    def between(self, name: str, start: int, stop: int, /) -> NDArray[np.float32]:
        """Returns `self[name][start:stop]`, at the cost of these."""


class Arrays(dict[str, NDArray[np.float32]]):
    """`Values` that are whole arrays."""

    def between(self, name: str, start: int, stop: int, /) -> NDArray[np.float32]:
        """Returns `self[name][start:stop]`."""
        return self[name][start:stop]


@dataclass(frozen=True, slots=True)
class _Part:
    """Records `start` to `stop` (exclusive) of other `Values`."""

    values: Values
    start: int
    stop: int

    def __getitem__(self, name: str, /) -> NDArray[np.float32]:
        return self.values.between(name, self.start, self.stop)

    def between(self, name: str, start: int, stop: int, /) -> NDArray[np.float32]:
        end = min(self.start + stop, self.stop)
        return self.values.between(name, self.start + start, end)


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
        planned_step: the last step as the training was planned, None where that is not known.
        head: what the model ends in and its loss, None where that is not known.
        summarized_until: the step up to which a row of arrays, but for the first record's, stands for several records:
            of counts their sum, of peaks the largest, else the mean. None where each stands for one, as `read_runs`
            has it.
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
    planned_step: int | None = None
    head: Head | None = None
    summarized_until: int | None = None
    _stats: Values = field(default_factory=Arrays, repr=False)
    _step_stats: Values = field(default_factory=Arrays, repr=False)
    _record_count: int | None = field(default=None, repr=False)  # where some are summarised

    @property
    def record_count(self) -> int:
        """How many records were read: as many as `steps`, where none are summarised."""
        return len(self.steps) if self._record_count is None else self._record_count

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
        if name not in self.statistics:
            raise KeyError(
                f"Run {self.name!r} has no statistic {name!r}. It has: {', '.join(self.statistics)}"
            )
        return self._stats[name]

    def step_stat(self, name: str) -> NDArray[np.float32]:
        """Returns (T,) float32, one of `STEP_STATS` at every recorded step; NaN where it is not known.

        A count that is negative or without bound is not known either, whatever the file holds.
        """
        if name not in STEP_STATS:
            raise KeyError(f"No step statistic {name!r}. There are: {', '.join(STEP_STATS)}")
        values = self._step_stats[name]
        if name not in STEP_COUNTS:
            return values
        return np.where((values < 0) | (values > _MOST_COUNTED), NOT_RECORDED, values)

    def records(self, start: int, stop: int) -> dict[str, NDArray[np.float32]]:
        """Returns statistic → (stop - start, L), of the records from index `start` to `stop` (exclusive)."""
        return {name: self._stats.between(name, start, stop) for name in self.statistics}

    def to_frame(self, per: Literal["layer", "step"] = "layer") -> "pandas.DataFrame":
        """Returns the run as a pandas DataFrame of its own; what was not recorded is NaN in it.

        Args:
            per: "layer": a row per step and layer, with the index (`step`, `layer`), layers being an ordered
                categorical in model order, and a float32 column for each of `statistics`. "step": a row per step, with
                the index `step` and the columns `wall_time`, float64, and `STEP_STATS`, float32.

        Raises:
            ImportError: there is no pandas.
            ValueError: `per` is neither.
        """
        from adamax_tb import export  # only when asked for: it knows this module

        if per not in ("layer", "step"):
            raise ValueError(f"Argument `per`: must be 'layer' or 'step', not {per!r}.")
        return export.layer_frame(self) if per == "layer" else export.step_frame(self)

    def plot(
        self,
        statistic: str = "gradient_norm",
        *,
        layers: str | Sequence[str] | None = None,
        ax: "Axes | None" = None,
        figure: "Figure | SubFigure | None" = None,
    ) -> "Figure":
        """Returns the run as a Matplotlib figure: verdict and findings, the loss, and a statistic of layers by step.

            run.plot()  # in a notebook; elsewhere run.plot().savefig("run.png")
            run.plot("u_mean", layers=r"dense_[12]/kernel$")

        Findings are marked, with the same numbers as in the report, where they began. The loss and curves reach up to
        the largest number of all updates, recorded in full or not; of gradient norms, so does the map. Long runs are
        reduced to the pixels there are, nothing is sampled. NaN, infinities, 0 on a logarithmic scale and what was not
        recorded have colours and patterns of their own.

        Args:
            statistic: one of `statistics`, as a heat map of layers and steps or, with `layers`, as curves; or one of
                `STEP_STATS`, such as "learning_rate", as a curve.
            layers: the name of a layer, a regular expression that is searched for in the names, or several names.
            ax: draw only the map or the curves, and the verdict as their title, in these axes.
            figure: draw in this figure or subfigure, which should be empty, such as `plt.figure(figsize=(6, 4))`. By
                default a new one is made, of which pyplot does not know: nothing has to be closed, and `plt.show()`
                shows only one that you gave.

        Returns:
            The figure drawn in.

        Raises:
            ImportError: there is no Matplotlib.
            ValueError: the run has no such statistic or layer, or no record.
        """
        from adamax_tb import plot  # only when asked for: it knows this module

        return plot.plot(self, statistic, layers, ax, figure)

    def until(self, count: int) -> "Run":
        """Returns the run as it was after its first `count` records."""
        flight = self.flight.until(int(self.steps[count - 1])) if self.flight and count else None
        return dataclasses.replace(self._part(0, count), flight=flight)

    def parts(self, records: int) -> Iterator["Run"]:
        """Yields the run in parts of up to so many records, each with the whole flight record."""
        for start in range(0, len(self.steps), records):
            yield self._part(start, min(start + records, len(self.steps)))

    def _part(self, start: int, stop: int) -> "Run":
        return dataclasses.replace(
            self,
            steps=self.steps[start:stop],
            wall_times=self.wall_times[start:stop],
            _stats=_Part(self._stats, start, stop),
            _step_stats=_Part(self._step_stats, start, stop),
            _record_count=None,
        )

    @property
    def restarts(self) -> NDArray[np.int64]:
        """(K,) int64, the updates before which m and u were cleared; of several between two records the last."""
        since = self.step_stat("since_restart")
        with np.errstate(invalid="ignore"):
            # what is no number of updates says nothing
            known = (since >= 0) & (since <= self.steps)
            restarted = (self.step_stat("restarts") > 0) & known
        return self.steps[restarted] - since[restarted].astype(np.int64)

    @property
    def restart_count(self) -> int:
        """How often m and u were cleared, all of those between two records counted."""
        return int(np.nansum(self.step_stat("restarts")))

    @property
    def loss(self) -> NDArray[np.float32]:
        """(T,) float32, the loss of the batch of each recorded step; NaN where it is not known."""
        return self.step_stat("loss")


def recorded(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tells which entries hold a value, be it NaN, rather than `NOT_RECORDED`."""
    return np.ascontiguousarray(values).view(np.uint32) != NOT_RECORDED.view(np.uint32)


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
