"""Draws the pictures of the rules' pages, adamax_tb/rules/pages/RULE.svg, from recorded programs of the tuning part.

    nice .venv/bin/python tests/diagnosis/pictures.py [RULE ...]

Where a healthy run says more, the same program without its fault is beside the sick one: it is trained for this, once,
into build/diagnosis_twins. A picture stands on light and dark pages alike: text takes the page's colour, lines have one
that is legible on both, unless the page's style sheet gives them another by their class.
"""

import dataclasses
import html
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from cadence import thinned
from numpy.typing import ArrayLike, NDArray
from programs import Program, programs
from record import BUILD, ROOT, read

import adamax_tb
from adamax_tb.axis import Axis, axis_of, short, step_ticks
from adamax_tb.charts import UNITS, line_path
from adamax_tb.rules import Finding, diagnose
from adamax_tb.rules.bad_initialization import times_usual
from adamax_tb.rules.course import course_of
from adamax_tb.rules.gradients import EXPLODED, kernels_of, per_entry, usual_so_far
from adamax_tb.rules.learning_rate import TOO_FAR, TOO_NEAR
from adamax_tb.rules.spike_stall import FASTER
from adamax_tb.rules.vanishing_gradient import VANISHED_AND_FAILING
from adamax_tb.schema import Run, layer_group

PAGES = ROOT / "adamax_tb" / "rules" / "pages"
TWINS = ROOT / "build" / "diagnosis_twins"
USUAL = 10

WIDTH, HEIGHT = 720, 286
GAP, LEFT, RIGHT, BOTTOM = 14, 46, 14, 40
CHARACTER = 6.1  # width of one in the text of a picture, about
COLORS = {"sick": "#d9480f", "well": "#2f86c9", "other": "currentColor"}


@dataclass(frozen=True)
class Line:
    """A course, and whose: "sick", "well" (dashed) or "other" (thin)."""

    label: str
    x: ArrayLike
    y: ArrayLike
    kind: str = "sick"
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """One of the charts beside each other.

    Attributes:
        title: what is shown, with its unit.
        across: what is on the axis below.
        lines: at least one.
        axis: of the values; None: as fits.
        limits: values with a line across, and what they are.
        mark: where the finding begins, and what to write there.
        zones: from where on, and until where, there is no number, and why.
        ticks: labels below, where they are not numbers.
    """

    title: str
    across: str
    lines: Sequence[Line]
    axis: Axis | None = None
    limits: Sequence[tuple[float, str]] = ()
    mark: tuple[float, str] | None = None
    zones: Sequence[tuple[float, float, str]] = ()
    ticks: Sequence[tuple[float, str]] = ()


def picture(words: str, panels: Sequence[Panel]) -> str:
    """Returns an SVG of the panels; `words` say what it shows."""
    each = (WIDTH - GAP * (len(panels) - 1)) / len(panels)
    rows = max(_legend(panel.lines, each)[1] for panel in panels)
    drawn = "".join(
        f'<g transform="translate({i * (each + GAP):.0f} 0)">{"".join(_panel(panel, each, 41 + 16 * rows))}</g>'
        for i, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" color="#808080" fill="currentColor" '
        f'font-family="system-ui, sans-serif" font-size="11.5"><title>{html.escape(words)}</title>{drawn}</svg>\n'
    )


def _panel(panel: Panel, width: float, top: int) -> Iterator[str]:
    values = [np.ravel(np.asarray(line.y, float)) for line in panel.lines]
    axis = panel.axis or axis_of(np.concatenate([*values, [v for v, _ in panel.limits]]))
    xs = np.concatenate([np.ravel(np.asarray(line.x, float)) for line in panel.lines])
    steps = Axis(float(xs.min()), float(max([xs.max(), *(end for _, end, _ in panel.zones)])))
    across, down = width - LEFT - RIGHT, HEIGHT - top - BOTTOM

    def at(x: float) -> float:
        return LEFT + across * float(steps.place(x))

    def height(y: float) -> float:
        return top + down * (1 - float(axis.place(y)))

    yield f'<text y="13" font-size="13" font-weight="600">{html.escape(panel.title)}</text>'
    yield _legend(panel.lines, width)[0]
    for tick in axis.ticks(5):
        yield (
            f'<path d="M{LEFT} {height(tick):.1f}h{across:.0f}" stroke="currentColor" stroke-opacity=".2"/>'
            f'<text x="{LEFT - 5}" y="{height(tick) + 4:.1f}" text-anchor="end">{short(tick)}</text>'
        )
    for value, label in panel.ticks or [
        (t, short(t + 0.0)) for t in step_ticks(steps.low, steps.high, 5)
    ]:
        yield f'<text x="{at(value):.1f}" y="{top + down + 15}" text-anchor="middle">{html.escape(label)}</text>'
    middle = LEFT + across / 2
    yield f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(panel.across)}</text>'
    yield f'<path d="M{LEFT} {top}v{down}h{across:.0f}" fill="none" stroke="currentColor"/>'
    for i, (start, end, why) in enumerate(panel.zones):
        left, wide = at(start), at(end) - at(start)
        opacity = 0.12 + 0.13 * (i == len(panel.zones) - 1)
        yield (
            f'<rect class="zone" x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{down}" fill="#d9480f" '
            f'fill-opacity="{opacity}"/>'
            f'<text x="{left + wide / 2:.1f}" y="{top + down / 2:.0f}" text-anchor="middle">{html.escape(why)}</text>'
        )
    yield (
        f'<svg x="{LEFT}" y="{top}" width="{across:.0f}" height="{down}" viewBox="0 0 {UNITS} {UNITS}" '
        f'preserveAspectRatio="none" fill="none" stroke-linejoin="round">'
    )
    for line in panel.lines:
        path = line_path(steps.place(line.x), axis.place(line.y))
        yield f'<path d="{path}" vector-effect="non-scaling-stroke" {_stroke(line)}/>'
    yield "</svg>"
    for line in panel.lines:
        if line.dots:
            yield from _dots(line, at, height)
    for value, label in panel.limits:
        x, anchor = (
            (LEFT + 4, "start")
            if _free_left(panel, steps, axis, value)
            else (LEFT + across - 3, "end")
        )
        yield (
            f'<path d="M{LEFT} {height(value):.1f}h{across:.0f}" stroke="currentColor" stroke-dasharray="2 3"/>'
            f'<text class="halo" x="{x:.0f}" y="{height(value) - 4:.1f}" text-anchor="{anchor}">{html.escape(label)}'
            f"</text>"
        )
    if panel.mark is not None:
        x, label = at(panel.mark[0]), html.escape(panel.mark[1])
        anchor = (
            "start" if x < LEFT + across / 3 else "middle" if x < LEFT + 2 * across / 3 else "end"
        )
        yield (
            f'<path class="mark" d="M{x:.1f} {top}v{down}" stroke="#d9480f" fill="none"/>'
            f'<path class="marker" d="M{x - 5:.1f} {top + down}h10l-5-8z" fill="#d9480f"/>'
            f'<text x="{x:.1f}" y="{top - 5}" text-anchor="{anchor}">{label}</text>'
        )


def _free_left(panel: Panel, steps: Axis, axis: Axis, value: float) -> bool:
    """Tells whether there is more room for a label above a limit on the left than on the right."""
    rooms = {True: 1.0, False: 1.0}
    above = float(axis.place(value)) + 0.04
    for line in panel.lines:
        x, away = steps.place(line.x), np.abs(axis.place(line.y) - above)
        for left, near in ((True, x < 0.45), (False, x > 0.55)):
            rooms[left] = min(rooms[left], float(np.nanmin(away[near], initial=1.0)))
    return rooms[True] > rooms[False]


def _stroke(line: Line) -> str:
    dash = ' stroke-dasharray="6 3"' if line.kind == "well" else ""
    thick = 1.2 if line.kind == "other" else 2
    return f'class="{line.kind}" stroke="{COLORS[line.kind]}" stroke-width="{thick}"{dash}'


def _legend(lines: Sequence[Line], width: float) -> tuple[str, int]:
    """Returns the legend and how many rows it takes."""
    x, row, keys = 0.0, 1, []
    for line in lines:
        needed = 26 + CHARACTER * len(line.label)
        if x and x + needed > width - RIGHT:
            x, row = 0.0, row + 1
        y = 15 + 16 * row
        keys.append(
            f'<path d="M{x:.0f} {y - 4}h18" fill="none" {_stroke(line)}/>'
            f'<text x="{x + 23:.0f}" y="{y}">{html.escape(line.label)}</text>'
        )
        x += needed + 14
    return "".join(keys), row


def _dots(
    line: Line, at: Callable[[float], float], height: Callable[[float], float]
) -> Iterator[str]:
    fill = "none" if line.kind == "well" else COLORS[line.kind]
    for x, y in zip(np.asarray(line.x), np.asarray(line.y), strict=True):
        yield (
            f'<circle class="{line.kind}" cx="{at(x):.1f}" cy="{height(y):.1f}" r="3.5" stroke-width="1.5" '
            f'stroke="{COLORS[line.kind]}" fill="{fill}"/>'
        )


# What is drawn


def program(name: str) -> Program:
    """Returns the program of that name; it must be one that rules were tuned on."""
    (found,) = (p for p in programs() if p.name == name)
    if found.split != "tuning":
        raise ValueError(f"{name} belongs to the {found.split} part.")
    return found


def sick(name: str, every: int = USUAL) -> Run:
    """Returns what was recorded of the program `name`."""
    program(name)
    run = read(BUILD / name)
    return thinned(run, every) if every > 1 else run


def trained(name: str, made: Callable[[], "object"], every: int = USUAL) -> Run:
    """Returns what is recorded of a training that is made for a picture, as it was the first time."""
    log_dir = TWINS / name
    if not log_dir.is_dir():
        import keras

        keras.backend.clear_session()
        of = made()
        health = adamax_tb.OptimizerHealth(log_dir, every=1)
        of.model.fit(
            of.x, of.y, batch_size=of.batch_size, shuffle=False, verbose=0, callbacks=[health]
        )
    return thinned(read(log_dir), every)


def well(name: str, every: int = USUAL) -> Run:
    """Returns the twin without the fault."""
    return trained(name, program(name).remedied, every)


def found(run: Run, rule: str) -> Finding:
    """Returns what `rule` says of the run, as a first cause or a consequence."""

    def every(findings: Sequence[Finding]) -> Iterator[Finding]:
        for finding in findings:
            yield finding
            yield from every(finding.consequences)

    return next(finding for finding in every(diagnose(run)) if finding.rule == rule)


def losses(run: Run, twin: Run, sick_label: str, well_label: str, **more: object) -> Panel:
    """Returns the losses of both."""
    lines = [
        Line(sick_label, run.steps, run.loss),
        Line(well_label, twin.steps, twin.loss, "well"),
    ]
    return Panel("Loss of the batch", "step", lines, **more)


def marked(finding: Finding) -> tuple[float, str]:
    """Returns the place of the finding and its label."""
    return finding.first_step, f"finding: step {finding.first_step}"


def norms(run: Run, layer: str) -> NDArray[np.float64]:
    """Returns the gradient norms of one layer; where they are no number there is a gap."""
    return run.stat("gradient_norm")[:, run.layers.index(layer)].astype(float)


def by_depth(run: Run) -> NDArray[np.float64]:
    """Returns the usual size of an entry's gradient in each kernel, from input to output."""
    kernels = kernels_of(run)
    sizes = np.sqrt([float(np.prod(run.shapes[i])) for i in kernels])
    return np.median(run.stat("gradient_norm")[:, kernels].astype(float), axis=0) / sizes


def promised(run: Run) -> NDArray[np.float64]:
    """Returns what all updates so far promised, as a part of the first loss."""
    course = course_of(run)
    return course.descent.promised / course.loss.first


def per_update(run: Run) -> NDArray[np.float64]:
    """Returns what each recorded update promised, as a part of the first loss."""
    course = course_of(run)
    return course.descent.per_update / course.loss.first


def nonfinite() -> str:
    panels = []
    for name, layer, what in (
        ("cancer_nan_in_a_batch", "dense_1/kernel", "A batch with NaN: nothing grows before"),
        ("friedman1_momentum_raw_targets", "output/kernel", "Steps too large: it grows first"),
    ):
        run = sick(name, 1)
        finding = found(run, "nonfinite")
        last = finding.first_step
        near = (run.steps < last) & (run.steps >= last - 60)
        values = norms(run, layer)[near]
        line = Line(f"gradient norm of {layer}", run.steps[near], values)
        zones = [(last, last + 0.25 * near.sum(), "NaN")]
        if np.isinf(values).any():
            zones.insert(0, (run.steps[near][np.isinf(values)][0], last, "∞"))
        axis = axis_of(values, log=True)
        panels.append(Panel(what, "step", [line], axis, zones=zones, mark=marked(finding)))
    return picture(
        "Gradient norms right before they are NaN. On the left they are as usual until then, on the right they grow "
        "by many orders of magnitude first.",
        panels,
    )


def exploding() -> str:
    name = "digits_growing_rate_adamax"
    run, twin = sick(name), well(name)
    finding = found(run, "exploding-gradient")
    i = run.layers.index(finding.layer)
    at = int(np.searchsorted(run.steps, finding.first_step))
    usual = usual_so_far(run.stat("gradient_norm").astype(float))[0][at, i]
    both = [
        Line("rate doubled every 20 steps", run.steps, run.stat("gradient_norm_peak")[:, i]),
        Line("constant rate", twin.steps, twin.stat("gradient_norm_peak")[:, i], "well"),
    ]
    limits = [(usual, "usual before"), (EXPLODED * usual, f"{EXPLODED:g} times that")]
    return picture(
        "The gradient norm of a layer leaves its usual size by a factor of a hundred, and grows on; its loss grows "
        "with it. With a constant learning rate both stay as they are.",
        [
            Panel(
                f"Gradient norm, {finding.layer}",
                "step",
                both,
                limits=limits,
                mark=marked(finding),
            ),
            losses(run, twin, "rate doubled every 20 steps", "constant rate", mark=marked(finding)),
        ],
    )


def vanishing() -> str:
    name = "digits_deep_sigmoid_adam"
    run, twin = sick(name), well(name)
    depth = np.arange(1, len(kernels_of(run)) + 1)
    here, there = by_depth(run), by_depth(twin)
    limit = VANISHED_AND_FAILING * here.max()
    profile = Panel(
        "Gradient of an entry, by depth",
        f"kernel: 1 is {run.layers[kernels_of(run)[0]]}, {len(depth)} is {run.layers[kernels_of(run)[-1]]}",
        [
            Line("10 layers of sigmoid", depth, here, dots=True),
            Line("10 layers of relu", depth, there, "well", dots=True),
        ],
        axis=axis_of(np.concatenate([here, there]), log=True),
        limits=[(limit, f"{VANISHED_AND_FAILING:g} of the strongest")],
    )
    return picture(
        "From the output back to the input the gradient becomes a thousand times smaller with sigmoid, and keeps its "
        "size with relu; the loss falls with relu only.",
        [profile, losses(run, twin, "sigmoid", "relu")],
    )


def dead() -> str:
    name = "friedman1_dying_at_high_rate"
    run, twin = sick(name), well(name)
    finding = found(run, "dead-units")
    i = run.layers.index(finding.layer)
    group = layer_group(finding.layer)

    def fractions(of: Run) -> NDArray[np.float64]:
        none = of.stat("gradient_norm")[:, i] == 0
        return np.where(none, 1.0, np.nan_to_num(of.stat("dead_units")[:, i].astype(float)))

    both = [
        Line("learning rate 1", run.steps, fractions(run)),
        Line("learning rate 0.01", twin.steps, fractions(twin), "well"),
    ]
    return picture(
        "The fraction of dead units in a layer jumps to one and stays there; the loss stands still from then on.",
        [
            Panel(
                f"Units without a gradient, part of {group}",
                "step",
                both,
                axis=Axis(-0.03, 1.06),
                mark=marked(finding),
            ),
            losses(run, twin, "learning rate 1", "learning rate 0.01", mark=marked(finding)),
        ],
    )


def too_high() -> str:
    name = "digits_adam_03"
    run, twin = sick(name), well(name)
    both = [
        Line("learning rate 0.3", run.steps, per_update(run)),
        Line("learning rate 0.003", twin.steps, per_update(twin), "well"),
    ]
    return picture(
        "By its gradient each update promises many times the whole loss, and the loss bounces. At a hundredth of the "
        "learning rate updates promise a few percent, and the loss falls.",
        [
            Panel(
                "Promised by one update, in first losses",
                "step",
                both,
                axis=axis_of(np.concatenate([per_update(run), per_update(twin)]), log=True),
                limits=[(TOO_FAR, f"{TOO_FAR:g}: too far")],
            ),
            losses(run, twin, "learning rate 0.3", "learning rate 0.003"),
        ],
    )


def too_low() -> str:
    name = "digits_adam_too_low"
    run, twin = sick(name), well(name)
    both = [
        Line("learning rate 1e-5", run.steps, promised(run)),
        Line("learning rate 1e-3", twin.steps, promised(twin), "well"),
    ]
    return picture(
        "All updates together promise less than half of the first loss, and the loss hardly falls. At a hundred times "
        "the learning rate they promise more than all of it, and it falls.",
        [
            Panel(
                "Promised so far, in first losses",
                "step",
                both,
                axis=axis_of(np.concatenate([promised(run), promised(twin)]), log=True),
                limits=[(TOO_NEAR, f"{TOO_NEAR:g}: the least it takes")],
            ),
            losses(run, twin, "learning rate 1e-5", "learning rate 1e-3"),
        ],
    )


def spike() -> str:
    run = sick("swiss_roll_spike_adamax")
    finding = found(run, "spike-stall")
    kernels = kernels_of(run)
    sizes = np.sqrt([float(np.prod(run.shapes[i])) for i in kernels])
    u = np.median(run.stat("u_mean")[:, kernels].astype(float), axis=1)
    entries = np.median(run.stat("gradient_norm_peak")[:, kernels] / sizes, axis=1)
    decay = run.hyperparameters["beta_2"]
    now = finding.evidence["second_moment_over_gradient"]
    usual = finding.evidence["usual_second_moment_over_gradient"]

    top = now / decay ** (run.steps[-1] - finding.first_step)
    steps = np.linspace(0, 1.03 * np.log(top / usual) / -np.log(decay), 200)

    def fading(beta_2: float) -> Line:
        left = np.maximum(top * beta_2**steps, usual)
        kind = "sick" if beta_2 == decay else "well"
        return Line(f"beta_2={beta_2:g}", steps, left, kind)

    after = Panel(
        "u in units of the gradient, predicted",
        "steps after the spike",
        [fading(decay), fading(FASTER)],
        limits=[(usual, "usual: training goes on")],
    )
    within = Panel(
        "u and the gradient, an entry's",
        "step",
        [
            Line("u", run.steps, u),
            Line("gradient, largest since the last record", run.steps, entries, "other"),
        ],
        axis=axis_of(np.concatenate([u, entries]), log=True),
        mark=(finding.first_step, f"spike: step {finding.first_step}"),
    )
    return picture(
        "After one large gradient u stays up while the gradient is back at its size. It fades by beta_2 a step: "
        "thousands of steps at 0.999, a tenth of them at 0.99.",
        [within, after],
    )


def skipped() -> str:
    run = sick("digits_float16_overflows")
    twin = well("digits_float16_overflows")
    finding = found(run, "skipped-steps")
    scale, thrown = run.step_stat("loss_scale"), run.step_stat("skipped_steps")
    steady = twin.step_stat("loss_scale")
    return picture(
        "The loss scale is halved again and again, far below one, as batches overflow at any scale. Without the fault "
        "it stays.",
        [
            Panel(
                "Loss scale",
                "step",
                [
                    Line("some batches overflow", run.steps, scale),
                    Line("no batch does", twin.steps, steady, "well"),
                ],
                axis=axis_of(np.concatenate([scale, steady]).astype(float), log=True),
                mark=marked(finding),
                limits=[(1.0, "1: no scaling")],
            ),
            Panel(
                "Batches thrown away per 10 updates",
                "step",
                [
                    Line("some batches overflow", run.steps, np.nan_to_num(thrown)),
                    Line(
                        "no batch does",
                        twin.steps,
                        np.nan_to_num(twin.step_stat("skipped_steps")),
                        "well",
                    ),
                ],
                mark=marked(finding),
            ),
        ],
    )


def epsilon() -> str:
    name = "friedman1_epsilon_of_10_adam"
    run, twin = sick(name), well(name)
    kernels = kernels_of(run)

    def root(of: Run) -> NDArray[np.float64]:
        return np.median(of.stat("v_mean")[:, kernels].astype(float), axis=1)

    value = run.hyperparameters["epsilon"]
    moments = Panel(
        "The root of v, median of the kernels",
        "step",
        [
            Line("epsilon=10", run.steps, root(run)),
            Line("epsilon=1e-8", twin.steps, root(twin), "well"),
        ],
        axis=axis_of(np.concatenate([root(run), root(twin), [2 * value]]), log=True),
        limits=[(value, "epsilon=10, above all of it")],
    )
    return picture(
        "The second moment's root lies far below an epsilon of 10, which takes its place as the divisor; the loss "
        "stands. With a small epsilon it falls.",
        [moments, losses(run, twin, "epsilon=10", "epsilon=1e-8")],
    )


def frozen() -> str:
    name = "swiss_roll_gradient_stopped"
    run, twin = sick(name), well(name)
    kernels = kernels_of(run)
    at = np.arange(1, len(kernels) + 1)

    def usual(of: Run) -> NDArray[np.float64]:
        return np.nan_to_num(np.median(of.stat("gradient_norm")[:, kernels].astype(float), axis=0))

    names = [run.layers[i].removesuffix("/kernel") for i in kernels]
    profile = Panel(
        "Gradient norm of each kernel, median",
        "kernel",
        [
            Line("stop_gradient after dense_2", at, usual(run), dots=True),
            Line("without it", at, usual(twin), "well", dots=True),
        ],
        ticks=list(zip(at.tolist(), names, strict=True)),
    )
    return picture(
        "With stop_gradient the kernels before it have no gradient, the one after it has; without it all have one, and "
        "the loss falls further.",
        [profile, losses(run, twin, "stop_gradient", "without it")],
    )


def untouched() -> str:
    name = "digit_tokens_modulo_2"
    run, twin = sick(name), well(name)
    finding = found(run, "untouched-rows")
    i = run.layers.index(finding.layer)
    both = [
        Line("tokens modulo 2", run.steps, run.stat("v_zeros")[:, i]),
        Line("all tokens", twin.steps, twin.stat("v_zeros")[:, i], "well"),
    ]
    panel = Panel(
        "Rows never looked up, part of the embedding", "step", both, axis=Axis(-0.03, 1.06)
    )
    return picture(
        "Nearly all rows of the embedding stay without any gradient until the end, where they should become few after "
        "some batches; the loss stands.",
        [panel, losses(run, twin, "tokens modulo 2", "all tokens")],
    )


def shuffled() -> object:
    made = program("digits_adam_03").remedied()
    order = np.random.default_rng(0).permutation(len(made.y))
    return dataclasses.replace(made, y=made.y[order])


def not_learning() -> str:
    run, twin = trained("digits_adam_03_shuffled", shuffled), well("digits_adam_03")
    found(run, "not-learning")
    both = [
        Line("labels shuffled", run.steps, promised(run)),
        Line("right labels", twin.steps, promised(twin), "well"),
    ]
    return picture(
        "With shuffled labels the updates promise as much as with the right ones, but the loss does not follow.",
        [
            Panel("Promised so far, in first losses", "step", both),
            losses(run, twin, "labels shuffled", "right labels"),
        ],
    )


def wrong_loss() -> str:
    name = "friedman1_sigmoid_for_raw_values"
    run, twin = sick(name), well(name)

    def whole(of: Run) -> NDArray[np.float64]:
        return np.sqrt(np.sum(of.stat("gradient_norm").astype(float) ** 2, axis=1))

    both = [
        Line("last activation sigmoid", run.steps, whole(run)),
        Line("no last activation", twin.steps, whole(twin), "well"),
    ]
    gradients = Panel(
        "Gradient norm, all layers",
        "step",
        both,
        axis=axis_of(np.concatenate([whole(run), whole(twin)]), log=True),
    )
    return picture(
        "A sigmoid cannot give the values of a regression: its outputs saturate, the gradient vanishes, and the loss "
        "stands. Without it the loss falls.",
        [gradients, losses(run, twin, "sigmoid", "none")],
    )


def bad_initialization() -> str:
    run, twin = sick("digits_huge_last_layer"), well("digits_huge_last_layer")
    sizes = [
        Line("last layer too large", [1, 2], _sizes(run), dots=True),
        Line("default initializer", [1, 2], _sizes(twin), "well", dots=True),
    ]
    panel = Panel(
        "Kernel at the first record, times usual size",
        "layer",
        sizes,
        axis=axis_of(np.concatenate([_sizes(run), _sizes(twin)]), log=True),
    )
    return picture(
        "A last layer whose weights were drawn far too large: the loss begins far above what guessing gives, and "
        "comes down slowly. With the default initializer it begins there and falls.",
        [panel, losses(run, twin, "too large", "default")],
    )


def _sizes(run: Run) -> NDArray[np.float64]:
    weights = run.stat("weight_norm")[0].astype(float)
    return np.array(
        [times_usual(run.layers[i], run.shapes[i], weights[i]) for i in kernels_of(run)]
    )


def unscaled_inputs() -> str:
    name = "checkerboard_thousandths_sgd"
    run, twin = sick(name), well(name)

    def sizes(of: Run) -> NDArray[np.float64]:
        kernel, bias = per_entry(of, [0, 1]).T
        return kernel / bias

    both = [
        Line("inputs in thousandths", run.steps, sizes(run)),
        Line("scaled inputs", twin.steps, sizes(twin), "well"),
    ]
    panel = Panel(
        "First kernel's gradient / its bias's",
        "step",
        both,
        axis=axis_of(np.concatenate([sizes(run), sizes(twin)]), log=True),
    )
    return picture(
        "Inputs in thousandths show in the first layer: its kernel's gradient is a thousandth of its bias's, and the "
        "loss stands. With scaled inputs it falls.",
        [panel, losses(run, twin, "thousandths", "scaled")],
    )


#: In a process of its own: a process has as many devices as it was started with.
REPLICAS = """
import sys
import keras
import tensorflow as tf
from sklearn.datasets import load_digits
import adamax_tb

log_dir, fault = sys.argv[1:]
(cpu, *_) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(0)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layers = [keras.layers.Dense(64, "relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamax_tb.AdaMax(0.002), loss, jit_compile=False)
first = layers[0].kernel.value

class LoadedOnOne(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.loaded = first.numpy()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4 and fault == "sick":
            strategy.experimental_local_results(first)[1].assign(self.loaded)

x, y = load_digits(return_X_y=True)
health = adamax_tb.OptimizerHealth(log_dir, every=2)
model.fit(x / 16, y, batch_size=64, epochs=10, shuffle=False, verbose=0, callbacks=[health, LoadedOnOne()])
"""


def replicas_disagree() -> str:
    for fault in ("sick", "well"):
        log_dir = TWINS / f"replicas_{fault}"
        if not log_dir.is_dir():
            command = [sys.executable, "-c", REPLICAS, str(log_dir), fault]
            subprocess.run(command, check=True, timeout=300)
    run, twin = (read(TWINS / f"replicas_{fault}") for fault in ("sick", "well"))
    finding = found(run, "replicas-disagree")
    i = run.layers.index(finding.layer)
    apart = [
        Line("one copy loaded anew", run.steps, 100 * run.stat("replica_spread")[:, i]),
        Line("both left alone", twin.steps, 100 * twin.stat("replica_spread")[:, i], "well"),
    ]
    return picture(
        "How far apart the norms of two copies of a kernel are: 0 % until one of them is loaded anew, and never again. "
        "The loss of that run is higher from there on.",
        [
            Panel("First kernel's copies apart, %", "step", apart, mark=marked(finding)),
            losses(run, twin, "one copy loaded anew", "both left alone"),
        ],
    )


PICTURES: dict[str, Callable[[], str]] = {
    "nonfinite": nonfinite,
    "exploding-gradient": exploding,
    "vanishing-gradient": vanishing,
    "dead-units": dead,
    "learning-rate-too-high": too_high,
    "learning-rate-too-low": too_low,
    "spike-stall": spike,
    "skipped-steps": skipped,
    "epsilon-dominated": epsilon,
    "frozen-layer": frozen,
    "untouched-rows": untouched,
    "wrong-loss": wrong_loss,
    "bad-initialization": bad_initialization,
    "unscaled-inputs": unscaled_inputs,
    "not-learning": not_learning,
    "replicas-disagree": replicas_disagree,
}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for rule in sys.argv[1:] or PICTURES:
        svg = PICTURES[rule]()
        (PAGES / f"{rule}.svg").write_text(svg)
        print(f"{rule}.svg: {len(svg) / 1000:.1f} kB", flush=True)
