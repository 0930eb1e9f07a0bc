"""The curves of layers: what each chart shows, overlaid, smoothed, on another scale, and at the pointer."""

import re

import numpy as np
import pytest
from panel import Panel
from plots import FIRST_RUN, INK_BESIDE_THE_PLOT, SECOND_RUN, hover, inked, pixels, reach, until
from synthetic import healthy_stats, write_run
from views import address_holds
from views import go as go_to

import adamax_tb

LAYERS = [
    (f"encoder/block_{n}/{layer}/{name}", shape)
    for n in range(6)
    for layer in ("attention", "dense")
    for name, shape in (("kernel", (8, 4)), ("bias", (4,)))
]
KERNELS = [name for name, _ in LAYERS[::2]]
KERNEL, OTHER = KERNELS[:2]
#: Records every tenth step: what is between two of them is none.
STEPS = np.arange(10, 2001, 10)


def short(values):
    """Rounds to three digits, which the page tells all of."""
    return np.array([float(f"{value:.3g}") for value in values.flat]).reshape(values.shape)


def write_runs(logdir):
    """Three runs: the first layer's gradient is clipped in one, and is NaN for a while in another."""
    rng = np.random.default_rng(0)
    shape = (len(STEPS), len(LAYERS))
    for run, level in (("clipped", 1.0), ("plain", 0.1), ("third", 0.01)):
        noise = {
            name: short(level * np.exp(rng.normal(0, 0.3, shape)))
            for name in ("gradient_norm", "u_mean", "step_size", "saturation")
        }
        noise["u_min"], noise["u_max"] = noise["u_mean"] / 10, noise["u_mean"] * 10
        noise["m_rms"] = np.full(shape, level)
        noise["update_ratio"] = short(0.002 * np.exp(rng.normal(0, 0.3, shape)))
        noise["update_ratio"][0] = 1.0  # so that the axis reaches far beyond the usual range
        noise["dead_units"] = np.full(shape, 0.25)
        noise["descent_share"] = np.full(shape, 1 / len(LAYERS))
        if run == "clipped":
            noise["gradient_norm"][:, 0] *= 10
        if run == "plain":
            noise["gradient_norm"][100:110, 2] = np.nan
        noise["gradient_norm_peak"] = noise["gradient_norm"]
        noise["clipped_gradient_norm"] = noise["gradient_norm"].copy()
        if run == "clipped":
            noise["clipped_gradient_norm"][:, 0] = 2
        stats = {name: values.astype(np.float32) for name, values in noise.items()}
        write_run(logdir / run, STEPS, stats, short(np.exp(-STEPS / 900)), layers=LAYERS)


def write_odd_runs(logdir):
    """Runs of very large and very small numbers, with spikes between their records, and of other optimizers."""
    steps = np.arange(1, 41)
    for run, value in (("x small", 0.02), ("x large", 1e30)):
        slope = value * np.linspace(1, 2, 40)
        stats = {
            name: (numbers * slope[:, np.newaxis]).astype(np.float32)
            for name, numbers in healthy_stats(steps).items()
        }
        write_run(logdir / run, steps, stats, slope, step_stats={"learning_rate": slope})
    peaks = np.ones((100, 4), np.float32)
    peaks[50, 0] = 1e4  # one update between steps 500 and 510
    peaks[75, 1] = np.inf
    losses = {"loss_peak": np.where(np.arange(100) == 50, 1e20, 30.0)}
    spiky = np.arange(10, 1001, 10)
    write_run(
        logdir / "x spike", spiky, {"gradient_norm_peak": peaks}, spiky / 50 + 1, step_stats=losses
    )
    falling = (19.5 - np.arange(40)) / 20
    falling[-1] = -1
    rates = {"learning_rate": np.geomspace(1, 1e-3, 40)}
    write_run(logdir / "y negative", steps, loss=falling, step_stats=rates)
    write_run(logdir / "y one", [5], loss=np.ones(1))
    for name, has in (("Adagrad", "accumulator"), ("SGD", "momentum")):
        run = logdir / f"y {name.lower()}"
        write_run(run, steps, has={has, "update"}, optimizer=name)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("layers")
    write_runs(logdir)
    write_odd_runs(logdir)
    return logdir


@pytest.fixture(scope="module")
def opened(chromium, logdir, serve_all):
    """The page that these tests share; each goes to a view of its own."""
    panel = Panel(chromium, serve_all(logdir), height=2600).wait()
    yield panel
    assert panel.complaints == []


@pytest.fixture
def view(opened):
    """`view(layers, runs, **more)` goes to a view by its address, and returns the panel."""

    def go(layers, runs=("clipped",), **more):
        go_to(opened, run=runs[0], runs=runs, layers=layers, **more)
        opened.drawn(run=runs[0], layer=layers[0])
        opened.settled()
        last = layers[-1] if len(layers) > 1 else runs[-1]
        told = f'[aria-label*="{last}"]' if len(layers) * len(runs) <= 12 else ""
        charts(opened).first.locator(f"[role=img]{told} canvas").wait_for()
        drawn_anew(opened)
        return opened

    return go


def hexadecimal(color):
    """`rgb(66, 80, 102)` → `#425066`"""
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", color))


def charts(panel):
    return panel.frame.locator("[data-testid=curves] figure.chart")


def chart(panel, statistic):
    return panel.frame.locator(f"[data-testid=curves] figure[data-statistic={statistic}]")


FRAMES = """async () => {
    for (let frame = 0; frame < 5; frame++) await new Promise(requestAnimationFrame);
}"""


def drawn_anew(panel):
    """Waits until charts have drawn what changed."""
    panel.root.evaluate(FRAMES)


def height(reached):
    return reached[1] - reached[0]


def median(figure):
    """Returns where, of the plot's height from the top, a half of the first run's pixels above its lowest line is."""
    rows = np.nonzero(inked(figure, FIRST_RUN)[:-20])[0]
    return np.median(rows) / len(inked(figure, FIRST_RUN))


def readout(figure):
    """Returns step and line → number, as a chart's readout has them."""
    told = figure.locator(".readout")
    rows = told.locator(".row").all()
    values = {row.get_attribute("title"): row.locator(".value").inner_text() for row in rows}
    return told.locator(".at").inner_text(), values


def recorded(logdir, run, statistic, layer, step):
    """Returns what the file holds."""
    of = adamax_tb.read_runs(logdir)[run]
    (at,) = np.flatnonzero(of.steps == step)
    return of.stat(statistic)[at, of.layers.index(layer)]


def test_what_is_clipped_has_a_second_line_and_is_told(view, logdir):
    panel = view([KERNEL])
    gradient = chart(panel, "gradient_norm")
    hover(gradient, 0.5)
    step, values = readout(gradient)
    at = int(re.sub(r"\D", "", step))
    assert set(values) == {"clipped", "clipped · after clipping"}
    for name, statistic in zip(values, ("gradient_norm", "clipped_gradient_norm"), strict=True):
        told = float(values[name])
        assert told == pytest.approx(recorded(logdir, "clipped", statistic, KERNEL, at), rel=1e-6)
    assert "Thin dashes: after clipping" in gradient.inner_text()
    # the dashes are a level line at 2, the least of all: they cover a part of its row
    covered = inked(gradient, FIRST_RUN)[-20:].any(axis=0).mean()
    assert 0.3 < covered < 0.8
    panel.screenshot("clipping-light")
    panel.dark()
    panel.screenshot("clipping-dark")
    panel.dark(False)
    view([OTHER])
    hover(chart(panel, "gradient_norm"), 0.5)
    assert set(readout(chart(panel, "gradient_norm"))[1]) == {"clipped"}


def test_each_quantity_has_a_chart_of_its_own(view):
    panel = view([KERNEL])
    names = [figure.get_attribute("data-statistic") for figure in charts(panel).all()]
    assert names == [
        "gradient_norm",
        "m_rms",
        "u_mean",
        "step_size",
        "update_ratio",
        "saturation",
        "dead_units",
        "descent_share",
    ]
    for figure in charts(panel).all():
        assert inked(figure, FIRST_RUN).any(axis=0).mean() > 0.9


def test_u_has_a_band_from_its_smallest_entry_to_its_largest(view, logdir):
    panel = view([KERNEL])
    u = chart(panel, "u_mean")
    hover(u, 0.5)
    step, values = readout(u)
    at = int(re.sub(r"\D", "", step))
    low, mean, high = (
        recorded(logdir, "clipped", f"u_{name}", KERNEL, at) for name in ("min", "mean", "max")
    )
    told = [float(word) for word in re.findall(r"[\d.]+", values["clipped"])]
    assert told == pytest.approx([mean, low, high], rel=1e-3)
    covers = pixels(u)[..., 3]
    band = (covers > 30) & (covers < 70)
    top, bottom = np.flatnonzero(band.mean(axis=1) > 0.5)[[0, -1]] / len(band)
    assert top < 0.35
    assert bottom > 0.65


def test_the_usual_range_of_an_update_is_shaded(view, logdir):
    panel = view([KERNEL])
    ratio = chart(panel, "update_ratio")
    covers = pixels(ratio)[..., 3]
    lowest = adamax_tb.read_runs(logdir)["clipped"].stat("update_ratio")[:, 0].min()
    room = lowest**-0.05  # from there to 1, and a twentieth of it more on either side
    levels = np.geomspace(room, lowest / room, len(covers))
    shaded = ((covers > 25) & (covers < 45)).mean(axis=1) > 0.6
    # but for the rows of the grid
    assert shaded[(levels < 0.026) & (levels > 0.008)].mean() > 0.9
    assert shaded[levels > 0.034].mean() < 0.1
    assert "Shaded: the usual range, 0.0002 to 0.03." in ratio.inner_text()


def test_a_chart_gets_another_scale_that_a_reload_keeps(view):
    panel = view([KERNEL])
    gradient, m = chart(panel, "gradient_norm"), chart(panel, "m_rms")
    toggle = gradient.get_by_role("button", name="Log scale of Gradient norm")
    assert toggle.get_attribute("aria-pressed") == "true"
    before = median(gradient)
    hover(m, 0.5)
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    until(panel.page, lambda: median(gradient) > before + 0.1)  # of twenty, ten is further down
    address_holds(panel, "scales", "gradient_norm:linear")
    panel.page.reload()
    panel.wait()
    gradient.locator("canvas").wait_for()
    assert toggle.get_attribute("aria-pressed") == "false"
    other = m.get_by_role("button", name="Log scale of")
    assert other.get_attribute("aria-pressed") == "true"
    toggle.focus()
    panel.page.keyboard.press("Enter")
    assert toggle.get_attribute("aria-pressed") == "true"


def test_lines_are_smoothed_by_mouse_keyboard_and_number(view, logdir):
    panel = view([KERNEL])
    gradient = chart(panel, "step_size")
    slider = panel.frame.get_by_label("Smoothing", exact=True)
    number = panel.frame.get_by_label("Smoothing as a number")
    rough = reach(gradient, FIRST_RUN)
    box = slider.bounding_box()
    panel.page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    assert 0.8 < float(number.input_value()) < 0.99
    slider.focus()
    panel.page.keyboard.press("End")
    assert number.input_value() == "0.99"
    panel.page.keyboard.press("ArrowLeft")
    assert number.input_value() == "0.98"
    number.fill("0.95")
    assert slider.input_value() == "0.95"
    until(panel.page, lambda: height(reach(gradient, FIRST_RUN, least=150)) < 0.5 * height(rough))
    smooth = reach(gradient, FIRST_RUN, least=150)
    faint = pixels(gradient)[..., 3]
    assert faint[: int(0.9 * smooth[0] * len(faint))].max() > 50  # the recorded line is still there
    hover(gradient, 0.5)
    step, values = readout(gradient)
    assert "smoothed" in step
    own = [float(word) for word in re.findall(r"[\d.]+", values["clipped"])]
    at = int(re.search(r"[\d,]+", step)[0].replace(",", ""))
    of = adamax_tb.read_runs(logdir)["clipped"]
    raw = of.stat("step_size")[of.steps <= at, of.layers.index(KERNEL)].astype(float)
    weights = 0.95 ** np.arange(len(raw))[::-1]
    mean = np.exp(np.average(np.log(raw), weights=weights))  # on a log scale that of the logarithms
    assert own == pytest.approx([mean, raw[-1]], rel=1e-3)
    address_holds(panel, "smoothing", "0.95")
    panel.page.reload()
    panel.wait()
    chart(panel, "step_size").locator("canvas").wait_for()
    assert slider.input_value() == number.input_value() == "0.95"
    same = pytest.approx(smooth, abs=0.02)
    until(panel.page, lambda: reach(gradient, FIRST_RUN, least=150) == same)
    panel.screenshot("smoothing-light")
    panel.dark()
    panel.screenshot("smoothing-dark")
    panel.dark(False)


def test_smoothing_leaves_nan_where_it_is(view):
    panel = view([OTHER], ["plain"], smoothing="0.9")
    gradient = chart(panel, "gradient_norm")
    strip = inked(gradient, SECOND_RUN)[1:3].all(axis=0)
    (marked,) = np.nonzero(strip)
    assert marked[[0, -1]] / len(strip) == pytest.approx([100 / 199, 109 / 199], abs=0.01)
    assert "plain: NaN at steps 1,010–1,100" in gradient.inner_text()
    hover(gradient, 105 / 199)
    assert readout(gradient)[1] == {"plain": "NaN"}


def by_layer(panel):
    """Returns the colours of the overlaid layers, as their chips have them."""
    chips = panel.frame.locator(".chip").all()
    color = "chip => chip.querySelector('path').getAttribute('stroke')"
    return {chip.locator(".name").inner_text(): chip.evaluate(color) for chip in chips}


def label(panel, layer):
    return panel.frame.get_by_role("treeitem", name=layer)


def test_layers_are_overlaid_from_the_map_the_list_and_taken_away_again(view):
    panel = view([KERNEL])
    label(panel, OTHER).click(modifiers=["Control"])
    panel.frame.get_by_role("heading", name="Curves of 2 layers").wait_for()
    panel.frame.get_by_label("Add a layer").select_option(KERNELS[2])
    panel.frame.get_by_role("heading", name="Curves of 3 layers").wait_for()
    colors = by_layer(panel)
    assert list(colors) == KERNELS[:3]
    assert len(set(colors.values())) == 3
    step = chart(panel, "step_size")
    step.locator(f'[role=img][aria-label*="{KERNELS[2]}"]').wait_for()
    for color in colors.values():
        until(panel.page, lambda color=color: inked(step, color).any(axis=0).mean() > 0.3)
    hover(step, 0.5)
    assert set(readout(step)[1]) == set(KERNELS[:3])
    address_holds(panel, "layers", ",".join(KERNELS[:3]))
    remove = panel.frame.get_by_role("button", name=f"Remove {KERNEL}")
    remove.focus()
    panel.page.keyboard.press("Enter")
    panel.frame.get_by_role("heading", name="Curves of 2 layers").wait_for()
    assert by_layer(panel) == {name: colors[name] for name in (OTHER, KERNELS[2])}
    label(panel, OTHER).click(modifiers=["Control"])
    panel.frame.get_by_role("heading", name=f"Curves of {KERNELS[2]}").wait_for()


def test_a_block_is_overlaid_and_taken_away_as_a_whole(view):
    panel = view([LAYERS[-1][0]])
    block = label(panel, re.compile("block_1, 4 variables"))
    block.click(modifiers=["Control"])
    panel.frame.get_by_role("heading", name="Curves of 5 layers").wait_for()
    assert list(by_layer(panel))[1:] == [name for name, _ in LAYERS[4:8]]
    assert block.get_attribute("aria-selected") == "true"
    block.click(modifiers=["Control"])
    panel.frame.get_by_role("heading", name=f"Curves of {LAYERS[-1][0]}").wait_for()


def test_twenty_layers_are_coloured_by_depth_and_told_as_far_as_there_is_room(view):
    names = [name for name, _ in LAYERS[:20]]
    panel = view(names[::-1])
    assert len(set(by_layer(panel).values())) == 20
    assert "Colour: depth in the model" in panel.frame.locator(".keys").inner_text()
    step = chart(panel, "step_size")
    hover(step, 0.5)
    values = readout(step)[1]
    assert len(values) < 20
    assert f"+{20 - len(values)} more" in step.locator(".readout").inner_text()
    panel.frame.get_by_role("button", name="Remove all but the first").click()
    panel.frame.get_by_role("heading", name=f"Curves of {names[-1]}").wait_for()


def test_runs_and_layers_are_told_apart_by_dash_and_colour(view):
    panel = view([KERNEL, OTHER], ["clipped", "plain", "third"])
    marks = panel.frame.locator("[data-testid=curves] .marks li").all()
    dashes = {
        mark.inner_text(): mark.locator("path").get_attribute("stroke-dasharray") for mark in marks
    }
    assert dashes["clipped"] == ""
    assert len(set(dashes.values())) == 3
    # m is level: both layers' lines lie on each other, a run's above the next one's
    m = chart(panel, "m_rms")
    rows = inked(m, by_layer(panel)[OTHER], least=100)
    thirds = np.array_split(rows, 3)
    solid, dashed, dotted = (third.any(axis=0).mean() for third in thirds)
    assert solid > 0.98
    assert 0.5 < dashed < 0.9
    assert 0.1 < dotted < 0.5
    hover(m, 0.5)
    assert len(readout(m)[1]) == 6
    address_holds(panel, "layers", f"{KERNEL},{OTHER}")
    panel.page.reload()
    panel.wait()
    assert [
        mark.inner_text() for mark in panel.frame.locator("[data-testid=curves] .marks li").all()
    ] == list(dashes)
    assert list(by_layer(panel)) == [KERNEL, OTHER]


def test_eight_layers_are_told_apart(view):
    panel = view(KERNELS[:8], ["clipped"])
    hover(chart(panel, "step_size"), 0.6)
    panel.screenshot("overlay-light")
    panel.dark()
    panel.screenshot("overlay-dark")
    panel.dark(False)
    assert len(set(by_layer(panel).values())) == 8


def test_all_charts_tell_the_step_that_is_pointed_at(view, logdir):
    panel = view([KERNEL])
    step = chart(panel, "step_size")
    before = tops(panel)
    hover(step, 0.3)
    told, values = readout(step)
    at = int(re.sub(r"\D", "", told))
    assert at % 10 == 0
    assert float(values["clipped"]) == pytest.approx(
        recorded(logdir, "clipped", "step_size", KERNEL, at), rel=1e-6
    )
    lines = panel.frame.locator("figure.chart .cursor-line")
    assert lines.count() == panel.frame.locator("figure.chart").count() == 10
    for figure in charts(panel).all():
        assert readout(figure)[0] == told
        assert figure.locator(".chart-cursor .readout").count() == (
            figure.get_attribute("data-statistic") == "step_size"
        )  # the others have their values above the plot, which stays where it is
    assert tops(panel) == before
    line, plot = panel.heatmap.locator(".hover-step"), panel.heatmap.locator(".plot canvas").first
    x, box = line.bounding_box()["x"], plot.bounding_box()
    first, last = int(STEPS[0]), int(STEPS[-1])
    place = first - 1 + (x - box["x"]) / box["width"] * (last - first + 1)
    assert place == pytest.approx(
        at - 5, abs=8
    )  # a column of the map is the ten steps up to its record
    panel.frame.get_by_role("heading", name="Curves of").hover()
    assert lines.count() == 0


def tops(panel):
    return [plot.bounding_box()["y"] for plot in panel.frame.locator(".chart .u-over").all()]


def test_values_of_many_layers_are_told_beside_their_names(view, logdir):
    names = [name for name, _ in LAYERS[:20]]
    panel = view(names, smoothing="0.5")
    panel.frame.get_by_role("heading", name="Curves of").hover()
    assert panel.frame.locator(".chip .value").all_inner_texts() == [""] * 20
    step = chart(panel, "step_size")
    before = tops(panel)
    hover(step, 0.5)
    values = readout(step)[1]
    chips = {
        chip.locator(".name").inner_text(): chip.locator(".value").inner_text()
        for chip in panel.frame.locator(".chip").all()
    }
    assert {name: words.split(" (")[0] for name, words in values.items()}.items() <= chips.items()
    assert all(re.fullmatch(r"[\d.e-]+", words) for words in chips.values())
    assert tops(panel) == before
    panel.screenshot("overlay-values")
    other = chart(panel, "m_rms").locator(".readout")
    assert other.locator(".row").count() == 3
    assert other.locator(".more").inner_text() == "…"
    panel.frame.get_by_role("heading", name="Curves of").hover()
    assert panel.frame.locator(".chip .value").all_inner_texts() == [""] * 20


def test_of_very_many_layers_the_first_are_drawn_and_it_says_so(view):
    names = [name for name, _ in LAYERS]
    panel = view(names, ["clipped", "plain", "third", "x large", "x small"])
    assert "and 5 more layers are not drawn" in panel.frame.locator(".keys").inner_text()
    assert len(by_layer(panel)) == 24
    last = panel.frame.locator(".chip").nth(19).locator("path")
    assert last.get_attribute("stroke") == "none"
    label = chart(panel, "step_size").locator("[role=img]").get_attribute("aria-label")
    assert "and 45 more lines" in label  # of 3 · 19


def test_a_layer_that_is_taken_away_leaves_the_focus_at_the_next_one(view):
    panel = view(KERNELS[:3])
    focused = panel.frame.locator(":focus")
    panel.frame.get_by_role("button", name=f"Remove {KERNELS[1]}").press("Enter")
    panel.frame.get_by_role("heading", name="Curves of 2 layers").wait_for()
    assert focused.get_attribute("aria-label") == f"Remove {KERNELS[2]}"
    panel.page.keyboard.press("Enter")
    panel.frame.get_by_role("heading", name=f"Curves of {KERNEL}").wait_for()
    assert focused.inner_text() == f"Curves of {KERNEL}"
    view(KERNELS[:3])
    panel.frame.get_by_role("button", name="Remove all but the first").press("Enter")
    panel.frame.get_by_role("heading", name=f"Curves of {KERNEL}").wait_for()
    assert focused.inner_text() == f"Curves of {KERNEL}"


def test_the_selected_runs_line_is_the_thickest_and_on_top(view):
    panel = view([KERNEL], ["clipped", "plain"])
    m = chart(panel, "m_rms")  # two level lines
    thick = {
        color: inked(m, color, least=100).any(axis=1).sum() for color in (FIRST_RUN, SECOND_RUN)
    }
    assert thick[FIRST_RUN] > thick[SECOND_RUN]
    panel.select("plain")
    until(panel.page, lambda: inked(m, SECOND_RUN, least=100).any(axis=1).sum() > 2)
    label = m.locator("[role=img]").get_attribute("aria-label")
    assert label.index("clipped") < label.index("plain")


@pytest.mark.parametrize("run", ["y negative", "y one"])
def test_odd_losses_are_seen(view, run):
    panel = view(["dense_1/kernel"], [run])
    loss = panel.frame.locator("[data-testid=steps] figure[data-statistic=loss]")
    loss.scroll_into_view_if_needed()
    panel.screenshot(run.replace(" ", "-"))
    panel.dark()
    panel.screenshot(f"{run.replace(' ', '-')}-dark")
    panel.dark(False)
    toggle = loss.get_by_role("button", name="Log scale of Loss")
    color = swatch(panel, run)
    if run == "y one":
        assert toggle.get_attribute("aria-pressed") == "true"
        rows, columns = (np.ptp(where) for where in np.nonzero(inked(loss, color)))
        assert min(rows, columns) >= 6  # a dot
        assert panel.row(run).locator(".spark path.point").count() == 1
        return
    assert toggle.get_attribute("aria-pressed") == "false"
    top, bottom = reach(loss, color)
    assert top < 0.15
    assert bottom > 0.85
    assert "zero" not in loss.inner_text()
    toggle.click()
    loss.get_by_text("y negative: zero or less at steps 21–40").wait_for()
    hover(loss, 0.99)
    assert readout(loss) == ("step 40", {"y negative": "-1"})


def swatch(panel, run):
    color = "swatch => getComputedStyle(swatch).backgroundColor"
    return hexadecimal(panel.row(run).locator(".swatch").evaluate(color))


def test_a_learning_rate_over_two_decades_is_on_a_log_scale(view):
    panel = view(["dense_1/kernel"], ["y negative"])
    scale = "[data-testid=steps] figure[data-statistic=learning_rate] .scale-toggle"
    assert panel.frame.locator(scale).get_attribute("aria-pressed") == "true"
    view([KERNEL])
    assert panel.frame.locator(scale).get_attribute("aria-pressed") == "false"


def test_a_step_is_let_go_by_a_click_on_it_and_by_escape(view):
    panel = view([KERNEL])
    over = chart(panel, "step_size").locator(".u-over")
    place = {"x": over.bounding_box()["width"] * 0.3, "y": 40}
    panel.drawn(step="")
    over.click(position=place)
    panel.frame.locator("[data-testid=heatmap]:not([data-step=''])").wait_for()
    panel.page.wait_for_timeout(600)  # or these are a double click
    over.click(position=place)
    panel.drawn(step="")
    panel.page.wait_for_timeout(600)
    over.click(position=place)
    panel.frame.locator("[data-testid=heatmap]:not([data-step=''])").wait_for()
    panel.page.keyboard.press("Escape")
    panel.drawn(step="")


def test_a_double_click_shows_all_and_leaves_the_step(view):
    for step in ([], ["1200"]):
        panel = view([KERNEL], steps="1000-1500", **({"step": step} if step else {}))
        panel.drawn(zoom="1000-1500", step="".join(step))
        chart(panel, "step_size").locator(".u-over").dblclick(position={"x": 50, "y": 40})
        panel.drawn(zoom="", step="".join(step))


def test_keys_keep_the_step_in_view_however_far_apart_records_are(view):
    panel = view([KERNEL], steps="1001-1004")
    step = chart(panel, "step_size")
    step.get_by_role("group").focus()
    for at in (1010, 1020, 1030):
        panel.page.keyboard.press("ArrowRight")
        panel.frame.locator(f"figure .readout .at:text-is('step {at:,}')").first.wait_for()
        first, last = map(int, panel.heatmap.get_attribute("data-zoom").split("-"))
        assert first <= at <= last


def test_keys_move_the_step_by_a_record_and_select_it(view, logdir):
    panel = view([KERNEL])
    step = chart(panel, "step_size")
    step.get_by_role("group").focus()
    said = step.get_by_role("status")
    for key, at in (("End", 2000), ("ArrowLeft", 1990), ("Home", 10), ("ArrowRight", 20)):
        panel.page.keyboard.press(key)
        words = f"step {at:,}; clipped "
        assert said.inner_text().startswith(words)
        value = recorded(logdir, "clipped", "step_size", KERNEL, at)
        assert float(said.inner_text().removeprefix(words)) == pytest.approx(value, rel=1e-6)
    panel.page.keyboard.press("Enter")
    panel.drawn(step=20)
    address_holds(panel, "step", "20")


def test_a_drag_in_a_chart_is_the_window_of_all_and_the_values_range_is_the_windows(view):
    panel = view([KERNEL])
    ratio = chart(panel, "update_ratio")
    assert height(reach(ratio, FIRST_RUN)) > 0.8
    spread = np.ptp(
        np.flatnonzero(inked(ratio, FIRST_RUN)[:, 60:].any(axis=1))
    )  # but for the first step's 1
    box = ratio.locator(".u-over").bounding_box()
    for part, act in ((0.5, panel.page.mouse.down), (0.75, panel.page.mouse.up)):
        panel.page.mouse.move(box["x"] + part * box["width"], box["y"] + 60, steps=4)
        act()
    panel.frame.locator('[data-testid=heatmap]:not([data-zoom=""])').wait_for()
    first, last = map(int, panel.heatmap.get_attribute("data-zoom").split("-"))
    assert (first, last) == (pytest.approx(1005, abs=12), pytest.approx(1502, abs=12))
    panel.settled()
    assert ratio.locator(".u-select").bounding_box()["width"] == 0
    # the pointer rests at three quarters of another window
    rested = int(re.sub(r"\D", "", readout(ratio)[0]))
    assert rested == pytest.approx(first + 0.75 * (last - first), abs=12)
    until(
        panel.page,
        lambda: np.ptp(np.flatnonzero(inked(ratio, FIRST_RUN).any(axis=1))) > 1.5 * spread,
    )
    for figure in panel.frame.locator("figure.chart").all():
        hover(figure, 0.02)
        assert first <= int(re.sub(r"\D", "", readout(figure)[0])) < first + 20
    ratio.locator(".u-over").dblclick()
    panel.drawn(zoom="")


@pytest.mark.parametrize("run", ["x large", "x small"])
def test_every_chart_has_numbers_on_its_axis(view, run):
    panel = view(["dense_1/kernel"], [run])
    figures = panel.frame.locator("figure.chart").all()
    ink = {c.get_attribute("data-statistic"): c.evaluate(INK_BESIDE_THE_PLOT) for c in figures}
    assert len(ink) == 10
    assert min(ink.values()) > 50, ink


def test_what_is_level_is_so_when_it_is_smoothed(view):
    panel = view([KERNEL], smoothing="0.95")
    rate = panel.frame.locator("[data-testid=steps] figure[data-statistic=learning_rate]")
    assert rate.evaluate(INK_BESIDE_THE_PLOT) > 50
    top, bottom = reach(rate, FIRST_RUN)
    assert bottom - top < 0.03


def test_a_spike_between_two_records_stands_out_of_the_gradients_curve(view):
    panel = view(["dense_1/kernel"], ["x spike"])
    gradient = chart(panel, "gradient_norm")
    panel.screenshot("spike")
    assert "largest of all steps since the record before" in gradient.inner_text()
    color = (
        panel.row("x spike")
        .locator(".swatch")
        .evaluate("swatch => getComputedStyle(swatch).backgroundColor")
    )
    top, bottom = reach(gradient, hexadecimal(color))
    assert top < 0.15
    assert bottom > 0.85
    label = gradient.locator("[role=img]").get_attribute("aria-label")
    assert label.endswith("highest 10,000")
    hover(gradient, 500 / 990)
    assert readout(gradient) == ("step 510", {"x spike": "1 (to 10,000)"})
    panel.heatmap.locator("#layer").select_option("dense_1/bias")
    text = gradient.locator("p", has_text="x spike: +∞ between steps 750 and 760")
    text.wait_for(timeout=10_000)


def test_a_loss_between_two_records_stands_out_of_the_losss_curve_and_of_the_timeline(view):
    panel = view(["dense_1/kernel"], ["x spike"])
    loss = panel.frame.locator("[data-testid=steps] figure[data-statistic=loss]")
    assert "largest of all steps since the record before" in loss.inner_text()
    label = loss.locator("[role=img]").get_attribute("aria-label")
    assert label.endswith("highest 1e+20")
    hover(loss, 500 / 990)
    assert readout(loss) == ("step 510", {"x spike": "11.2 (to 1e+20)"})
    timeline = panel.frame.locator(".timeline canvas").get_attribute("aria-label")
    assert timeline == "Loss of x spike: from 1.2 to 21, highest 1e+20"


def test_a_layer_that_many_runs_lack_is_told_in_one_line(view):
    lacking = ["y adagrad", "y sgd", "y negative", "x spike", "x large", "x small"]
    panel = view([KERNEL], ["clipped", *lacking, "plain"])
    text = panel.frame.locator("[data-testid=curves]").inner_text()
    (line,) = [line for line in text.splitlines() if line.startswith("No layer of this name")]
    assert line.endswith("and 2 more.")


def test_only_charts_that_a_shown_run_has_numbers_for_are_there(view):
    panel = view(["dense_1/kernel"], ["y adagrad", "y sgd"])
    both = [figure.get_attribute("data-statistic") for figure in charts(panel).all()]
    assert both == [
        "gradient_norm",
        "momentum_rms",
        "accumulator_mean",
        "update_ratio",
        "descent_share",
    ]
    accumulator = chart(panel, "accumulator_mean")
    assert "Not recorded: y sgd (SGD)" in accumulator.inner_text()
    assert "smallest entry to the largest" in accumulator.inner_text()
    panel.frame.get_by_label("Show y adagrad in the curves").uncheck()
    accumulator.wait_for(state="detached")
    left = [figure.get_attribute("data-statistic") for figure in charts(panel).all()]
    assert left == ["gradient_norm", "momentum_rms", "update_ratio", "descent_share"]
