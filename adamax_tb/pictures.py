"""Which charts a run and its findings have in a report, and what is in them.

It draws by `charts` and reads a run by `overview`; it judges nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from adamax_tb.axis import Axis, axis_of, short
from adamax_tb.charts import Band, line_chart, profile_chart
from adamax_tb.figure import Pin
from adamax_tb.heatmap import ACROSS, MOST_ROWS, heat_map
from adamax_tb.overview import Course, cells, course, flown, overview, reaching
from adamax_tb.rules import HISTORY, Finding
from adamax_tb.schema import STATS, STEP_STATS, Run

#: Rows that a line and a heat map are made of, at most.
LINE_ROWS, MAP_ROWS = 600, 1600

#: What a rule's findings are about: the first two of these that a run has are shown.
SUBJECTS = {
    "nonfinite": ("gradient_norm", "weight_norm"),
    "exploding-gradient": ("gradient_norm", "update_ratio"),
    "vanishing-gradient": ("gradient_norm",),
    "dead-units": ("dead_units", "gradient_norm", "gradient_zeros"),
    "learning-rate-too-high": ("update_ratio", "learning_rate"),
    "learning-rate-too-low": ("update_ratio", "saturation"),
    "spike-stall": ("gradient_norm", "u_mean", "v_mean"),
    "skipped-steps": ("loss_scale", "skipped_steps"),
    "epsilon-dominated": ("u_mean", "v_mean", "accumulator_mean"),
    "frozen-layer": ("update_ratio", "gradient_norm"),
    "untouched-rows": ("u_zeros", "v_zeros", "gradient_zeros"),
    "not-learning": ("gradient_norm", "update_ratio"),
    "replicas-disagree": ("replica_spread", "replica_gradient_spread"),
}

_STATISTICS = {statistic.name: statistic for statistic in STATS}
_STEP_LABELS = {
    "learning_rate": "Learning rate",
    "loss_scale": "Loss scale",
    "skipped_steps": "Batches thrown away since the last record",
    "clip_factor": "Clip factor",
}


def loss_picture(run: Run, pins: Sequence[Pin]) -> str:
    """Returns the chart of the loss, empty if it was never recorded."""
    loss = reaching(course(run, "loss", LINE_ROWS), course(run, "loss_peak", LINE_ROWS))
    if np.isnan(loss.mean).all():
        return ""
    return line_chart("Loss of the batch", loss, _axis(loss), pins, range_label=_range(loss, True))


def map_picture(run: Run, pins: Sequence[Pin]) -> str:
    """Returns the heat map of gradient norms, of every update where their peaks were recorded."""
    name = next((n for n in ("gradient_norm_peak", "gradient_norm") if n in run.statistics), None)
    if name is None:
        return ""
    seen = overview(run, name, MAP_ROWS)
    values, marks = cells(seen, ACROSS, min(MOST_ROWS, len(run.layers)))
    steps = (float(seen.middle[0]), float(seen.middle[-1]))
    title = "Gradient norm of each layer; the largest of the updates that a cell stands for"
    return heat_map(title, values, marks, steps, run.layers, pins)


def finding_pictures(run: Run, finding: Finding, pin: Pin) -> Iterator[str]:
    """Yields the charts of what `finding` is about."""
    layer = _layer(run, finding)
    for name in subjects(run, finding):
        if name == "gradient_norm":
            yield _norm_picture(run, layer, pin)
        elif name in STEP_STATS:
            steps = course(run, name, LINE_ROWS)
            title = _STEP_LABELS.get(name, name)
            yield line_chart(title, steps, _axis(steps), [pin], range_label=_range(steps, False))
        else:
            yield _statistic_picture(run, name, layer, pin, finding.evidence.get("epsilon"))
    if finding.rule == "vanishing-gradient" and "gradient_norm" in run.statistics:
        yield _depth_picture(run, finding)
    if run.flight is not None and layer is not None:
        every = flown(run.flight, layer, finding.first_step)
        if (
            every is not None
            and np.any(every.high > 0)
            and not np.isin(every.steps, run.steps).all()
        ):
            title = f"Flight record, every single update: gradient norm, {finding.layer}"
            yield line_chart(title, every, axis_of(every.high, log=True), [pin])


def subjects(run: Run, finding: Finding) -> list[str]:
    """Returns the names of one or two statistics or step statistics that `finding` is about, and `run` has."""
    there = {*run.statistics, *STEP_STATS} - {"loss", "loss_peak"}
    by_evidence = [name for name in finding.evidence if name in _STATISTICS]
    wanted = SUBJECTS.get(finding.rule, tuple(by_evidence))
    found = [name for name in wanted if name in there and _shows(run, name, finding)][:2]
    return found or [name for name in ("gradient_norm",) if name in there]


def _shows(run: Run, name: str, finding: Finding) -> bool:
    """Tells whether a statistic has any number and, if the finding's evidence names it, that one among them.

    A rule may know better than a statistic: of units that are all dead the fraction of dead ones is 0 for optimizers
    that keep no absolute memory.
    """
    if name in STEP_STATS:
        return bool(np.any(~np.isnan(run.step_stat(name))))
    value, layer = finding.evidence.get(name, np.nan), _layer(run, finding)
    if not np.isfinite(value) or layer is None:
        return True
    seen = course(run, name, LINE_ROWS, layer)
    if np.isnan(seen.low).all():
        return False
    slack = 1e-3 * abs(value)
    return bool(np.nanmin(seen.low) - slack <= value <= np.nanmax(seen.high) + slack)


def _layer(run: Run, finding: Finding) -> int | None:
    return run.layers.index(finding.layer) if finding.layer in run.layers else None


def _norm_picture(run: Run, layer: int | None, pin: Pin) -> str:
    norms = course(run, "gradient_norm", LINE_ROWS, layer)
    if peaks := "gradient_norm_peak" in run.statistics and layer is not None:
        norms = reaching(norms, course(run, "gradient_norm_peak", LINE_ROWS, layer))
    title, axis = f"Gradient norm, {_of(run, layer)}", _axis(norms, log=True)
    explained = _range(norms, peaks, layer)
    return line_chart(title, norms, axis, [pin], _usual(norms, pin), explained)


def _statistic_picture(
    run: Run, name: str, layer: int | None, pin: Pin, epsilon: float | None
) -> str:
    """Returns the chart of a statistic, with `epsilon`, if it is given, as what is below it."""
    statistic = _STATISTICS[name]
    values = course(run, name, LINE_ROWS, layer)
    whole = (0.0, 1.0) if statistic.unit == "fraction" or name == "saturation" else None
    axis = _axis(values, log=statistic.scale == "log", whole=whole)
    below = None
    if epsilon is not None and epsilon > 0 and statistic.scale == "log":
        known = [axis.low, axis.high] if axis.log else []
        axis = axis_of(np.array([*known, epsilon]), log=True)
        below = Band(axis.low, epsilon, f"below epsilon, {short(epsilon)}")
    title, explained = f"{statistic.label}, {_of(run, layer)}", _range(values, False, layer)
    return line_chart(title, values, axis, [pin], below, explained)


def _range(values: Course, peaks: bool, layer: int | None = 0) -> str:
    """Returns what the area around a line is: of all layers (None) or of one, with peaks between records or not."""
    if layer is None:
        return "from the smallest to the largest layer"
    if values.per > 1:
        return (
            f"smallest to largest of each {values.per} records{' and in between' if peaks else ''}"
        )
    return "up to the largest between two records" if peaks else ""


def _of(run: Run, layer: int | None) -> str:
    return "median of all layers" if layer is None else run.layers[layer]


def _axis(
    values: Course, log: bool | None = None, whole: tuple[float, float] | None = None
) -> Axis:
    return axis_of(np.concatenate([values.low, values.mean, values.high]), log, whole)


def _usual(norms: Course, pin: Pin) -> Band | None:
    """Returns what nine of ten of the norms before the finding were, None if they are too few to say."""
    before = norms.mean[norms.steps < pin.step]
    before = before[np.isfinite(before) & (before > 0)]
    if len(before) < HISTORY:
        return None
    low, high = np.quantile(before, [0.05, 0.95])
    return Band(float(low), float(high), f"usual before step {pin.step:,}")


def _depth_picture(run: Run, finding: Finding) -> str:
    """Returns the usual gradient of an entry in each kernel, from input to output, while `finding` held."""
    kernels = [i for i, shape in enumerate(run.shapes) if len(shape) >= 2]
    if not kernels:
        return ""
    seen = overview(run, "gradient_norm", LINE_ROWS, kernels)
    held = (seen.last >= finding.first_step) & (seen.first <= finding.last_step)
    assert seen.rows.mean is not None
    norms = seen.rows.mean[held].astype(np.float64)
    some = np.isfinite(norms).any(axis=0)
    usual = np.full(len(kernels), np.nan)
    usual[some] = np.nanmedian(norms[:, some], axis=0)
    usual /= np.sqrt([float(np.prod(run.shapes[i])) for i in kernels])
    names = [run.layers[i] for i in kernels]
    marked = names.index(finding.layer) if finding.layer in names else -1
    title = "Gradient by depth: root mean square of each kernel's entries, median over these steps"
    return profile_chart(title, usual, axis_of(usual, log=True), marked, names)
