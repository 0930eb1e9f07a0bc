"""What the panel shows while there is nothing, not yet all, or nobody who answers."""

import pytest
from panel import Panel
from synthetic import write_run

TRAIN = """import adamax_tb

model.compile(optimizer=adamax_tb.AdaMax(1e-3), loss=...)  # or the optimizer you have
model.fit(x, y, callbacks=[adamax_tb.OptimizerHealth("runs/first")])"""


def test_an_empty_logdir_shows_how_to_get_runs_to_be_copied(chromium, serve, tmp_path):
    address = serve(tmp_path)
    context = chromium.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    panel = Panel(context, address).wait("empty")
    assert "tensorboard --logdir runs" in panel.root.inner_text()
    panel.frame.get_by_role("button", name="Copy").first.click()
    panel.frame.get_by_text("Copied", exact=True).wait_for()
    assert panel.page.evaluate("navigator.clipboard.readText()") == TRAIN
    panel.screenshot("empty-light")
    panel.dark()
    panel.screenshot("empty-dark")
    assert panel.complaints == []
    context.close()


def test_the_page_fills_when_the_first_run_appears(chromium, serve, tmp_path):
    logdir = tmp_path / "runs"
    logdir.mkdir()
    panel = Panel(chromium, serve(logdir, "--reload_interval=1")).wait("empty")
    write_run(logdir / "first", range(1, 41))
    panel.wait("ready")
    assert panel.verdicts() == {"first": "healthy"}
    assert panel.complaints == []


def test_what_was_read_so_far_is_shown_with_its_progress(chromium, serve, tmp_path):
    write_run(tmp_path / "runs" / "first", range(1, 41))
    panel = Panel(chromium, "about:blank#")
    address = serve(tmp_path / "runs")
    body = panel.page.request.get(f"{address}/data/plugin/optimizer_health/runs").json()
    body["loading"] = {"loaded_bytes": 310e6, "total_bytes": 1640e6}
    body["errors"] = [{"run": "torn", "error": "The file ends within a record."}]
    panel.page.route("**/runs?*", lambda route: route.fulfill(json=body))
    panel.page.goto(f"{address}/#optimizer_health")
    panel.drawn(run="first")
    text = panel.root.inner_text()
    assert "Reading the log directory: 310 MB of 1.6 GB" in text
    assert "torn could not be read: The file ends within a record." in text
    bar = panel.frame.get_by_role("progressbar")
    assert bar.evaluate("bar => bar.value / bar.max") == pytest.approx(310 / 1640)
    panel.screenshot("partial")


def test_a_server_that_is_gone_is_told_and_what_was_there_stays(chromium, serve, tmp_path):
    write_run(tmp_path / "run", range(1, 41))
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    for process in serve.processes:
        process.kill()
        process.wait()
    alert = panel.frame.get_by_role("alert")
    alert.wait_for(timeout=20_000)
    assert "what is shown is older" in alert.inner_text()
    assert "Is it still running?" in alert.inner_text()
    assert panel.verdicts() == {"run": "healthy"}
    panel.heatmap.locator("#statistic").select_option("u_mean")
    failure = panel.heatmap.get_by_role("alert")
    failure.wait_for()
    assert failure.get_by_role("button", name="Retry").is_visible()
    assert panel.frame.locator(".loading").count() == 0  # nothing waits for ever
    panel.screenshot("server-gone")


def test_a_failure_goes_away_when_the_server_answers_again(chromium, serve, tmp_path):
    write_run(tmp_path / "run", range(1, 41))
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    panel.page.route("**/runs?*", lambda route: route.abort())
    panel.page.route("**/statistic*u_max*", lambda route: route.abort())
    panel.frame.get_by_role("alert").wait_for(timeout=20_000)
    panel.heatmap.locator("#statistic").select_option("u_max")
    panel.heatmap.get_by_role("alert").wait_for()
    panel.page.unroute_all()
    panel.heatmap.get_by_role("button", name="Retry").click()
    panel.drawn(statistic="u_max")
    panel.frame.get_by_role("alert").wait_for(state="detached", timeout=20_000)
