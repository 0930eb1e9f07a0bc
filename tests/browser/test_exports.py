"""What the panel shows as files: SVG and PNG pictures, and CSV with exactly the numbers of the runs."""

import csv
import io
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from panel import OUTPUT, Panel
from PIL import Image

from adamax_tb import diagnose, read_runs

SVG = "{http://www.w3.org/2000/svg}"
RUN = "exploding"
KERNEL = "digits/dense_2/kernel"
EXPORTS = {
    "loss": ("Loss", f"Loss_{RUN}"),
    "gradient": ("Gradient norm", f"Gradient_norm_{RUN}"),
    "map": (f"heat map of {RUN}", f"{RUN}_gradient_norm"),
}


@pytest.fixture(scope="module")
def runs(demo_logdir):
    return read_runs(demo_logdir)


@pytest.fixture(scope="module")
def panel(chromium, demo_address):
    """The demo's exploding run alone in all charts, one of its layers, at a width that shows the depth profile."""
    panel = Panel(chromium, demo_address, width=1500, height=2600).wait()
    panel.select(RUN)
    for name in ("healthy", "vanishing"):
        panel.frame.get_by_label(f"Show {name} in the curves").uncheck()
    panel.frame.get_by_label(f"Show {RUN} in the curves").check()
    panel.heatmap.locator("#statistic").select_option("gradient_norm")
    panel.heatmap.locator("#layer").select_option(KERNEL)
    curves = panel.frame.locator(f'[data-testid=curves][data-layer="{KERNEL}"]')
    curves.locator("[data-statistic=gradient_norm] canvas").wait_for()
    panel.drawn(run=RUN, statistic="gradient_norm", layer=KERNEL)
    yield panel
    assert panel.complaints == []


@pytest.fixture
def zoomed(panel):
    """The window of steps after zooming in twice; all steps again after the test."""
    panel.heatmap.locator(".plot").first.focus()
    for key in "++":
        panel.page.keyboard.press(key)
    panel.frame.locator("[data-testid=heatmap]:not([data-zoom=''])").wait_for()
    first, last = map(int, panel.heatmap.get_attribute("data-zoom").split("-"))
    assert 1 < last - first < 300
    yield first, last
    panel.heatmap.locator(".plot").first.focus()
    panel.page.keyboard.press("0")
    panel.frame.locator("[data-testid=heatmap][data-zoom='']").wait_for()


def exported(panel, label, kind):
    """Chooses a format of a menu; the file's name and bytes."""
    button = panel.frame.get_by_role("button", name=f"Export {label}", exact=True)
    button.first.click()  # the flight record, further down, has charts of the same names
    with panel.page.expect_download() as download:
        panel.frame.get_by_role("menuitem", name=kind).click()
    return SimpleNamespace(
        name=download.value.suggested_filename, bytes=download.value.path().read_bytes()
    )


def kept(file, name):
    """Puts the file where people look at it."""
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / f"{name}.{file.name.rsplit('.', 1)[1]}").write_bytes(file.bytes)
    return file


def pixels(file):
    return np.asarray(Image.open(io.BytesIO(file.bytes)).convert("RGB"))


def rows_of(file):
    text = file.bytes.decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def numbers(rows, name):
    """A column as float32, NaN where nothing was recorded."""
    return np.array([float(row[name] or "nan") for row in rows], np.float32)


@pytest.mark.parametrize("what", EXPORTS)
def test_an_svg_stands_alone_and_says_what_it_is_of(panel, runs, what):
    label, stem = EXPORTS[what]
    file = kept(exported(panel, label, "SVG"), f"export-{what}")
    assert file.name.startswith(stem)
    root = ElementTree.fromstring(file.bytes)
    title = root.find(f"{SVG}title").text
    assert (label if what != "map" else f"Gradient norm of {RUN}") in title
    words = [text for node in root.iter(f"{SVG}text") for text in node.itertext()]
    assert any(RUN in text for text in words)
    assert any(f"steps 1–{runs[RUN].steps[-1]} · adamax-tb" in text for text in words)
    links = [value for node in root.iter() for key, value in node.items() if "href" in key]
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert len(links) == (what == "map")


@pytest.mark.parametrize("what", EXPORTS)
def test_a_png_is_twice_the_svgs_size_and_not_blank(panel, what):
    label, _ = EXPORTS[what]
    root = ElementTree.fromstring(exported(panel, label, "SVG").bytes)
    shown = pixels(kept(exported(panel, label, "PNG"), f"export-{what}"))
    assert shown.shape[:2] == (2 * int(root.get("height")), 2 * int(root.get("width")))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 20
    assert (shown[0, 0] == 255).all()


def test_the_csv_of_the_loss_has_exactly_the_runs_numbers(panel, runs):
    run = runs[RUN]
    rows = rows_of(exported(panel, "Loss", "CSV"))
    assert {(row["run"], row["layer"], row["statistic"]) for row in rows} == {(RUN, "", "loss")}
    assert [int(row["first_step"]) for row in rows] == run.steps.tolist()
    assert [row["first_step"] for row in rows] == [row["last_step"] for row in rows]
    np.testing.assert_array_equal(numbers(rows, "value"), run.step_stat("loss"))


def test_the_csv_of_a_zoom_has_only_its_steps(panel, runs, zoomed):
    run = runs[RUN]
    first, last = zoomed
    inside = (first <= run.steps) & (run.steps <= last)
    rows = rows_of(exported(panel, "Loss", "CSV"))
    assert [int(row["first_step"]) for row in rows] == run.steps[inside].tolist()
    np.testing.assert_array_equal(numbers(rows, "value"), run.step_stat("loss")[inside])
    rows = rows_of(exported(panel, f"heat map of {RUN}", "CSV"))
    np.testing.assert_array_equal(
        numbers(rows, "high"), run.stat("gradient_norm")[inside].T.ravel()
    )
    root = ElementTree.fromstring(exported(panel, f"heat map of {RUN}", "SVG").bytes)
    assert any(f"steps {first}–{last} ·" in text for text in root.itertext())


def test_the_csv_of_the_heat_map_has_all_layers_and_odd_numbers_as_words(panel, runs):
    run = runs[RUN]
    rows = rows_of(exported(panel, f"heat map of {RUN}", "CSV"))
    assert [row["layer"] for row in rows] == np.repeat(run.layers, len(run.steps)).tolist()
    values = run.stat("gradient_norm").T.ravel()
    np.testing.assert_array_equal(numbers(rows, "high"), values)
    np.testing.assert_array_equal(numbers(rows, "low"), values)
    words = {float("inf"): "inf", float("-inf"): "-inf"}
    odd = [(row["high"], row["among"]) for row in rows if row["among"]]
    assert odd == [
        (word, word)
        for value in values[~np.isfinite(values)].tolist()
        for word in [words.get(value, "NaN")]
    ]
    assert odd


def test_the_depth_profile_is_exported_at_its_step(panel, runs):
    run = runs[RUN]
    label = f"Gradient norm over depth of {RUN}"
    rows = rows_of(exported(panel, label, "CSV"))
    assert [row["layer"] for row in rows] == list(run.layers)
    step = diagnose(run)[0].first_step  # while nothing is selected
    at = np.searchsorted(run.steps, step)
    assert {int(row["last_step"]) for row in rows} == {run.steps[at]}
    np.testing.assert_array_equal(numbers(rows, "high"), run.stat("gradient_norm")[at])
    kept(exported(panel, label, "PNG"), "export-profile")
    root = ElementTree.fromstring(exported(panel, label, "SVG").bytes)
    assert root.find(f"{SVG}title").text == "Gradient norm over depth"
    assert f"{RUN} · step {run.steps[at]} · adamax-tb" in set(root.itertext())


@pytest.fixture
def compared(panel):
    """Compares with the healthy run, for a test."""
    panel.heatmap.locator("#compare").select_option("healthy")
    panel.frame.locator("[data-testid=heatmap][data-compared=healthy] .map").nth(1).wait_for()
    yield
    panel.heatmap.locator("#compare").select_option("")


def test_compared_runs_and_their_difference_are_exported(panel, runs, compared):
    one, other = runs[RUN], runs["healthy"]
    rows = rows_of(exported(panel, "heat map of healthy", "CSV"))
    assert {row["run"] for row in rows} == {"healthy"}
    np.testing.assert_array_equal(numbers(rows, "high"), other.stat("gradient_norm").T.ravel())
    root = ElementTree.fromstring(exported(panel, "heat map of healthy", "SVG").bytes)
    assert root.find(f"{SVG}title").text == "Gradient norm of healthy"
    panel.heatmap.get_by_label("difference").check()
    label = f"difference of {RUN} and healthy"
    rows = rows_of(exported(panel, label, "CSV"))
    assert {row["statistic"] for row in rows} == {f"gradient_norm, log10 of {RUN} over healthy"}
    root = ElementTree.fromstring(exported(panel, label, "SVG").bytes)
    kept(exported(panel, label, "PNG"), "export-difference")
    assert root.find(f"{SVG}title").text == f"Gradient norm of {RUN} against healthy"
    assert "equal" in set(root.itertext())
    told = {(row["layer"], int(row["last_step"])): row["high"] for row in rows}
    assert told[("digits/dense_8/kernel", 10)] == ""  # a layer that the other run has not
    for step in (1, 10, 200):
        values = [
            run.stat("gradient_norm")[run.steps == step, run.layers.index(KERNEL)].item()
            for run in (one, other)
        ]
        # as exact as a float32 is
        assert float(told[(KERNEL, step)]) == pytest.approx(
            np.log10(values[0] / values[1]), abs=1e-6
        )


def test_in_dark_mode_pictures_are_dark(panel):
    panel.dark()
    panel.page.wait_for_timeout(300)  # the panel follows TensorBoard's page
    for what, (label, _) in EXPORTS.items():
        shown = pixels(kept(exported(panel, label, "PNG"), f"export-{what}-dark"))
        assert shown[0, 0].max() < 100
    panel.screenshot("exports-dark")
    panel.dark(False)
