"""The brush over a whole run: a window of steps drawn, moved and resized, by pointer and by keys."""

import numpy as np
import pytest
from panel import Panel
from synthetic import LAYERS, write_run

STEPS = np.arange(1, 401)
NAN_STEP, RESTART = 150, 261


def write_runs(logdir):
    """Writes a run of 400 steps with a NaN in a layer and in its loss, and a restart later."""
    norms = np.ones((400, 4), np.float32)
    norms[NAN_STEP - 1, 2] = np.nan
    loss = np.linspace(2, 0.1, 400)
    loss[NAN_STEP - 1] = np.nan
    write_run(
        logdir / "run",
        STEPS,
        {"gradient_norm": norms, "nonfinite": np.isnan(norms).astype(np.float32)},
        loss,
        step_stats={"restarts": STEPS == RESTART, "since_restart": np.zeros(400)},
    )


@pytest.fixture(scope="module")
def page(chromium, serve_all, tmp_path_factory):
    logdir = tmp_path_factory.mktemp("brush")
    write_runs(logdir)
    return Panel(chromium, serve_all(logdir)).wait()


@pytest.fixture
def panel(page):
    """The module's one page, all of whose steps are shown."""
    show(page, "")
    yield page
    page.page.mouse.move(1, 1)
    assert page.complaints == []


def show(panel, steps):
    """Makes the page show a window of steps, and nothing selected."""
    steps = f"&p.optimizer_health.steps={steps}" if steps else ""
    # what the page does not know leaves the address when the view has come and rested
    words = f"optimizer_health&p.optimizer_health.run=run{steps}&p.optimizer_health.fresh=1"
    panel.page.evaluate("hash => { location.hash = hash }", words)
    panel.page.wait_for_function("!location.hash.includes('fresh=')")


def track(panel):
    return panel.frame.locator(".track")


def at(panel, step):
    """Returns where the middle of a step is in the brush."""
    box = track(panel).bounding_box()
    return box["x"] + box["width"] * (step - 0.5) / 400, box["y"] + 14


def drag(panel, start, end, release=True):
    """Drags in the brush from the middle of one step to that of another."""
    panel.page.mouse.move(*at(panel, start))
    panel.page.mouse.down()
    panel.page.mouse.move(*at(panel, (start + end) / 2))
    panel.page.mouse.move(*at(panel, end))
    if release:
        panel.page.mouse.up()


def window(panel):
    first, last = panel.heatmap.get_attribute("data-zoom").split("-")
    return int(first), int(last)


def slider(panel, name):
    return panel.frame.get_by_role("slider", name=name)


def now(panel):
    """Returns what the two handles say."""
    names = ("First step shown", "Last step shown")
    return tuple(int(slider(panel, name).get_attribute("aria-valuenow")) for name in names)


def test_a_drag_over_empty_space_makes_a_window_when_it_ends(panel):
    assert slider(panel, "Window of steps shown").count() == 0
    assert "all steps: 1–400" in panel.frame.locator(".timeline").inner_text()
    drag(panel, 101, 200, release=False)
    lit = slider(panel, "Window of steps shown")
    lit.wait_for()
    assert now(panel) == (101, 200)
    assert panel.heatmap.get_attribute("data-zoom") == ""
    panel.page.mouse.up()
    panel.drawn(zoom="101-200", step="")
    box, whole = lit.bounding_box(), track(panel).bounding_box()
    edges = [(box["x"] - whole["x"]) / whole["width"], box["width"] / whole["width"]]
    assert edges == pytest.approx([100 / 400, 100 / 400], abs=0.002)
    assert panel.frame.locator(".track .unlit").count() == 2
    drag(panel, 350, 301)  # beside the window: another one, from right to left
    panel.drawn(zoom="301-350", step="")
    panel.screenshot("brush-light")
    panel.dark()
    panel.screenshot("brush-dark")
    panel.dark(False)
    panel.frame.locator(".timeline").get_by_role("button", name="show all").click()
    panel.drawn(zoom="")
    assert now(panel) == (1, 400)


def test_the_lit_part_is_moved_no_further_than_there_are_steps(panel):
    show(panel, "101-200")
    drag(panel, 150, 250)
    panel.drawn(zoom="201-300", step="")
    drag(panel, 250, 399)
    panel.drawn(zoom="301-400")
    drag(panel, 350, 2)
    panel.drawn(zoom="1-100")


def test_the_handles_resize_the_window(panel):
    show(panel, "101-200")
    drag(panel, 100.5, 50.5)
    panel.drawn(zoom="51-200", step="")
    drag(panel, 200.5, 300.5)
    panel.drawn(zoom="51-300", step="")
    drag(panel, 50.5, 390)  # no further than the other handle
    panel.drawn(zoom="300-300")


def test_a_handle_at_the_end_of_all_steps_begins_a_window(panel):
    drag(panel, 400.5, 300.5)
    panel.drawn(zoom="1-300", step="")


def test_keys_move_the_ends_and_the_whole_window(panel):
    show(panel, "101-200")
    press = panel.page.keyboard.press
    first, last = slider(panel, "First step shown"), slider(panel, "Last step shown")
    first.focus()
    press("ArrowRight")
    panel.drawn(zoom="105-200")
    assert first.get_attribute("aria-valuetext") == "step 105"
    press("Shift+ArrowLeft")
    panel.drawn(zoom="65-200")
    press("Home")
    panel.drawn(zoom="1-200")
    last.focus()
    press("PageUp")
    panel.drawn(zoom="1-240")
    assert last.get_attribute("aria-valuemin") == "1"
    assert last.get_attribute("aria-valuemax") == "400"
    press("End")
    panel.drawn(zoom="")
    press("ArrowLeft")
    panel.drawn(zoom="1-396")
    press("Shift+ArrowLeft")
    whole = slider(panel, "Window of steps shown")
    whole.focus()
    press("ArrowRight")
    panel.drawn(zoom="5-360")
    assert whole.get_attribute("aria-valuetext") == "steps 5 to 360"
    press("End")
    panel.drawn(zoom="45-400")
    press("0")
    panel.drawn(zoom="", step="")


def test_the_wheel_zooms_around_the_step_under_it_and_pans(panel):
    panel.page.mouse.move(*at(panel, 100))
    panel.page.keyboard.down("Control")
    panel.page.mouse.wheel(0, -200)
    panel.page.keyboard.up("Control")
    panel.frame.locator("[data-testid=heatmap]:not([data-zoom=''])").wait_for()
    first, last = window(panel)
    assert last - first + 1 == pytest.approx(400 * np.exp(-0.6), abs=2)
    assert (100 - first) / (last - first) == pytest.approx(0.25, abs=0.02)
    panel.page.keyboard.down("Shift")
    panel.page.mouse.wheel(0, 100_000)
    panel.page.keyboard.up("Shift")
    panel.drawn(zoom=f"{400 - (last - first)}-400")


def test_a_click_selects_a_step_and_a_double_click_only_shows_all(panel):
    show(panel, "101-200")
    panel.page.mouse.dblclick(*at(panel, 120))
    panel.drawn(zoom="")
    panel.page.wait_for_timeout(400)  # longer than a click waits for another
    assert panel.heatmap.get_attribute("data-step") == ""
    panel.page.mouse.click(*at(panel, 120))
    panel.drawn(zoom="", step=120)
    chosen = panel.frame.locator(".track .selected").bounding_box()
    assert chosen["x"] + 1 == pytest.approx(at(panel, 120)[0], abs=1)
    show(panel, "101-200")
    panel.page.mouse.click(*at(panel, 180))
    panel.drawn(zoom="101-200", step=180)
    panel.page.mouse.click(*at(panel, 300))
    panel.drawn(zoom="101-200", step=300)


def test_findings_and_restarts_stand_at_their_steps_and_lead_there(panel):
    layer = LAYERS[2][0]
    marks = panel.frame.locator(".timeline .event")
    words = [mark.get_attribute("aria-label") for mark in marks.all()]
    assert words == [
        f"critical: nonfinite in {layer} since step {NAN_STEP}",
        f"restart at step {RESTART}",
    ]
    boxes = [mark.bounding_box()["x"] + 6 for mark in marks.all()]
    restart = at(panel, RESTART - 0.5)[0]  # before its step
    assert boxes == pytest.approx([at(panel, NAN_STEP)[0], restart], abs=1)
    marks.nth(1).click()
    panel.drawn(step=RESTART, layer="")
    panel.page.keyboard.press("ArrowLeft")
    panel.page.keyboard.press("Enter")
    panel.drawn(step=NAN_STEP, layer=layer, statistic="nonfinite", zoom="")
    assert panel.frame.locator("article.finding.current").count() == 1


LOSS_AT = """(canvas, part) => {
    const x = Math.floor(part * canvas.width);
    const {data} = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height);
    return Array.from({length: canvas.height}, (_, y) => Array.from(data.slice(4 * y, 4 * y + 4)));
}"""


def test_the_loss_is_drawn_and_its_nan_marked_above_it(panel):
    canvas = track(panel).locator("canvas")
    assert canvas.get_attribute("aria-label") == "Loss of run: from 2 to 0.1"

    def column(step):
        return canvas.evaluate(LOSS_AT, (step - 0.5) / 400)

    tops = [next(y for y, pixel in enumerate(column(step)) if pixel[3]) for step in (2, 200, 390)]
    assert tops == sorted(tops)  # it falls
    assert tops[0] < 6 < tops[1] < tops[2]
    assert column(NAN_STEP)[0] == [255, 31, 168, 255]


def test_the_brush_stays_in_sight_and_follows_the_width_of_the_page(panel):
    wide = track(panel).bounding_box()["width"]
    html = panel.frame.locator("html")
    try:
        panel.page.set_viewport_size({"width": 900, "height": 600})
        bar = panel.frame.locator(".run-bar").bounding_box()
        box = track(panel).bounding_box()
        assert box["x"] + box["width"] <= bar["x"] + bar["width"]
        assert box["width"] < wide
        html.evaluate("html => html.scrollTo(0, 500)")
        assert html.evaluate("html => html.scrollTop") > 300
        top = panel.page.locator("iframe").bounding_box()["y"]
        assert 0 < track(panel).bounding_box()["y"] - top < 120
    finally:
        html.evaluate("html => html.scrollTo(0, 0)")
        panel.page.set_viewport_size({"width": 1280, "height": 1500})
