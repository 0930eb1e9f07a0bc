"""The panel in a real Chromium, inside a real TensorBoard."""

import numpy as np
import pytest
from panel import OUTPUT, Panel


@pytest.fixture(params=["rustboard", "python"])
def address(request, serve, demo_logdir):
    fast = "true" if request.param == "rustboard" else "false"
    return serve(demo_logdir, f"--load_fast={fast}", tensorflow=True)


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
    panel.page.wait_for_timeout(2500)  # two reload intervals of the server
    panel.page.locator("app-header-reload button, button.reload-button").first.click()
    panel.frame.locator("tr[data-run=live]", has_text="30 steps").wait_for(timeout=20_000)
    writer.close()
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
