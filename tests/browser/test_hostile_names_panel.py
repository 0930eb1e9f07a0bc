"""A log directory that is full of names that mean harm, in a real Chromium: they are words, and nothing else."""

import csv
import io
import re
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hostile import BROKEN, DIRECTORIES, LAYERS, NAMES, write_hostile
from panel import OUTPUT, Panel
from PIL import Image

from adamax_tb.names import printable

#: Of runs. Of layers there are all, in one run.
KINDS = (
    *("script", "end of a script", "attribute", "colour", "title", "lines", "tab", "override"),
    *("isolates", "Hebrew", "zero width", "private", "command", "second cell", "space"),
    *("long", "no UTF-8"),
)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: In each frame, before anything else: what the browser forbids there is kept.
WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', event =>
    window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("hostile") / "runs"
    write_hostile(str(logdir), KINDS)
    return logdir


@pytest.fixture(scope="module")
def address(serve_all, logdir):
    return serve_all(logdir)


def watched(chromium, address, **how):
    """A panel that keeps what it asked for, which dialogs and pages opened, and what was forbidden."""
    context = chromium.new_context()
    context.add_init_script(WATCH)
    seen = SimpleNamespace(requests=[], dialogs=[], pages=[])
    context.on("request", lambda request: seen.requests.append(request.url))
    context.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    context.on("page", lambda page: seen.pages.append(page.url))
    panel = Panel(context, address, **how)
    panel.seen = seen
    return panel


def in_frames(panel, expression):
    """What an expression is in TensorBoard's page and in the panel's frame."""
    found = [frame.evaluate(expression) for frame in panel.page.frames]
    assert len(found) == 2
    return found


def assert_harmless(panel, address):
    """Nothing ran, nothing was forbidden, nobody but the server was asked."""
    assert in_frames(panel, "window.__pwned ?? null") == [None, None]
    assert in_frames(panel, "window.__violations") == [[], []]
    assert (panel.seen.dialogs, len(panel.seen.pages)) == ([], 1)
    origins = {f"{at.scheme}://{at.netloc}" for at in map(urlsplit, panel.seen.requests)}
    assert origins - {"data://", "blob://"} == {address}
    assert panel.complaints == []


@pytest.fixture(scope="module")
def panel(chromium, address):
    panel = watched(chromium, address, width=1500, height=2400).wait()
    yield panel
    assert_harmless(panel, address)


def choose(panel, run):
    """Selects a run whose name no selector can hold."""
    frame = panel.page.frames[1]
    frame.evaluate(
        """run => [...document.querySelectorAll('tr[data-run]')]
            .find(row => row.dataset.run === run).querySelector('input[type=radio]').click()""",
        run,
    )
    frame.wait_for_function(
        """run => {
            const {dataset} = document.querySelector('[data-testid=heatmap]');
            return dataset.run === run && dataset.drawn === 'true';
        }""",
        arg=run,
    )


def shown(name):
    """The name as the panel has it, but for the marks around what is written from the right."""
    if name.isspace() and name.isprintable():
        return "(blank)"
    short = name if len(name) <= 200 else f"{name[:79]}…{name[-120:]}"
    return printable(short)


def words(text):
    return re.sub("[\u2068\u2069]", "", text)


def test_every_run_is_in_the_table_under_its_name(panel):
    names = panel.frame.locator("tr[data-run] .run-name").all_text_contents()
    assert sorted(map(words, names)) == sorted(
        map(shown, ["all", *(DIRECTORIES[kind] for kind in KINDS)])
    )
    labels = panel.frame.locator("tr[data-run] th label").all()
    titles = [words(label.get_attribute("title").replace("\n", "\\n")) for label in labels]
    assert r"(blank): \x20" in titles
    assert sorted(title.removesuffix(r": \x20") for title in titles) == sorted(map(words, names))
    optimizers = panel.frame.locator("tr[data-run] .settings-words strong").all_text_contents()
    assert {shown(NAMES[kind]) for kind in KINDS if kind in NAMES} <= {*map(words, optimizers)}


def test_every_layer_can_be_chosen_by_its_name(panel):
    choose(panel, "all")
    options = panel.frame.locator("#layer option").all_text_contents()
    assert [*map(words, options[1:])] == [*map(shown, LAYERS.values())]
    for kind in ("script", "lines", "override", "Arabic", "NUL", "long", "space"):
        panel.frame.locator("#layer").select_option(index=1 + [*LAYERS].index(kind))
        heading = panel.frame.locator("[data-testid=curves] h2 code")
        for _ in range(100):
            if words(heading.text_content()) == shown(LAYERS[kind]):
                break
            panel.page.wait_for_timeout(50)
        assert words(heading.text_content()) == shown(LAYERS[kind])
        labels = panel.frame.locator("[data-testid=heatmap] .label.selected")
        assert words(labels.get_attribute("aria-label")) == shown(LAYERS[kind])
    assert_fits(panel)


def assert_fits(panel):
    """Nothing lies beyond the page's right side, where that is narrow, either."""
    wide = panel.page.viewport_size
    panel.page.set_viewport_size({**wide, "width": 800})
    panel.page.wait_for_timeout(100)
    assert panel.page.frames[1].evaluate(SIDEWAYS) == 0
    panel.page.set_viewport_size(wide)


def test_a_run_that_is_called_by_a_space_is_said_to_be_blank_wherever_it_is_named(panel):
    choose(panel, DIRECTORIES["space"])
    for place in (".run-bar .which", ".timeline-run", "[data-testid=steps] ul.marks"):
        assert "(blank)" in panel.frame.locator(place).first.inner_text()
    panel.frame.get_by_label("Show (blank) in the curves").wait_for()
    loss = panel.frame.locator("[data-testid=steps] figure[data-statistic=loss] [role=img]")
    assert "; (blank) " in loss.get_attribute("aria-label")


def test_a_finding_quotes_the_layer_and_no_more(panel):
    for kind in ("end of a script", "title", "isolates", "long"):
        choose(panel, DIRECTORIES[kind])
        message = panel.frame.locator("article.finding .message").first
        assert f"first in {shown(NAMES[kind])[:75]}" in words(message.inner_text())
    assert_fits(panel)


def test_a_pointed_cell_is_called_by_its_name(panel):
    choose(panel, "all")
    plot = panel.heatmap.locator(".plot").first
    plot.hover(position={"x": 300, "y": 3})
    tip = panel.frame.locator(".tip strong").first
    assert words(tip.inner_text()) == NAMES["script"]


def test_a_run_that_cannot_be_read_is_named(panel):
    note = panel.frame.locator(".note", has_text="could not be read").first
    assert shown(BROKEN) in words(note.text_content())


def test_what_is_written_from_the_right_turns_nothing_beside_it(panel):
    choose(panel, DIRECTORIES["Hebrew"])
    message = panel.frame.locator("article.finding .message").first
    left = """(node, words) => {
        const text = node.firstChild, at = text.data.indexOf(words), range = document.createRange();
        range.setStart(text, at);
        range.setEnd(text, at + words.length);
        return range.getBoundingClientRect().left;
    }"""
    # in the name's own text 12 would stand on the left of what precedes it
    name, number, after = (message.evaluate(left, part) for part in ("שלום", " 12", "At step"))
    assert name < number < after


def test_files_have_harmless_names_and_say_what_they_are_of(panel):
    for kind in ("end of a script", "command", "second cell"):
        run, layer = DIRECTORIES[kind], NAMES[kind]
        choose(panel, run)
        svg, png, table = (exported(panel, format) for format in ("SVG", "PNG", "CSV"))
        for file in (svg, png, table):
            assert re.fullmatch(r"[\w.=+-]{1,110}", file.name)
            assert not file.name.startswith((".", "-"))
        text = "".join(ElementTree.fromstring(svg.bytes).itertext())
        assert shown(run) in words(text)
        assert Image.open(io.BytesIO(png.bytes)).width > 1000
        rows = list(csv.DictReader(io.StringIO(table.bytes.decode(), newline="")))
        assert {row["layer"].replace("'", "") for row in rows} == {
            layer.replace("'", ""),
            "dense/kernel",
        }
        assert not [
            v for row in rows for v in row.values() if v[:1] in "=+-@\t\r" and not number(v)
        ]


def number(text):
    return text == "" or re.fullmatch(r"[-+]?(\d[\d.]*(e[-+]?\d+)?|inf)", text)


def exported(panel, format):
    button = panel.heatmap.get_by_role("button", name="Export heat map").first
    button.click()
    with panel.page.expect_download() as download:
        panel.frame.get_by_role("menuitem", name=format, exact=True).click()
    path = download.value.path()
    return SimpleNamespace(name=download.value.suggested_filename, bytes=path.read_bytes())


def test_an_address_that_means_harm_opens_the_panel(chromium, address):
    names = "%3Cscript%3Ewindow.__pwned=1%3C~2Fscript%3E"
    view = "".join(
        f"&p.optimizer_health.{key}={names}"
        for key in (
            "run",
            "runs",
            "layers",
            "statistic",
            "filter",
            "with",
            "open",
            "closed",
            "scales",
        )
    )
    panel = watched(chromium, address, view=view)
    panel.frame.locator("#optimizer-health[data-state=ready]").wait_for()
    panel.settled()
    panel.page.wait_for_timeout(500)
    assert_harmless(panel, address)
    panel.page.context.close()


def test_what_is_forbidden_would_be_noticed(chromium, address):
    panel = watched(chromium, address).wait()
    frame = panel.page.frames[1]
    frame.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.__pwned = 1';
            document.body.append(script);
            document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}));
            return new Promise(done => setTimeout(done, 300));
        }"""
    )
    assert frame.evaluate("window.__pwned ?? null") is None  # the policy is TensorBoard's
    assert sorted(frame.evaluate("window.__violations.map(told => told.split(' ')[0])")) == (
        ["img-src", "script-src-elem"]
    )
    assert len([told for told in panel.complaints if "Content Security Policy" in told]) == 2
    panel.page.context.close()


def test_the_panel_is_looked_at(panel):
    choose(panel, "all")
    panel.frame.locator("article.finding").first.get_by_role("button", name="Show at step").click()
    panel.drawn()
    panel.screenshot("hostile-light")
    panel.dark()
    panel.screenshot("hostile-dark")
    panel.dark(False)
    assert (OUTPUT / "hostile-dark.png").stat().st_size > 20_000


def test_the_report_has_the_names_as_words(chromium, logdir, tmp_path):
    path = tmp_path / "report.html"
    command = [sys.executable, "-m", "adamax_tb.cli", "report", str(logdir), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2  # one run cannot be read
    context = chromium.new_context(viewport={"width": 900, "height": 1000})
    context.add_init_script(WATCH)
    page = context.new_page()
    heard, asked = [], []
    page.on("console", lambda message: heard.append(message.text))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("[window.__pwned ?? null, window.__violations]") == [None, []]
    assert heard == []
    assert page.evaluate(SIDEWAYS) == 0
    heads = [words(head) for head in page.locator("section.run h2 bdi").all_text_contents()]
    names = ["all", *(DIRECTORIES[kind] for kind in KINDS)]
    # one of spaces alone could not be seen, nor its link be followed
    assert sorted(heads) == sorted(shown(n) if n.strip() else f'"{n}"' for n in names)
    assert printable(BROKEN) in words(page.locator(".unread").inner_text())
    page.screenshot(path=OUTPUT / "hostile-report.png")
    context.close()
