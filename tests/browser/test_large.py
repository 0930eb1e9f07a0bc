"""Runs too large to be sent whole: shown in levels of detail, of which none loses what alarms."""

import re
import subprocess
import sys

import numpy as np
import pytest
from panel import Panel
from synthetic import ADAMAX, LAYERS, healthy_stats, table, write_run

from adamax_tb.writer import EventWriter

RECORDS = 20_000
SPIKE, NAN = 12_345, 7_000  # the steps of one record each
STATISTICS = ("gradient_norm", "u_mean", "update_ratio")
NAN_COLOR, HIGHEST_COLOR = (255, 31, 168), (253, 231, 37)


@pytest.fixture(scope="module")
def long_logdir(tmp_path_factory):
    """A run of 20,000 records with a spike in the first layer, and a NaN in the second."""
    logdir = tmp_path_factory.mktemp("long")
    norms = np.exp(np.random.default_rng(0).normal(0, 0.3, (RECORDS, len(LAYERS)))).astype("f4")
    norms[SPIKE - 1, 0] = 1e4
    norms[NAN - 1, 1] = np.nan
    losses = np.exp(-np.arange(RECORDS) / 5000)
    losses[SPIKE - 1] = 50.0
    steps = range(1, RECORDS + 1)
    write_run(logdir / "run", steps, {"gradient_norm": norms}, losses, only=STATISTICS)
    return logdir


COLORED = """(canvas, [row, rows, color]) => {
    const y = Math.floor(canvas.height * (row + 0.5) / rows);
    const xs = [];
    // some lines of the row: patterns have ink among their colour
    for (let line = y - 2; line < y + 3; line++) {
        const {data} = canvas.getContext('2d').getImageData(0, line, canvas.width, 1);
        for (let at = 0; at < data.length; at += 4)
            if (color.every((value, channel) => data[at + channel] === value)) xs.push(at / 4);
    }
    return xs.map(x => (x + 0.5) / canvas.width);
}"""


def colored(panel, row, color):
    """Returns where, as parts of its width, a row of the heat map has a color."""
    canvas = panel.heatmap.locator(".plot canvas")
    parts = canvas.evaluate(COLORED, [row, len(LAYERS), color])
    assert parts, "nowhere"
    return parts


def point(panel, part, row):
    """Moves the pointer to a row and a part of the heat map's width; returns what the tooltip says."""
    box = panel.heatmap.locator(".plot canvas").bounding_box()
    top = panel.heatmap.locator(".map").bounding_box()["y"] + 4
    panel.page.mouse.move(box["x"] + box["width"] * part, top + 20 * row + 10)
    return panel.heatmap.locator(".tip").inner_text()


def drag(panel, start, end):
    """Zooms in to what lies between two parts of the heat map's width."""
    box = panel.heatmap.locator(".plot canvas").bounding_box()
    panel.page.mouse.move(box["x"] + box["width"] * start, box["y"] + 10)
    panel.page.mouse.down()
    panel.page.mouse.move(box["x"] + box["width"] * end, box["y"] + 10, steps=3)
    panel.page.mouse.up()


def window(panel):
    """Returns the first and the last step that are shown."""
    first, last = panel.heatmap.get_attribute("data-zoom").split("-")
    return int(first), int(last)


def test_one_record_of_twenty_thousand_is_seen_and_named(chromium, serve, long_logdir):
    panel = Panel(chromium, serve(long_logdir)).wait()
    assert int(panel.heatmap.get_attribute("data-per")) == 32
    spikes = colored(panel, 0, HIGHEST_COLOR)
    assert np.ptp(spikes) < 0.004
    assert np.mean(spikes) == pytest.approx(SPIKE / RECORDS, abs=0.004)
    nans = colored(panel, 1, NAN_COLOR)
    assert np.ptp(nans) < 0.004
    assert np.mean(nans) == pytest.approx(NAN / RECORDS, abs=0.004)
    tip = point(panel, np.mean(spikes), 0)
    assert "steps 12,321–12,352" in tip
    assert tip.endswith("to 10,000")
    tip = point(panel, np.mean(nans), 1)
    assert "steps 6,977–7,008" in tip
    assert "NaN among them" in tip
    panel.screenshot("large-light")
    loss = panel.frame.locator("figure[data-statistic=loss]")
    assert loss.locator("[role=img]").get_attribute("aria-label").endswith("highest 50")
    assert "Mean of up to 64 records" in loss.inner_text()
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.heatmap.locator("#layer").select_option("dense_1/bias")
    curve = panel.frame.locator("[data-testid=curves] figure[data-statistic=gradient_norm]")
    curve.get_by_text("run: NaN among steps 6,977–7,040").wait_for()
    panel.screenshot("large-dark")
    assert panel.complaints == []


def test_a_zoom_is_drawn_at_once_and_again_when_its_details_are_there(chromium, serve, long_logdir):
    panel = Panel(chromium, serve(long_logdir)).wait()
    held = []
    panel.page.route("**/statistic*first=*", lambda request: held.append(request))
    drag(panel, 0.6, 0.63)
    first, last = window(panel)
    assert (first, last) == pytest.approx((12_000, 12_600), abs=64)
    assert panel.heatmap.get_attribute("data-per") == "32"
    coarse = colored(panel, 0, HIGHEST_COLOR)
    where = (SPIKE - first) / (last - first)
    assert np.mean(coarse) == pytest.approx(where, abs=0.03)
    assert np.ptp(coarse) > 0.02
    panel.page.wait_for_timeout(500)
    assert len(held) == 4  # heat map, loss, its peaks and learning rate
    for request in held:
        request.continue_()
    panel.drawn(per=0)
    fine = colored(panel, 0, HIGHEST_COLOR)
    assert np.ptp(fine) < 0.004
    assert np.mean(fine) == pytest.approx(where, abs=0.004)
    tip = point(panel, np.mean(fine), 0)
    assert "step 12,345" in tip
    assert tip.endswith("10,000")
    panel.screenshot("large-zoom")
    panel.heatmap.get_by_role("button", name="show all").click()
    panel.drawn(per=32, zoom="")
    assert panel.complaints == []


def test_wheel_and_keys_move_the_window_and_only_those_meant_for_it(chromium, serve, long_logdir):
    panel = Panel(chromium, serve(long_logdir), height=700).wait()
    box = panel.heatmap.locator(".plot canvas").bounding_box()
    panel.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    mouse, keyboard = panel.page.mouse, panel.page.keyboard
    scrolled = panel.frame.locator("html")
    keyboard.down("Control")
    for _ in range(4):
        mouse.wheel(0, -200)
        panel.page.wait_for_timeout(50)
    keyboard.up("Control")
    first, last = window(panel)
    assert 5000 < first < last < 15_000
    assert (first + last) / 2 == pytest.approx(RECORDS / 2, abs=100)
    assert scrolled.evaluate("html => html.scrollTop") == 0
    keyboard.down("Shift")
    mouse.wheel(0, 300)
    panel.page.wait_for_timeout(100)
    keyboard.up("Shift")
    right = window(panel)
    assert right[0] > first
    assert right[1] - right[0] == last - first
    mouse.wheel(-100_000, 0)
    panel.page.wait_for_timeout(100)
    assert window(panel) == (1, last - first + 1)
    plot = panel.heatmap.locator(".plot")
    plot.focus()
    keyboard.press("ArrowRight")
    tenth = window(panel)
    assert tenth[0] - 1 == pytest.approx((last - first + 1) / 10, abs=1)
    keyboard.press("ArrowLeft")
    assert window(panel)[0] == 1
    keyboard.press("+")
    narrow = window(panel)
    assert narrow[1] - narrow[0] == pytest.approx((last - first) / 1.5, abs=2)
    keyboard.press("-")
    assert window(panel)[1] - window(panel)[0] == pytest.approx(last - first, abs=2)
    keyboard.press("0")
    panel.drawn(zoom="")
    keyboard.press("ArrowRight")
    assert panel.heatmap.get_attribute("data-zoom") == ""
    mouse.wheel(0, 120)
    panel.page.wait_for_timeout(300)
    assert scrolled.evaluate("html => html.scrollTop") > 0
    assert panel.heatmap.get_attribute("data-zoom") == ""
    assert panel.complaints == []


INTERVAL_S = 2


def test_a_run_in_training_grows_by_itself_and_stays_where_it_is_looked_at(
    chromium, serve, tmp_path
):
    layers = [(f"block_{i}/kernel", (2, 2)) for i in range(300)]
    rows = table(layers)
    rows.statistics[:] = STATISTICS
    writer = EventWriter(str(tmp_path / "live"), rows)

    def write(first, last):
        steps = np.arange(first, last + 1)
        stats = {name: healthy_stats(steps, layers)[name] for name in STATISTICS}
        writer.write(
            steps, stats, {"loss": np.ones(len(steps)), "learning_rate": np.ones(len(steps))}
        )
        writer.flush()

    write(1, 2500)
    panel = Panel(chromium, serve(tmp_path, f"--reload_interval={INTERVAL_S}")).wait()
    panel.frame.locator("tr[data-run=live][data-verdict=healthy]").wait_for(timeout=20_000)
    panel.heatmap.locator("#layer").select_option("block_200/kernel")
    panel.frame.locator("[data-testid=curves] figure canvas").first.wait_for()
    drag(panel, 0.2, 0.4)
    panel.drawn(per=0)
    zoom = window(panel)
    rows_box = panel.heatmap.locator(".map")
    rows_box.evaluate("map => map.scrollTop = 150")
    panel.page.wait_for_timeout(500)
    before = panel.page.evaluate("performance.now()")
    asked = []
    panel.page.on("request", lambda request: asked.append(request.url))
    write(2501, 2550)
    panel.frame.locator("tr[data-run=live]", has_text="2,550 steps").wait_for(
        timeout=2000 * INTERVAL_S + 1000  # the second is the browser's own, on a busy machine
    )
    print("shown after", panel.page.evaluate("performance.now()") - before, "ms")
    panel.page.wait_for_timeout(1000)
    assert window(panel) == zoom
    assert panel.heatmap.get_attribute("data-layer") == "block_200/kernel"
    assert rows_box.evaluate("map => map.scrollTop") == 150
    tables = [url for url in asked if "/statistic?" in url or "/layer?" in url]
    assert len(tables) == 5  # heat map, loss, its peaks, learning rate and the layer's curves
    assert all("first=" in url and "per=" in url for url in tables), tables
    assert all("pixels=" not in url for url in tables), tables
    runs = [url for url in asked if "/runs?" in url]
    assert runs
    assert all("since=" in url for url in runs)
    panel.heatmap.get_by_role("button", name="show all").click()
    panel.frame.locator("html").evaluate("html => html.scrollTo(0, 0)")
    assert re.search(r"steps 2,52\d–2,52\d", point(panel, 0.99, 0))  # among those that came
    quiet = len(asked)
    panel.page.wait_for_timeout(2500 * INTERVAL_S)
    assert all("/runs?" in url for url in asked[quiet:])  # nothing changed, nothing was fetched
    assert len(asked) > quiet
    writer.close()
    assert panel.complaints == []


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_a_downloaded_run_is_what_the_command_exports(chromium, serve, tmp_path, name):
    logdir = tmp_path / "runs"
    write_run(logdir / "a run", range(1, 51), has=ADAMAX)
    panel = Panel(chromium, serve(logdir)).wait()
    with panel.page.expect_download() as download:
        panel.frame.get_by_label(f"Download a run as {name}", exact=False).click()
    exported = tmp_path / f"exported.{name}"
    command = [sys.executable, "-m", "adamax_tb.cli", "export", str(logdir), "--run", "a run"]
    subprocess.run([*command, "--format", name, "-o", str(exported)], check=True, timeout=120)
    assert download.value.suggested_filename == f"a_run.{name}"
    assert download.value.path().read_bytes() == exported.read_bytes()
    assert panel.complaints == []


def test_a_run_that_cannot_be_downloaded_says_why(chromium, serve, long_logdir):
    flags = ("--optimizer_health_memory=1MB",)
    panel = Panel(chromium, serve(long_logdir, *flags)).wait()
    banner = panel.frame.locator("section.verdict")
    banner.get_by_role("link", name="CSV").click()
    alert = banner.get_by_role("alert")
    alert.wait_for()
    assert "Export it from the files: adamax-tb export" in alert.inner_text()
    panel.screenshot("large-summarised")
    tip = point(panel, 0.01, 0)
    assert "summarised" in tip
