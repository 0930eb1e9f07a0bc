"""Accessibility of the panel as axe-core judges it: what a test can assert to be empty.

It finds what a machine can find: names, roles, contrast, structure. That keys work is for tests of their own.
"""

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "tb_plugin/frontend/test/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

VIOLATIONS = """async ([rules, part]) => {
    const {violations} = await axe.run(part ?? document, {
        runOnly: {type: 'tag', values: rules},
        resultTypes: ['violations'],
    });
    return violations.flatMap(({id, impact, help, nodes}) =>
        nodes.map(({target, failureSummary}) => ({
            id,
            impact,
            help,
            target: target.flat().join(' '),
            summary: failureSummary.split('\\n').slice(1).map(line => line.trim()).join('; '),
        })));
}"""


def frame_of(page):
    """Returns the frame of the panel in TensorBoard's page."""
    frame = page.frame(url="**/data/plugin_entry.html?name=optimizer_health*")
    assert frame is not None, "the panel is not open"
    return frame


def violations(page, dark=False, part=None):
    """Returns what axe has against the panel, a line each: impact, rule, where, and what to do.

    Args:
        page: of TensorBoard, with the panel open.
        dark: whether TensorBoard is switched to its dark mode for it.
        part: a selector of what alone is judged. Of a menu that lies over the page for a moment it is the menu: what
            it covers in part is a target too small for axe, as long as it is open.
    """
    if not SOURCE.exists():
        pytest.fail(f"{SOURCE} is not there: `make test` installs it")
    page.evaluate("dark => document.body.classList.toggle('dark-mode', dark)", dark)
    page.wait_for_timeout(300)  # colours are taken over in an animation frame
    frame = frame_of(page)
    if not frame.evaluate("'axe' in window"):
        frame.evaluate(SOURCE.read_text(encoding="utf-8"))
    theme = "dark" if dark else "light"
    return [
        f"{theme}, {found['impact']}: {found['id']} at {found['target']}: {found['help']}: {found['summary']}"
        for found in frame.evaluate(VIOLATIONS, [list(RULES), part])
    ]
