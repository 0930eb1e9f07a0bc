"""The table of runs: a row for each, sorted, filtered, pinned, and what is muted."""

import numpy as np
import pytest
from panel import Panel
from synthetic import write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, serve_all):
    """The address of four runs: run2 and run10 fine, one that explodes at step 200, one whose loss is not known."""
    logdir = tmp_path_factory.mktemp("overview")
    steps = np.arange(10, 401, 10)
    write_run(logdir / "run10", steps, loss=np.linspace(2, 0.5, 40))
    write_run(logdir / "run2", steps, loss=np.linspace(2, 0.1, 40), optimizer="Adam")
    norms = np.ones((40, 4), np.float32)
    norms[20:] = np.exp(np.linspace(5, 30, 20))[:, np.newaxis]
    loss = np.r_[np.linspace(2, 1, 20), np.exp(np.linspace(1, 20, 20))]
    write_run(logdir / "blown up", steps, {"gradient_norm": norms}, loss)
    write_run(logdir / "unknown", steps[:3], loss=np.full(3, np.nan))
    return serve_all(logdir)


def names(panel):
    return [row.get_attribute("data-run") for row in panel.frame.locator("tr[data-run]").all()]


def sort(panel, head):
    panel.frame.locator("thead").get_by_role("button", name=head, exact=True).click()


def test_a_row_tells_how_a_run_is_and_what_it_was_made_with(chromium, runs):
    panel = Panel(chromium, runs).wait()
    assert names(panel) == ["blown up", "run2", "run10", "unknown"]
    text = panel.row("blown up").inner_text()
    for words in ("critical", "since step 210", "AdaMax", "learning rate", "400 steps"):
        assert words in text, text
    picture = panel.row("blown up").get_by_role("img")
    assert "highest" in picture.get_attribute("aria-label")
    assert "healthy" in panel.row("run2").inner_text()
    assert "too early" in panel.row("unknown").inner_text()
    counts = panel.frame.locator(".verdicts").inner_text().split("\n")
    assert counts == ["1 critical", "1 too early", "2 healthy"]
    assert "Adam" in panel.row("run2").inner_text()
    assert panel.complaints == []


def test_runs_are_sorted_by_what_a_head_says_up_down_and_as_they_were(chromium, runs):
    panel = Panel(chromium, runs).wait()
    first = names(panel)
    sort(panel, "Loss")
    assert names(panel)[:3] == ["run2", "run10", "blown up"]
    head = panel.frame.locator("thead th", has_text="Loss")
    assert head.get_attribute("aria-sort") == "ascending"
    sort(panel, "Loss")
    assert names(panel)[0] == "blown up"
    assert head.get_attribute("aria-sort") == "descending"
    sort(panel, "Loss")
    assert names(panel) == first
    assert panel.complaints == []


def test_runs_are_filtered_by_a_regular_expression_and_pinned_ones_come_first(chromium, runs):
    panel = Panel(chromium, runs).wait()
    panel.frame.get_by_label("Filter runs").fill(r"^run\d+$")
    assert names(panel) == ["run2", "run10"]
    assert "2 of 4 runs" in panel.root.inner_text()
    assert "Selected: blown up" in panel.root.inner_text()
    panel.frame.get_by_label("Pin run10 to the top").click()
    assert names(panel) == ["run10", "run2"]
    panel.frame.get_by_label("Filter runs").fill("(")
    assert names(panel) == []
    assert "taken as plain text" in panel.root.inner_text()
    panel.frame.get_by_role("button", name="Clear the filter").click()
    assert names(panel) == ["run10", "blown up", "run2", "unknown"]
    panel.screenshot("overview-light")
    assert panel.complaints == []


def test_the_table_is_used_without_a_mouse(chromium, runs):
    panel = Panel(chromium, runs).wait()
    panel.row("blown up").get_by_role("radio").focus()
    panel.page.keyboard.press("ArrowDown")
    panel.drawn(run="run2")
    panel.frame.get_by_label("Show run10 in the curves").focus()
    panel.page.keyboard.press("Space")
    loss = panel.frame.locator("figure[data-statistic=loss]").first
    loss.locator("[role=img]:not([aria-label*=run10])").wait_for()
    panel.frame.locator("thead").get_by_role("button", name="Loss", exact=True).focus()
    panel.page.keyboard.press("Enter")
    assert names(panel)[0] == "run2"
    assert panel.complaints == []


def test_a_muted_finding_is_not_told_by_this_browser_any_more(chromium, runs):
    context = chromium.new_context()
    panel = Panel(context, runs).wait()
    card = panel.frame.locator("article.finding").first
    card.get_by_role("button", name="Mute").click()
    card.wait_for(state="detached")
    assert "1 muted" in panel.row("blown up").inner_text()
    assert panel.row("blown up").get_attribute("data-verdict") == "muted"
    assert "No other finding; 1 finding muted" in panel.frame.locator("h1").inner_text()
    again = Panel(context, runs).wait()
    assert again.row("blown up").get_attribute("data-verdict") == "muted"
    again.row("blown up").get_by_role("radio").check()
    again.frame.locator("summary", has_text="1 muted finding").click()
    again.frame.get_by_role("button", name="Tell again").click()
    again.frame.locator("article.finding").wait_for()
    assert again.row("blown up").get_attribute("data-verdict") == "critical"
    assert panel.complaints + again.complaints == []
    context.close()


def test_of_many_runs_the_sick_one_is_seen_first(chromium, serve_all, tmp_path):
    steps = np.arange(1, 41)
    for i in range(30):
        write_run(tmp_path / f"trial_{i}", steps)
    norms = np.ones((40, 4), np.float32)
    norms[30:] = np.nan
    nonfinite = {"gradient_norm": norms, "nonfinite": np.isnan(norms).astype(np.float32)}
    write_run(tmp_path / "zz_broken", steps, nonfinite)
    panel = Panel(chromium, serve_all(tmp_path)).wait()
    assert names(panel)[0] == "zz_broken"
    room = panel.frame.locator(".table-room")
    panel.select("trial_29")
    assert room.evaluate("room => room.scrollTop") > 500
    sort(panel, "Run")
    assert room.evaluate("room => room.scrollTop") == 0
    assert names(panel)[0] == "trial_0"
    assert panel.complaints == []
