"""The panel in a real Chromium, inside a real TensorBoard."""

from pathlib import Path

import numpy as np
import pytest

OUTPUT = Path(__file__).parent / "output"


class Panel:
    """The tab, opened, and what the browser complained about on the way."""

    def __init__(self, chromium, address, width=1280, height=1500):
        self.page = chromium.new_page(viewport={"width": width, "height": height})
        self.complaints = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{address}/#optimizer_health")
        self.frame = self.page.frame_locator("iframe")
        self.root = self.frame.locator("#optimizer-health")
        self.heatmap = self.frame.locator("[data-testid=heatmap]")

    def _hear(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def wait(self, state="ready"):
        self.frame.locator(f"#optimizer-health[data-state={state}]").wait_for(timeout=60_000)
        if state == "ready":
            self.drawn()
        return self

    def drawn(self, **data):
        marks = "".join(f'[data-{name}="{value}"]' for name, value in data.items())
        self.frame.locator(f"[data-testid=heatmap][data-drawn=true]{marks}").wait_for(
            timeout=30_000
        )

    def verdicts(self):
        rows = self.frame.locator("li[data-run]").all()
        return {row.get_attribute("data-run"): row.get_attribute("data-verdict") for row in rows}

    def screenshot(self, name):
        OUTPUT.mkdir(exist_ok=True)
        self.page.wait_for_timeout(500)  # charts draw in animation frames
        self.page.screenshot(path=OUTPUT / f"{name}.png")


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
    panel.frame.locator('li[data-run="exploding"] input[type=radio]').check()
    card = panel.frame.locator("article.finding[data-rule=exploding-gradient]")
    assert card.get_attribute("data-severity") == "critical"
    assert "What to do" in card.inner_text()
    layer, step = card.get_attribute("data-layer"), card.get_attribute("data-step")
    card.get_by_role("button").click()
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


def test_the_panel_follows_tensorboards_dark_mode(chromium, serve, demo_logdir):
    panel = Panel(chromium, serve(demo_logdir)).wait()
    panel.screenshot("light")
    panel.page.evaluate("document.body.classList.add('dark-mode')")
    panel.screenshot("dark")
    assert brightness(OUTPUT / "light.png") > 180
    assert brightness(OUTPUT / "dark.png") < 110


def test_another_statistic_and_run_can_be_chosen_and_a_layer_clicked(chromium, serve, demo_logdir):
    panel = Panel(chromium, serve(demo_logdir)).wait()
    panel.frame.locator('li[data-run="healthy"] input[type=radio]').check()
    panel.drawn(run="healthy")
    panel.frame.locator("#statistic").select_option("u_mean")
    panel.drawn(run="healthy", statistic="u_mean")
    box = panel.heatmap.locator("canvas").first.bounding_box()
    panel.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    panel.drawn(layer="digits/dense_1/kernel")
    panel.frame.locator('[data-testid=curves][data-layer="digits/dense_1/kernel"]').wait_for()
    assert panel.complaints == []


def test_a_run_in_training_grows_in_the_open_panel(chromium, serve, demo_logdir, tmp_path):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    writer = EventWriter(str(tmp_path / "live"), table())
    writer.write(np.arange(1, 11), healthy_stats(range(10)), {"loss": np.ones(10)})
    writer.flush()
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    row = panel.frame.locator("li[data-run=live]")
    assert "10 records" in row.inner_text()
    writer.write(np.arange(11, 31), healthy_stats(range(20)), {"loss": np.ones(20)})
    writer.flush()
    panel.page.wait_for_timeout(4000)  # two reload intervals of the server
    panel.page.locator("app-header-reload button, button.reload-button").first.click()
    panel.frame.locator("li[data-run=live]", has_text="30 records").wait_for(timeout=20_000)
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
    map_box = panel.heatmap.locator("canvas").bounding_box()
    places = [(m.bounding_box()["x"] + 1 - map_box["x"]) / map_box["width"] for m in marks.all()]
    assert places == pytest.approx([40 / 120, 100 / 120], abs=0.005)  # a few of some 800 pixels
    assert "2 restarts" in panel.heatmap.inner_text()
    label = panel.heatmap.locator("canvas").get_attribute("aria-label")
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
    charts.locator("canvas").nth(6).wait_for()
    panel.page.wait_for_timeout(500)  # charts draw in animation frames
    ink = {c.get_attribute("data-statistic"): c.evaluate(INK_BESIDE_THE_PLOT) for c in charts.all()}
    assert len(ink) == 7
    assert min(ink.values()) > 50, ink


def test_a_logdir_without_our_data_shows_how_to_get_some(chromium, serve, tmp_path):
    panel = Panel(chromium, serve(tmp_path))
    panel.wait("empty")
    text = panel.root.inner_text()
    assert "OptimizerHealth(" in text
    assert "tensorboard --logdir" in text


def test_the_readmes_picture_is_of_this_panel(chromium, serve, demo_logdir):
    panel = Panel(chromium, serve(demo_logdir), height=1330).wait()
    panel.frame.locator("article.finding").first.get_by_role("button").click()
    panel.drawn(statistic="gradient_norm")
    panel.screenshot("readme")
    assert (OUTPUT / "readme.png").stat().st_size > 20_000
