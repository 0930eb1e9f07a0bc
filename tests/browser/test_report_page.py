"""The report in a real Chromium, opened as a file."""

import subprocess
import sys

import numpy as np
import pytest
from panel import OUTPUT
from synthetic import healthy_stats, write_run

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e"


# the labels on the left are placed by parts of a height that must be the chart's
UNLIKE_THEIR_LABELS = """() => [...document.querySelectorAll('figure')]
    .filter(figure => {
        const [labels, plot] = ['.y', '.plot'].map(
            name => figure.querySelector(name).getBoundingClientRect()
        );
        return Math.abs(labels.top - plot.top) > 1 || Math.abs(labels.bottom - plot.bottom) > 1;
    })
    .map(figure => figure.textContent)"""


def written(logdir, path):
    command = [sys.executable, "-m", "adamax_tb.cli", "report", str(logdir), "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return path


@pytest.fixture
def opened(chromium):
    """`opened(path, **settings)` returns a page, and what it asked for and complained of."""
    pages = []

    def start(path, width=900, **settings):
        page = chromium.new_page(viewport={"width": width, "height": 1000}, **settings)
        pages.append(page)
        heard = []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_load_state()
        return page, asked, heard

    yield start
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def demo_report(demo_logdir, tmp_path_factory):
    return written(demo_logdir, tmp_path_factory.mktemp("report") / "demo.html")


SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

OUTSIDE = """() => [...document.querySelectorAll('.y span, .x span, .legend span, td, dd, figcaption')]
    .filter(node => {
        const {left, right, width} = node.getBoundingClientRect();
        return width > 0 && (left < 0 || right > document.documentElement.clientWidth);
    })
    .map(node => node.textContent)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900])
def test_the_report_asks_for_nothing_and_fits_the_page(opened, demo_report, scheme, width):
    page, asked, heard = opened(demo_report, width, color_scheme=scheme)
    assert [address for address in asked if not address.startswith("data:")] == [
        demo_report.as_uri()
    ]
    assert heard == []
    assert page.locator("script").count() == 0
    assert page.locator("figure").count() >= 9
    assert page.evaluate(SIDEWAYS) == 0
    assert page.evaluate(OUTSIDE) == []
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"report-{scheme}-{width}.png", full_page=True)


def brightness(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("L")).mean()


def test_the_report_follows_the_browsers_colour_scheme_and_prints_in_light(opened, demo_report):
    found = {}
    for medium in ("screen", "print"):
        page, _, _ = opened(demo_report, color_scheme="dark")
        page.emulate_media(media=medium)
        found[medium] = page.evaluate("getComputedStyle(document.body).color")
    assert found == {"screen": "rgb(236, 239, 241)", "print": "rgb(33, 33, 33)"}
    for scheme, least, most in (("light", 190, 255), ("dark", 0, 110)):
        page, _, _ = opened(demo_report, color_scheme=scheme)
        path = OUTPUT / f"report-top-{scheme}.png"
        page.screenshot(path=path)
        assert least < brightness(path) < most


def test_the_run_in_the_table_leads_to_its_story(opened, demo_report):
    page, _, _ = opened(demo_report)
    page.get_by_role("link", name="vanishing").click()
    top = page.locator("h2", has_text="vanishing").bounding_box()["y"]
    assert 0 <= top < 100


def test_charts_and_their_labels_line_up(opened, demo_report):
    page, _, _ = opened(demo_report)
    chart = page.locator("section.run figure", has_text="Loss of the batch").first
    plot = chart.locator(".plot").bounding_box()
    svg = chart.locator("svg").bounding_box()
    assert abs(svg["height"] - plot["height"]) <= 2
    assert page.evaluate(UNLIKE_THEIR_LABELS) == []
    label = chart.locator(".x span", has_text="300").bounding_box()
    expected = plot["x"] + plot["width"] * 299 / 579
    assert label["x"] + label["width"] / 2 == pytest.approx(expected, abs=2)
    image = page.locator(".map img").first
    shown = image.evaluate("i => [i.complete, i.naturalWidth, i.clientHeight]")
    assert shown[:2] == [True, 800]
    assert shown[2] == 16 * 18


def test_a_chart_is_an_image_with_words_for_who_cannot_see_it(opened, demo_report):
    page, _, _ = opened(demo_report)
    images = page.get_by_role("img").all()
    assert len(images) == page.locator("figure").count()
    assert all(len(image.get_attribute("aria-label")) > 40 for image in images)


def test_no_name_becomes_markup(opened, tmp_path):
    layers = ((f"net/{HOSTILE}/kernel", (8, 4)), ("net/b/kernel", (4, 3)))
    steps = np.arange(1, 41)
    stats = healthy_stats(steps, layers)
    stats["gradient_norm"][30:, 0] = stats["gradient_norm_peak"][30:, 0] = np.nan
    stats["nonfinite"][30:, 0] = 3
    write_run(tmp_path / "runs" / HOSTILE, steps, stats, layers=layers, optimizer=HOSTILE)
    page, asked, heard = opened(written(tmp_path / "runs", tmp_path / "report.html"))
    assert heard == []
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert page.locator("[onerror]").count() == 0
    assert page.locator("h2").inner_text().startswith("<img src=x onerror=alert(1)>\"'&\\u202e")
    assert page.locator("article.finding").first.get_attribute("class") == "finding critical"
