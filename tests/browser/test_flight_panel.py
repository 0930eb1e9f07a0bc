"""The flight record on the page: the last updates before something went wrong, each of them."""

import re

import numpy as np
import pytest
from crash import crash
from panel import Panel
from plots import FIRST_RUN, INK_BESIDE_THE_PLOT, hover, reach
from synthetic import write_run


@pytest.fixture(scope="module")
def crashed(tmp_path_factory, serve_all):
    """The address of a run that crashed, and of one that is fine."""
    logdir = tmp_path_factory.mktemp("flight")
    crash(logdir / "crashed")
    write_run(logdir / "fine", range(10, 401, 10))
    return serve_all(logdir)


@pytest.mark.parametrize("width", [900, 1600])
def test_the_flight_record_of_a_crash_is_shown(chromium, crashed, width):
    panel = Panel(chromium, crashed, width=width, height=2000).wait()
    flight = panel.frame.locator("[data-testid=flight]")
    sentence = "The last 128 updates until a gradient that is not finite was noticed, steps 273–400"
    assert sentence in flight.inner_text()
    assert "fine:" not in flight.inner_text()
    layer = panel.frame.locator("article.finding").first.get_attribute("data-layer")
    assert flight.get_attribute("data-layer") == layer  # before one is selected
    panel.heatmap.locator("#layer").select_option("dense_2/kernel")
    flight.locator("figure", has_text="Gradient norm of dense_2/kernel").wait_for()
    charts = {c.get_attribute("data-statistic"): c for c in flight.locator("figure").all()}
    assert set(charts) == {"gradient_norm", "loss"}
    panel.screenshot(f"flight-light-{width}")
    for chart in charts.values():
        assert chart.evaluate(INK_BESIDE_THE_PLOT) > 50
        top, bottom = reach(chart, FIRST_RUN)
        assert top < 0.15
        assert bottom > 0.85
        assert "crashed: NaN at step 400" in chart.inner_text()
    label = charts["loss"].locator("[role=img]").get_attribute("aria-label")
    assert "at step 273 to NaN at step 400, highest" in label
    for card in panel.frame.locator("article.finding").all():
        rule, layer, step = (card.get_attribute(f"data-{at}") for at in ("rule", "layer", "step"))
        assert f"crashed: {rule} in {layer} at step {step}" in flight.inner_text()
    over = charts["loss"].locator(".u-over")
    box = over.bounding_box()
    over.click(position={"x": box["width"] * (390 - 272.5) / 128, "y": 40})
    panel.drawn(step=390)
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.screenshot(f"flight-dark-{width}")
    panel.frame.get_by_label("Show crashed in the curves").uncheck()
    assert sentence in flight.inner_text()  # it is about the selected run, drawn elsewhere or not
    panel.select("fine")
    flight.wait_for(state="detached")
    assert panel.complaints == []


def test_stretches_of_a_flight_record_far_apart_are_drawn_side_by_side(chromium, serve, tmp_path):
    crash(tmp_path / "crashed")
    flight = {"steps": np.r_[101:165, 1873:2001], "reason": "interrupt"}
    write_run(tmp_path / "interrupted", range(10, 2001, 10), flight=flight)
    panel = Panel(chromium, serve(tmp_path), height=2000).wait()
    panel.select("interrupted")
    section = panel.frame.locator("[data-testid=flight]")
    assert "crashed:" not in section.inner_text()
    assert "192 updates in several stretches between steps 101 and 2,000" in section.inner_text()
    section.get_by_text("steps between, not kept").wait_for()
    assert section.locator(".loading").count() == 0
    chart = section.locator("figure[data-statistic=loss]")
    chart.locator("canvas").wait_for()
    panel.screenshot("flights")
    # two stretches of 64 and 128 updates, each as wide as it has updates
    told = []
    for part in (0.02, 0.3, 0.38, 0.98):
        hover(chart, part)
        told.append(int(re.sub(r"\D", "", chart.locator(".readout .at").inner_text())))
    assert 101 <= told[0] < 110
    assert 150 < told[1] <= 164
    assert 1873 <= told[2] < 1890
    assert 1990 < told[3] <= 2000
    assert panel.complaints == []


def test_the_banner_says_what_recording_took_and_what_loss_scaling_did(chromium, serve, tmp_path):
    crash(tmp_path / "crashed")
    numbers = {"overhead": np.full(40, 0.0002), "loss_scale": np.ones(40), "skipped_steps": 0}
    write_run(
        tmp_path / "plain",
        range(1, 41),
        step_stats={**numbers, "skipped_steps": np.zeros(40)},
    )
    write_run(tmp_path / "unknown", range(1, 41))
    panel = Panel(chromium, serve(tmp_path)).wait()
    banner = panel.frame.locator("section.verdict")
    assert "recording took 1.3 % of the time" in banner.inner_text()
    assert "loss scale 16,384, 3 batches skipped" in banner.inner_text()
    scale = panel.frame.locator("figure[data-statistic=loss_scale]")
    assert "No loss scaling: plain, unknown" in scale.inner_text()
    panel.frame.locator("tr[data-run=plain] input[type=radio]").check()
    panel.drawn(run="plain")
    assert "recording took under 0.1 % of the time" in banner.inner_text()
    assert "loss scale" not in banner.inner_text()
    panel.frame.locator("tr[data-run=unknown] input[type=radio]").check()
    panel.drawn(run="unknown")
    assert "recording took" not in banner.inner_text()
    panel.frame.get_by_label("Show crashed in the curves").uncheck()
    scale.wait_for(state="detached")
    assert panel.complaints == []
