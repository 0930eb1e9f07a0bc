"""The panel in a real Chromium, inside a real TensorBoard."""

import numpy as np
import pytest
from panel import OUTPUT, Panel
from synthetic import write_run


@pytest.fixture(params=["rustboard", "python"])
def address(request, serve, demo_logdir):
    return serve(demo_logdir, f"--load_fast={'true' if request.param == 'rustboard' else 'false'}")


def test_the_card_of_the_exploding_run_leads_to_its_layer_and_step(chromium, address, serve):
    panel = Panel(chromium, address).wait()
    assert panel.verdicts() == {
        "exploding": "critical",
        "healthy": "healthy",
        "vanishing": "critical",
    }
    panel.frame.locator('tr[data-run="exploding"] input[type=radio]').check()
    card = panel.frame.locator("article.finding[data-rule=exploding-gradient]")
    assert card.get_attribute("data-severity") == "critical"
    assert "What to do" in card.inner_text()
    layer, step = card.get_attribute("data-layer"), card.get_attribute("data-step")
    card.get_by_role("button", name="Show at step").click()
    panel.drawn(run="exploding", layer=layer, step=step, statistic="gradient_norm")
    curves = panel.frame.locator(f'[data-testid=curves][data-layer="{layer}"]')
    curves.wait_for()
    shown = {c.get_attribute("data-statistic") for c in curves.locator("[data-statistic]").all()}
    assert {"gradient_norm", "m_rms", "u_mean", "step_size", "update_ratio"} <= shown
    for name in ("exploding", "healthy", "vanishing"):
        assert name in curves.inner_text()
    panel.screenshot("panel-light")
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.screenshot("panel-dark")
    assert panel.complaints == []


def brightness(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("L")).mean()


def test_the_panel_follows_tensorboards_dark_mode(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    panel.screenshot("light")
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.screenshot("dark")
    assert brightness(OUTPUT / "light.png") > 180
    assert brightness(OUTPUT / "dark.png") < 110


def test_another_statistic_and_run_can_be_chosen_and_a_layer_clicked(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    panel.frame.locator('tr[data-run="healthy"] input[type=radio]').check()
    panel.drawn(run="healthy")
    panel.frame.locator("#statistic").select_option("u_mean")
    panel.drawn(run="healthy", statistic="u_mean")
    box = panel.heatmap.locator(".plot canvas").first.bounding_box()
    panel.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    panel.drawn(layer="digits/dense_1/kernel")
    panel.frame.locator('[data-testid=curves][data-layer="digits/dense_1/kernel"]').wait_for()
    assert panel.complaints == []


def test_a_run_in_training_grows_in_the_open_panel(chromium, serve, tmp_path):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    writer = EventWriter(str(tmp_path / "live"), table())
    writer.write(np.arange(1, 11), healthy_stats(range(10)), {"loss": np.ones(10)})
    writer.flush()
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    row = panel.frame.locator("tr[data-run=live]")
    assert "10 steps" in row.inner_text()
    writer.write(np.arange(11, 31), healthy_stats(range(20)), {"loss": np.ones(20)})
    writer.flush()
    panel.page.wait_for_timeout(4000)  # two reload intervals of the server
    panel.page.locator("app-header-reload button, button.reload-button").first.click()
    panel.frame.locator("tr[data-run=live]", has_text="30 steps").wait_for(timeout=20_000)
    writer.close()
    assert panel.complaints == []


def test_restarts_are_marked_in_the_heat_map_and_named(chromium, serve, tmp_path):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    steps = np.arange(1, 121)
    restarted = np.isin(steps, (41, 101))
    writer = EventWriter(str(tmp_path / "warm"), table())
    numbers = {"loss": np.ones(120), "restarts": restarted, "since_restart": np.zeros(120)}
    writer.write(steps, healthy_stats(steps), numbers)
    writer.close()
    panel = Panel(chromium, serve(tmp_path)).wait()
    marks = panel.heatmap.locator(".restart")
    assert marks.count() == 2
    map_box = panel.heatmap.locator(".plot canvas").bounding_box()
    places = [(m.bounding_box()["x"] + 1 - map_box["x"]) / map_box["width"] for m in marks.all()]
    assert places == pytest.approx([40 / 120, 100 / 120], abs=0.005)  # a few of some 800 pixels
    assert "2 restarts" in panel.heatmap.inner_text()
    label = panel.heatmap.locator(".plot canvas").get_attribute("aria-label")
    assert label.endswith("restarted at step 41, 101")
    panel.page.mouse.move(map_box["x"] + map_box["width"] * 40.5 / 120, map_box["y"] + 5)
    assert "restarted at 41" in panel.heatmap.locator(".tip").inner_text()
    assert panel.complaints == []


INK_BESIDE_THE_PLOT = """plot => {
    const canvas = plot.querySelector('canvas');
    const {width} = canvas.getBoundingClientRect();
    const scale = canvas.width / width;
    const {data} = canvas.getContext('2d').getImageData(0, 0, 50 * scale, canvas.height - 40 * scale);
    return data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""


@pytest.mark.parametrize("value", [0.02, 1e30])
def test_every_chart_has_numbers_on_its_axis(chromium, serve, tmp_path, value):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    steps = np.arange(1, 41)
    stats = {
        name: (numbers * value * np.linspace(1, 2, 40)[:, np.newaxis]).astype(np.float32)
        for name, numbers in healthy_stats(steps).items()
    }
    numbers = np.linspace(value, 2 * value, 40)
    writer = EventWriter(str(tmp_path / "run"), table())
    writer.write(steps, stats, {"loss": numbers, "learning_rate": numbers})
    writer.close()
    panel = Panel(chromium, serve(tmp_path)).wait()
    panel.heatmap.locator("#layer").select_option("dense_1/kernel")
    panel.frame.locator('[data-testid=curves][data-layer="dense_1/kernel"]').wait_for()
    charts = panel.frame.locator("figure.chart")
    charts.locator("canvas").nth(9).wait_for()
    panel.page.wait_for_timeout(500)  # charts draw in animation frames
    ink = {c.get_attribute("data-statistic"): c.evaluate(INK_BESIDE_THE_PLOT) for c in charts.all()}
    assert len(ink) == 10
    assert min(ink.values()) > 50, ink


def ink(color):
    """Returns a script that says where, of the plot's height, a chart has its topmost pixel of a run's `color`.

    Pixels of the line's antialiased edge and of its band are mixed with the page: only the hue counts.
    """
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"""figure => {{
        const canvas = figure.querySelector('canvas');
        const over = figure.querySelector('.u-over').getBoundingClientRect();
        const scale = canvas.width / canvas.getBoundingClientRect().width;
        const box = canvas.getBoundingClientRect();
        const [left, top] = [(over.left - box.left) * scale, (over.top - box.top) * scale];
        const [width, height] = [over.width * scale, over.height * scale];
        const {{data}} = canvas.getContext('2d').getImageData(left, top, width, height);
        const rows = [];
        for (let at = 0; at < data.length; at += 4) {{
            const near = [{red}, {green}, {blue}].every((want, i) => Math.abs(data[at + i] - want) < 12);
            if (near && data[at + 3] > 60) rows.push(Math.floor(at / 4 / width));
        }}
        return {{top: Math.min(...rows) / height, bottom: Math.max(...rows) / height}};
    }}"""


FIRST_RUN = "#425066"


def test_a_spike_between_two_records_stands_out_of_the_gradients_curve(chromium, serve, tmp_path):
    steps = np.arange(10, 1001, 10)
    peaks = np.ones((len(steps), 4), np.float32)
    peaks[50, 0] = 1e4  # one update between steps 500 and 510
    peaks[75, 1] = np.inf
    write_run(tmp_path / "run", steps, {"gradient_norm_peak": peaks})
    panel = Panel(chromium, serve(tmp_path)).wait()
    panel.heatmap.locator("#layer").select_option("dense_1/kernel")
    chart = panel.frame.locator("[data-testid=curves] figure[data-statistic=gradient_norm]")
    chart.locator("canvas").wait_for()
    panel.screenshot("spike")
    assert "largest of all steps since the record before" in chart.inner_text()
    reached = chart.evaluate(ink(FIRST_RUN))
    assert reached["top"] < 0.15
    assert reached["bottom"] > 0.85
    assert chart.locator("[role=img]").get_attribute("aria-label").endswith("highest 10,000")
    over = chart.locator(".u-over")
    box = over.bounding_box()
    over.hover(position={"x": box["width"] * 500 / 990, "y": 40})
    assert "step 510" in chart.inner_text()
    assert "1 (to 10,000)" in chart.inner_text()
    panel.heatmap.locator("#layer").select_option("dense_1/bias")
    text = chart.locator("p", has_text="run: +∞ between steps 750 and 760")
    text.wait_for(timeout=10_000)
    assert panel.complaints == []


def crash(directory):
    """A run that is recorded every tenth step until its gradient is NaN, and the 128 updates before."""
    rng = np.random.default_rng(0)
    steps, flown = np.arange(10, 401, 10), np.arange(273, 401)
    growth = np.exp(np.linspace(0, 9, 20))
    norms = np.exp(rng.normal(0, 0.3, (128, 4)))
    norms[-20:] *= growth[:, np.newaxis]
    loss = np.exp(-flown / 150) + rng.uniform(0, 0.1, 128)
    loss[-20:] *= np.sqrt(growth)
    norms[-1], loss[-1] = np.nan, np.nan
    recorded = np.exp(rng.normal(0, 0.3, (40, 4))).astype(np.float32)
    recorded[-2:] = norms[[-11, -1]]
    losses = np.exp(-steps / 150) + rng.uniform(0, 0.1, 40)
    losses[-2:] = loss[[-11, -1]]
    write_run(
        directory,
        steps,
        {
            "gradient_norm": recorded,
            "gradient_norm_peak": recorded * 1.5,
            "nonfinite": np.where(np.isnan(recorded), 5, 0).astype(np.float32),
        },
        losses,
        flight={"steps": flown, "gradient_norm": norms, "loss": loss},
        step_stats={
            "overhead": np.full(40, 0.0134),
            "loss_scale": np.where(steps > 200, 2.0**14, 2.0**15),
            "skipped_steps": np.where(steps == 210, 3, 0),
        },
    )


@pytest.mark.parametrize("width", [900, 1600])
def test_the_flight_record_of_a_crash_is_shown(chromium, serve, tmp_path, width):
    crash(tmp_path / "crashed")
    write_run(tmp_path / "fine", range(10, 401, 10))
    panel = Panel(chromium, serve(tmp_path), width=width, height=2000).wait()
    flight = panel.frame.locator("[data-testid=flight]")
    sentence = "The last 128 updates up to a gradient that is not finite, steps 273–400"
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
        reached = chart.evaluate(ink("#425066"))
        assert reached["top"] < 0.15
        assert reached["bottom"] > 0.85
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
    flight.wait_for(state="detached")
    assert panel.complaints == []


def test_flight_records_far_apart_are_drawn_side_by_side(chromium, serve, tmp_path):
    crash(tmp_path / "crashed")
    flight = {"steps": np.r_[101:165, 1873:2001], "reason": "interrupt"}
    write_run(tmp_path / "interrupted", range(10, 2001, 10), flight=flight)
    panel = Panel(chromium, serve(tmp_path), height=2000).wait()
    section = panel.frame.locator("[data-testid=flight]")
    assert "192 updates in several stretches between steps 101 and 2,000" in section.inner_text()
    assert "steps between, not kept" in section.inner_text()
    chart = section.locator("figure[data-statistic=gradient_norm]")
    chart.locator("canvas").wait_for()
    panel.screenshot("flights")
    # crashed, the first run, is the middle one of three stretches, whose widths are 64, 128 and 128 updates
    over = chart.locator(".u-over")
    box = over.bounding_box()
    shown = []
    for part in (0.1, 0.4, 0.9):
        over.hover(position={"x": box["width"] * part, "y": 40})
        shown.append((chart.locator(".readout").inner_text(), chart.locator(".readout [title]")))
        shown[-1] = shown[-1][0], [s.get_attribute("title") for s in shown[-1][1].all()]
    assert [titles for _, titles in shown] == [["interrupted"], ["crashed"], ["interrupted"]]
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


def test_a_card_tells_the_story_and_each_part_of_it_leads_to_its_place(chromium, serve, tmp_path):
    crash(tmp_path / "crashed")
    panel = Panel(chromium, serve(tmp_path)).wait()
    (card,) = panel.frame.locator("article.finding").all()
    assert card.get_attribute("data-rule") == "exploding-gradient"
    assert "exploding-gradient, with 1 consequence" in panel.frame.locator("h1").inner_text()
    consequence = card.locator("button.consequence", has_text="nonfinite")
    assert consequence.inner_text() == "Then, since step 400: nonfinite in dense_2/bias"
    text = card.inner_text()
    order = ["explodes: within", "Then, since step 400", "growth", "What to do", "About this rule"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    consequence.focus()
    panel.page.keyboard.press("Enter")
    panel.drawn(layer="dense_2/bias", step="400", statistic="nonfinite")
    assert consequence.get_attribute("aria-current") == "true"
    step = card.get_attribute("data-step")
    card.get_by_role("button", name="Show at step").click()
    panel.drawn(step=step, statistic="gradient_norm")
    assert consequence.get_attribute("aria-current") == "false"
    panel.screenshot("story-light")
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.screenshot("story-dark")
    assert panel.complaints == []


def test_a_card_leads_to_the_page_about_its_rule_in_a_tab_of_its_own(chromium, serve, tmp_path):
    crash(tmp_path / "crashed")
    panel = Panel(chromium, serve(tmp_path)).wait()
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    card = panel.frame.locator("article.finding").first
    reference = card.locator(".reference a")
    assert reference.get_attribute("href") == "https://arxiv.org/abs/1211.5063"
    about = card.get_by_role("link", name="About this rule")
    assert {about.get_attribute("rel"), about.get_attribute("target")} == {"noopener", "_blank"}
    about.focus()
    with panel.page.expect_popup() as opened:
        panel.page.keyboard.press("Enter")
    page, complaints = opened.value, []
    page.on("console", lambda message: complaints.append(message.text))
    page.wait_for_load_state()
    assert page.title() == "exploding-gradient · Optimizer health"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(48, 48, 48)"
    assert page.evaluate("window.opener") is None
    line = page.locator("svg path.sick").first
    assert line.evaluate("line => getComputedStyle(line).stroke") == "rgb(255, 161, 153)"
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / "rule-dark.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 800})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    page.locator("a", has_text="nonfinite").first.click()
    page.wait_for_url("**/rule?name=nonfinite&theme=dark")
    assert "NaN or infinity" in page.locator("h1").inner_text()
    assert panel.heatmap.get_attribute("data-step") in (None, "")  # a link is no click on the card
    assert complaints + panel.complaints == []


def test_only_charts_that_a_shown_run_has_numbers_for_are_there(chromium, serve, tmp_path):
    write_run(
        tmp_path / "adagrad", range(1, 41), has={"accumulator", "update"}, optimizer="Adagrad"
    )
    write_run(tmp_path / "sgd", range(1, 41), has={"momentum", "update"}, optimizer="SGD")
    panel = Panel(chromium, serve(tmp_path)).wait()
    panel.heatmap.locator("#layer").select_option("dense_1/kernel")
    charts = panel.frame.locator("[data-testid=curves] figure")
    charts.first.wait_for()
    both = [c.get_attribute("data-statistic") for c in charts.all()]
    assert both == [
        "gradient_norm",
        "momentum_rms",
        "accumulator_mean",
        "update_ratio",
        "descent_share",
    ]
    assert "sgd does not record this (SGD)" in charts.nth(2).inner_text()
    assert "smallest entry to the largest" in charts.nth(2).inner_text()
    panel.frame.get_by_label("Show adagrad in the curves").uncheck()
    charts.nth(4).wait_for(state="detached")
    left = [c.get_attribute("data-statistic") for c in charts.all()]
    assert left == ["gradient_norm", "momentum_rms", "update_ratio", "descent_share"]
    assert panel.complaints == []


def test_a_logdir_without_our_data_shows_how_to_get_some(chromium, serve, tmp_path):
    panel = Panel(chromium, serve(tmp_path))
    panel.wait("empty")
    text = panel.root.inner_text()
    assert "OptimizerHealth(" in text
    assert "tensorboard --logdir" in text


def test_the_readmes_picture_is_of_this_panel(chromium, demo_address):
    panel = Panel(chromium, demo_address, height=1500).wait()
    panel.frame.locator("article.finding").first.get_by_role("button", name="Show at step").click()
    panel.drawn(statistic="gradient_norm")
    panel.screenshot("readme")
    assert (OUTPUT / "readme.png").stat().st_size > 20_000
