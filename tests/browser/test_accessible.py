"""Whoever sees no screen, no colours or holds no mouse: axe finds nothing, and keys reach everything."""

import axe
import numpy as np
import pytest
from panel import Panel
from synthetic import write_run

THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@THEMES
def test_axe_finds_nothing_on_the_page_of_a_sick_run(chromium, demo_address, dark):
    panel = Panel(chromium, demo_address, height=1600).wait()
    panel.frame.locator("article.finding").first.get_by_role("button", name="Show at step").click()
    panel.frame.locator("[data-testid=curves] figure canvas").first.wait_for()
    panel.frame.get_by_label("Pin healthy to the top").click()
    assert axe.violations(panel.page, dark) == []
    panel.frame.get_by_role("button", name="Export Loss").first.click()
    panel.frame.get_by_role("menu").wait_for()
    assert axe.violations(panel.page, dark, part="[role=menu]") == []
    assert panel.complaints == []


@THEMES
def test_axe_finds_nothing_where_runs_are_compared(chromium, demo_address, dark):
    panel = Panel(chromium, demo_address, height=1600).wait()
    panel.heatmap.get_by_label("Compare with").select_option("healthy")
    panel.heatmap.locator(".plot canvas").nth(1).wait_for()
    assert axe.violations(panel.page, dark) == []
    panel.heatmap.get_by_role("radio", name="difference").check()
    panel.page.wait_for_timeout(300)
    assert axe.violations(panel.page, dark) == []


@THEMES
def test_axe_finds_nothing_in_blocks_filters_and_messages(chromium, serve_all, tmp_path, dark):
    layers = [
        (f"model/block_{i}/{name}/kernel", (4, 4))
        for i in range(3)
        for name in ("query", "key", "value")
    ]
    norms = np.ones((40, 9), np.float32)
    norms[20] = 1e4
    norms[30, 2] = np.nan
    stats = {"gradient_norm": norms, "nonfinite": np.isnan(norms).astype(np.float32)}
    write_run(tmp_path / "blocks", range(1, 41), stats, layers=layers)
    write_run(tmp_path / "plain", range(1, 41), layers=layers)
    panel = Panel(chromium, serve_all(tmp_path), height=1600).wait()
    panel.frame.locator("article.finding").first.get_by_role("button", name="Mute").click()
    panel.frame.locator("summary", has_text="muted").click()
    panel.frame.get_by_label("Filter runs").fill("(")
    assert axe.violations(panel.page, dark) == []
    assert panel.complaints == []


@THEMES
def test_axe_finds_nothing_on_an_empty_page(chromium, serve_all, tmp_path, dark):
    panel = Panel(chromium, serve_all(tmp_path)).wait("empty")
    assert axe.violations(panel.page, dark) == []


FOCUSED = """() => {
    const node = document.activeElement;
    const words = node.getAttribute('aria-label') ?? node.innerText ?? '';
    return [node.tagName, node.id, words.trim().slice(0, 60)].join(' ');
}"""
RING = """() => {
    const {outlineStyle, outlineWidth} = getComputedStyle(document.activeElement);
    const over = getComputedStyle(document.activeElement, '::after');
    return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0)
        || (over.content !== 'none' && parseFloat(over.borderTopWidth) > 0);
}"""


def test_the_tab_key_reaches_every_part_with_a_ring_to_be_seen(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    panel.heatmap.locator("#layer").select_option("digits/dense_2/kernel")
    panel.frame.locator("[data-testid=curves] figure canvas").first.wait_for()
    panel.frame.get_by_label("Filter runs").focus()
    frame = axe.frame_of(panel.page)
    stops, ringless = [], []
    for _ in range(120):
        panel.page.keyboard.press("Tab")
        stop = frame.evaluate(FOCUSED)
        if stop.startswith("BODY"):
            break
        stops.append(stop)
        if not frame.evaluate(RING):
            ringless.append(stop)
    told = "\n".join(stops)
    for part in (
        "Show at step",
        "Mute",
        "Copy link",
        "statistic",
        "layer",
        "Heat map",
        "dense_2/kernel",
        "Export Loss",
        "Smoothing",
    ):
        assert part in told, f"{part} is not among\n{told}"
    assert ringless == []
    assert len(stops) < 90, "too many stops to tab through"


def test_a_row_of_the_map_is_found_opened_and_selected_by_keys(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    tree = panel.heatmap.get_by_role("tree")
    tree.locator("[tabindex='0']").focus()
    for _ in range(3):
        panel.page.keyboard.press("ArrowDown")
    panel.page.keyboard.press("Enter")
    panel.frame.locator('[data-testid=curves][data-layer="digits/dense_2/bias"]').wait_for()
    panel.page.keyboard.press("ArrowUp")
    panel.page.keyboard.press("Space")
    names = panel.frame.locator("[data-testid=curves]").inner_text()
    assert "dense_2/kernel" in names
    assert "dense_2/bias" in names
    assert panel.complaints == []
