"""The report: its axes, paths and cells, and the file that the command writes."""

import base64
import datetime
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from synthetic import healthy_stats, write_run

from adamax_tb import axis, charts, heatmap, levels, overview, pictures, report
from adamax_tb.figure import Pin, pins_from, text
from adamax_tb.reader import read_runs
from adamax_tb.rules import Finding
from adamax_tb.schema import NOT_RECORDED

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
WHEN = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)


def adamax_tb(*arguments, cwd=None):
    command = [sys.executable, "-m", "adamax_tb.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


def finding(rule, layer=None, first=10, last=40, severity="critical", **fields):
    return Finding(
        **{
            "rule": rule,
            "severity": severity,
            "layer": layer,
            "first_step": first,
            "last_step": last,
            "message": "What happened.",
            "evidence": {"growth": np.inf, "part": 0.25},
            "suggestion": "What to change.",
            **fields,
        }
    )


class Page(HTMLParser):
    """What a browser would make of it: the tags, which must nest, their attributes, and the text."""

    VOID = ("meta", "img", "wbr")

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], [], []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def all(self, attribute):
        return [value for _, name, value in self.attributes if name == attribute]


def page_of(runs, findings=None, errors=None, title="runs"):
    given = {name: (findings or {}).get(name, []) for name in runs}
    return Page(b"".join(report.html_chunks(title, WHEN, runs, given, errors or {})).decode())


@pytest.fixture
def run(tmp_path):
    """A run of 60 records whose first layer spikes at step 31."""
    norms = np.ones((60, 4), np.float32)
    norms[30, 0] = 1000
    numbers = {"gradient_norm": norms, "gradient_norm_peak": norms}
    write_run(tmp_path / "run/a", range(1, 61), numbers)
    return read_runs(tmp_path / "run")["a"]


@given(st.floats(-1e30, 1e30), st.floats(1e-6, 1e30), st.integers(2, 8))
@example(0.0, 1.0, 5)
@example(-3.0, 580.0, 6)
def test_ticks_are_few_round_and_on_the_axis(low, length, most):
    high = low + length
    if not high - low >= 1e-9 * max(abs(low), abs(high)):
        return
    found = axis.ticks(low, high, most)
    assert 1 <= len(found) <= most + 1
    slack = 1e-9 * max(abs(low), abs(high))
    assert all(low - slack <= tick <= high + slack for tick in found)
    gaps = np.diff(found)
    assert gaps.size == 0 or gaps == pytest.approx(gaps[0], rel=1e-3, abs=2 * slack)


def test_ticks_are_multiples_of_1_2_or_5():
    assert axis.ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert axis.ticks(1, 580, 6) == [100, 200, 300, 400, 500]
    assert axis.ticks(-0.31, 0.29, 5) == [-0.2, 0, 0.2]


def test_logarithmic_ticks_are_powers_of_ten_and_finer_ones_where_these_are_few():
    assert axis.log_ticks(0.5, 2e20, 5) == [1, 1e5, 1e10, 1e15, 1e20]
    assert axis.log_ticks(0.9e-3, 1.1, 5) == [1e-3, 1e-2, 1e-1, 1]
    assert axis.log_ticks(0.3, 6, 5) == [0.5, 1, 2, 5]
    assert axis.log_ticks(3.1, 3.4, 5) == [3.1, 3.2, 3.3, 3.4]


@given(st.floats(1e-38, 1e38), st.floats(1.001, 1e30), st.integers(2, 8))
def test_logarithmic_ticks_lie_on_the_axis(low, times, most):
    found = axis.log_ticks(low, low * times, most)
    assert 1 <= len(found) <= 2 * most
    assert all(low * (1 - 1e-6) <= tick <= low * times * (1 + 1e-6) for tick in found)


@given(st.lists(st.floats(width=32), max_size=20), st.sampled_from([None, True, False]))
@example([], None)
@example([0.0], True)
@example([float("nan"), float("inf")], True)
@example([3.4e38, -3.4e38], False)
@example([1e-45, 3.4e38], None)
def test_an_axis_holds_every_number_it_can(numbers, log):
    values = np.array(numbers, np.float64)
    found = axis.axis_of(values, log)
    assert found.low < found.high
    held = values[np.isfinite(values) & ((values > 0) | (not found.log))]
    places = found.place(held)
    assert np.all((places >= 0) & (places <= 1))
    assert np.isnan(found.place([np.nan])).all()


def test_numbers_far_apart_get_a_logarithmic_axis():
    assert axis.axis_of(np.array([0.1, 2.0])).log is False
    assert axis.axis_of(np.array([0.1, 2e5])).log is True
    assert axis.axis_of(np.array([-0.1, 2e5])).log is False
    assert axis.axis_of(np.array([0.2, 0.3]), whole=(0, 1)) == axis.Axis(0, 1)
    assert axis.axis_of(np.array([0.2, 1.3]), whole=(0, 1)).high > 1.3


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.0, "0"),
        (580.0, "580"),
        (20000.0, "20,000"),
        (1234.5, "1,230"),
        (1e5, "1e5"),
        (0.05, "0.05"),
        (1.234e-7, "1.23e-7"),
        (-2.5, "-2.5"),
        (np.nan, "NaN"),
        (np.inf, "∞"),
        (-np.inf, "−∞"),
    ],
)
def test_numbers_are_spelled_short(value, spelled):
    assert axis.short(value) == spelled


def test_a_line_has_gaps_where_there_is_no_number():
    x = np.linspace(0, 1, 6)
    y = np.array([0, 0.5, np.nan, 1, np.nan, 0.25])
    assert charts.line_path(x, y) == "M0 2000L400 1000"
    assert charts.lone_points(x, y) == "M1200 0h0M2000 1500h0"
    assert charts.line_path(x, np.full(6, np.nan)) == ""


def test_an_area_goes_there_above_and_back_below():
    x, low = np.array([0, 0.5, 1]), np.array([0.25, np.nan, np.nan])
    assert (
        charts.area_path(x, low, np.array([0.5, 1, np.nan])) == "M0 1000L1000 0L1000 2000L0 1500Z"
    )


def test_peaks_between_records_that_are_all_0_are_drawn(tmp_path):
    """Units die while the gradient explodes: what is recorded is 0, the spikes are in between."""
    peaks = np.zeros((60, 4), np.float32)
    peaks[[10, 11, 12, 30], 0] = 1e7, 1e3, 1, 1e5
    stats = {"gradient_norm": np.zeros((60, 4), np.float32), "gradient_norm_peak": peaks}
    write_run(tmp_path / "a", range(10, 601, 10), stats)
    one = finding("exploding-gradient", "dense_1/kernel", first=110)
    run = read_runs(tmp_path)["a"]
    chart = Page(next(pictures.finding_pictures(run, one, Pin("1", "critical", 110))))
    assert "up to the largest between two records" in chart.text
    (area,) = [path for path in chart.all("d") if "Z" in path]
    several, alone = re.findall(r"M(\d+) (\d+)L[^M]* 2000Z", area)
    assert (int(several[0]), int(alone[0])) == (round(10 / 59 * 2000), round(30 / 59 * 2000))
    assert int(several[1]) < int(alone[1]) < 1000


@given(st.integers(1, 5000), st.integers(1, 40), st.integers(0, 10**6), st.booleans())
@example(1, 1, 0, False)
@example(401, 40, 400, True)
def test_no_spike_is_lost_in_the_cells_of_a_heat_map(records, most, place, nan):
    at = place % records
    values = np.ones((records, 3), np.float32)
    values[at, 1] = np.nan if nan else 1e9
    seen = _seen(values, most)
    high, marks = overview.cells(seen, 50, 3)
    assert high.shape == (3, 50)
    assert bool(marks[1].any()) is nan
    assert bool((high[1] == 1e9).any()) is not nan
    assert np.all(high[[0, 2]] == 1)
    where = np.nonzero(marks[1] if nan else high[1] == 1e9)[0]
    rows = -(-records // most)
    expected = at / max(1, records - 1) * 50
    assert (
        where.min() - 1 - 50 * rows / records <= expected <= where.max() + 2 + 50 * rows / records
    )


def _seen(values, most):
    """Returns an overview of records at steps 1, 2, ..."""
    per = -(-len(values) // most)
    rows = levels.reduced(values, per, mean=True)
    first = np.arange(1, len(values) + 1, per)
    return overview.Overview(first, np.minimum(first + per - 1, len(values)), rows)


def test_layers_share_a_row_of_cells_when_there_are_more_than_rows():
    values = np.ones((4, 10), np.float32)
    values[2, 7] = 5
    high, _ = overview.cells(_seen(values, 100), 4, 3)
    assert high.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 5, 5]]  # it reaches half-way


def test_a_course_keeps_its_range_and_tells_the_kinds_of_not_finite(tmp_path):
    loss = np.linspace(2, 1, 1000)
    loss[[100, 200, 300]] = 77, np.nan, np.inf
    write_run(tmp_path / "a", range(1, 1001), loss=loss)
    seen = overview.course(read_runs(tmp_path)["a"], "loss", 50)
    assert (len(seen.steps), seen.per) == (50, 20)
    assert seen.high.max() == 77
    assert seen.low[5] == np.float32(loss[119])
    assert np.nonzero(seen.marks)[0].tolist() == [10, 15]
    assert seen.marks[[10, 15]].tolist() == [levels.NAN, levels.POSITIVE_INFINITY]


def test_the_course_of_all_layers_is_their_range_and_median(run):
    seen = overview.course(run, "gradient_norm", 100)
    assert (seen.low[30], seen.mean[30], seen.high[30]) == (1, 1, 1000)


def _decoded(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_what_is_not_finite_has_colours_that_no_number_has_and_no_data_has_none():
    values = np.array([[1, 10, 100, 1, 1, 1, 0, NOT_RECORDED]], np.float32)
    marks = np.array([[0, 0, 0, levels.NAN, levels.POSITIVE_INFINITY, 5, 0, 8]], np.uint8)
    numbers = heatmap.colored(values, marks, heatmap.scale_of(values))
    assert heatmap.specials_in(numbers) == ["nan", "posinf", "zero", "missing"]
    pixels = _decoded(heatmap.picture(numbers, (1, 1)))[0]
    colours = ["#" + bytes(p[:3]).hex() for p in pixels]
    assert (colours[0], colours[2]) == (heatmap.VIRIDIS[0], heatmap.VIRIDIS[-1])
    assert colours[3] == colours[5] == heatmap.SPECIALS["nan"].color
    assert colours[4] == heatmap.SPECIALS["posinf"].color
    assert pixels[:, 3].tolist() == [255] * 7 + [0]


def test_large_special_cells_have_a_pattern_and_small_ones_are_drawn_larger():
    numbers = np.zeros((5, 5), np.uint8)
    numbers[2, 2] = heatmap.colored(
        np.array([1.0], np.float32), np.array([levels.NAN], np.uint8), heatmap.Scale(1, 2, False)
    )[0]
    cell = _decoded(heatmap.picture(numbers, (12, 12)))[24:36, 24:36]
    assert len(np.unique(cell.reshape(-1, 4), axis=0)) == 2
    assert np.count_nonzero(heatmap.enlarged(numbers)) == 9


def test_groups_that_nearly_all_layers_share_are_left_out():
    assert heatmap.without_common_group(["net/a/kernel", "net/b/kernel"]) == [
        "a/kernel",
        "b/kernel",
    ]
    assert heatmap.without_common_group(["a/kernel", "b/kernel"]) == ["a/kernel", "b/kernel"]
    many = [f"encoder/{i}/w" for i in range(19)]
    assert heatmap.without_common_group([*many, "head/w"])[-2:] == ["18/w", "head/w"]
    assert heatmap.without_common_group(["net/w"]) == ["w"]


def test_pins_that_are_close_share_a_label():
    pins = [Pin(str(n), "warning", step) for n, step in ((1, 10), (2, 11), (3, 11), (4, 90))]
    marks = "".join(pins_from(pins, axis.Axis(0, 100)))
    assert re.findall("<b>(.*?)</b>", marks) == ["1, 2, 3", "4"]
    assert marks.count('class="pin from') == 3


@pytest.mark.parametrize("rule", [*pictures.SUBJECTS, "a-rule-to-come"])
@pytest.mark.parametrize("layer", ["dense_1/kernel", None])
def test_every_rule_has_a_chart_of_what_it_is_about(run, rule, layer):
    one = finding(rule, layer)
    pin = Pin("1", "critical", one.first_step)
    drawn = [*pictures.finding_pictures(run, one, pin)]
    assert drawn
    for chart in drawn:
        assert Page(chart).tags.count("svg") == 1


def test_a_rule_to_come_is_shown_by_the_statistics_of_its_evidence(run):
    evidence = {"growth": 1.0, "update_rms": 1.0, "weight_norm": 2.0, "saturation": 1.0}
    found = pictures.subjects(run, finding("a-rule-to-come", evidence=evidence))
    assert found == ["update_rms", "weight_norm"]


def test_a_statistic_that_does_not_say_what_the_evidence_says_is_not_shown(run):
    """All units of a layer are dead, and the statistic has none: it compares them with each other."""
    seen = finding("dead-units", "dense_1/kernel", evidence={"dead_units": 0.0})
    assert pictures.subjects(run, seen) == ["dead_units", "gradient_norm"]
    known = finding("dead-units", "dense_1/kernel", evidence={"dead_units": 1.0})
    assert pictures.subjects(run, known) == ["gradient_norm", "gradient_zeros"]


def test_the_second_moment_stands_before_epsilon(run):
    one = finding("epsilon-dominated", "dense_1/kernel", evidence={"epsilon": 1e3})
    (chart,) = pictures.finding_pictures(run, one, Pin("1", "critical", 1))
    assert "below epsilon, 1,000" in Page(chart).text


def test_the_norm_of_a_layer_stands_before_its_usual_range(run):
    one = finding("exploding-gradient", "dense_1/kernel", first=31)
    chart = next(pictures.finding_pictures(run, one, Pin("1", "critical", 31)))
    assert "usual before step 31" in Page(chart).text
    early = next(pictures.finding_pictures(run, one, Pin("1", "critical", 3)))
    assert "usual" not in Page(early).text


def test_a_vanishing_gradient_is_shown_by_depth(run):
    drawn = [
        *pictures.finding_pictures(
            run, finding("vanishing-gradient", "dense_1/kernel"), Pin("1", "info", 1)
        )
    ]
    assert "1 is dense_1/kernel, 2 is dense_2/kernel" in Page(drawn[-1]).text


def test_a_flight_record_is_shown_where_it_has_more_than_the_records(tmp_path):
    flight = {"steps": range(52, 61), "loss": np.ones(9)}
    write_run(tmp_path / "sparse", range(1, 62, 10), flight=flight)
    write_run(tmp_path / "dense", range(1, 62), flight=flight)
    shown = {}
    for name, one in read_runs(tmp_path).items():
        bad = finding("nonfinite", "dense_1/kernel", first=58)
        drawn = pictures.finding_pictures(one, bad, Pin("1", "critical", 58))
        shown[name] = any("Flight record" in chart for chart in drawn)
    assert shown == {"sparse": True, "dense": False}


def test_the_report_tells_the_story_of_each_finding(run):
    last = finding("nonfinite", "dense_2/bias", 20, 60, evidence={})
    cause = finding(
        "learning-rate-too-high",
        first=5,
        consequences=(last,),
        reference="Kingma and Ba 2015 (https://arxiv.org/abs/1412.6980).",
    )
    page = page_of({"a": run}, {"a": [cause]})
    story = page.text[page.text.index("learning-rate-too-high in the whole run") :]
    places = [
        story.index(words)
        for words in (
            "from step 5 to 40",
            "What happened.",
            "What to do: What to change.",
            "More: Kingma and Ba 2015 (https://arxiv.org/abs/1412.6980).",
            "growth factor∞",
            "What followed from it:",
            "1.1 critical nonfinite in dense_2/bias, since step 20",
        )
    ]
    assert places == sorted(places)
    assert story.count("What to do:") == 1
    assert "https://arxiv.org/abs/1412.6980" in page.all("href")


def test_the_table_has_a_row_for_each_run_and_says_what_cannot_be_read(run):
    first = finding("dead-units", "dense_1/kernel", 12, severity="warning")
    page = page_of({"a": run}, {"a": [first]}, {"b": "Run 'b' cannot be read: torn."})
    assert "1 run: 1 warning. Made on 2026-01-02 at 03:04 (UTC)." in page.text
    table = page.text[page.text.index("Records") : page.text.index("What happened")]
    for words in ("warning", "dead-units", "dense_1/kernel", "12", "2 → 0.1", "AdaMax", "0.001"):
        assert words in table
    assert "60 of 60 steps" in table
    assert "Run 'b' cannot be read: torn." in page.text


def test_only_addresses_of_the_web_are_links():
    shown = report.linked(f"see https://a.org/b?c=d&e=f. javascript:alert(1) {HOSTILE}")
    page = Page(shown)
    assert page.all("href") == ["https://a.org/b?c=d&e=f"]
    assert page.tags == ["a"]
    assert Page(report.linked('http://a.org/"onclick="x')).all("onclick") == []


def test_every_name_is_text_and_nothing_acts_on_the_page(tmp_path):
    layers = ((f"net/{HOSTILE}/kernel", (8, 4)), (f"net/{HOSTILE}2/kernel", (4, 3)))
    steps = np.arange(1, 41)
    directory = tmp_path / "runs" / HOSTILE.replace("/", "")
    stats = healthy_stats(steps, layers)
    write_run(directory, steps, stats, layers=layers, optimizer=HOSTILE)
    runs = read_runs(tmp_path / "runs")
    (name,) = runs
    inner = finding(HOSTILE, layers[1][0], severity="warning", message=HOSTILE)
    cause = finding(
        "vanishing-gradient",
        layers[0][0],
        message=HOSTILE,
        suggestion=HOSTILE,
        reference=HOSTILE,
        evidence={HOSTILE: 1.0},
        consequences=(inner,),
    )
    page = page_of(runs, {name: [cause]}, {"x": HOSTILE}, title=HOSTILE)
    allowed = "html head meta title style body main header h1 h2 h3 h4 p time section table thead tbody tr th td a bdi"
    allowed += (
        " span div article strong dl dt dd figure figcaption svg path rect g b i img wbr footer"
    )
    assert set(page.tags) <= set(allowed.split())
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "\u202e" not in page.text + "".join(page.all("aria-label"))
    assert "\x1b" not in page.text + "".join(page.all("title"))
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert page.text.count(shown) >= 10
    assert any(shown in label for label in page.all("aria-label"))


def test_text_is_escaped_in_attributes_too():
    assert text("\"'<>&") == "&quot;&#x27;&lt;&gt;&amp;"


def test_the_file_asks_for_nothing(run):
    page = page_of({"a": run}, {"a": [finding("exploding-gradient", "dense_1/kernel")]})
    assert "script" not in page.tags
    assert "link" not in page.tags
    policy = next(v for v in page.all("content") if "default-src" in v)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert all(source.startswith("data:") for source in page.all("src"))
    content = b"".join(report.html_chunks("x", WHEN, {"a": run}, {"a": []}, {})).decode()
    assert not re.search(r"url\(|@import|https?://", content)


def test_each_chart_says_in_words_what_it_shows(run):
    page = page_of({"a": run}, {"a": [finding("exploding-gradient", "dense_1/kernel", first=31)]})
    labels = page.all("aria-label")
    assert page.all("role").count("img") == page.tags.count("figure") >= 3
    norm = next(label for label in labels if label.startswith("Gradient norm, dense_1/kernel"))
    assert "1 at step 1, 1 at step 60, largest 1,000 at step 31" in norm
    assert "finding 1 from step 31" in norm
    assert any(label.startswith("Loss of the batch") for label in labels)
    assert any(label.startswith("Gradient norm of each layer") for label in labels)


def test_findings_beyond_the_first_dozen_have_words_alone(run):
    many = [finding("dead-units", "dense_1/kernel", first=i) for i in range(1, 31)]
    page = page_of({"a": run}, {"a": many})
    assert page.text.count("What to do:") == 30
    assert page.tags.count("figure") == 2 * report.CHARTED + 2


@pytest.mark.parametrize("loss", [1.0, np.nan, np.inf, -np.inf, 0.0, -1e30, 3.4e38])
@pytest.mark.parametrize("records", [1, 2, 40])
@pytest.mark.parametrize("value", [0, np.nan, np.inf, 1e-45, NOT_RECORDED])
def test_the_oddest_numbers_make_a_report(tmp_path, loss, records, value):
    steps = np.arange(1, records + 1)
    stats = {name: np.full((records, 4), value, np.float32) for name in healthy_stats(steps)}
    write_run(tmp_path / "a", steps, stats, np.full(records, loss))
    runs = read_runs(tmp_path)
    found = [finding("vanishing-gradient", "dense_1/kernel", 1, records), finding("dead-units")]
    page = page_of(runs, {"a": found})
    for attribute in ("d", "style", "x", "y", "width", "height"):
        assert not [v for v in page.all(attribute) if re.search("nan|inf", v)]


def test_a_long_run_makes_a_small_file_with_its_spike(tmp_path):
    random = np.random.default_rng(0)
    layers = tuple((f"net/dense_{i}/kernel", (4, 4)) for i in range(600))
    norms = np.exp(random.normal(size=(3000, 600))).astype(np.float32)
    norms[1234, 321] = 1e9
    numbers = {"gradient_norm": norms, "gradient_norm_peak": norms, "nonfinite": norms * 0}
    write_run(tmp_path / "a", range(1, 3001), numbers, layers=layers, only=[*numbers])
    runs = read_runs(tmp_path)
    found = [finding("exploding-gradient", "net/dense_321/kernel", 1235, 3000)]
    content = b"".join(report.html_chunks("x", WHEN, runs, {"a": found}, {}))
    assert len(content) < 1e6
    page = Page(content.decode())
    assert any("largest 1e9 at step 123" in label for label in page.all("aria-label"))
    picture = _decoded(next(src for src in page.all("src")))
    brightest = np.all(picture[..., :3] == (0xFD, 0xE7, 0x25), axis=-1)
    rows, columns = np.nonzero(brightest)
    assert rows.size >= 1
    assert rows == pytest.approx(321.5 / 600 * 500, abs=1)
    assert columns == pytest.approx(1234 / 3000 * 400, abs=2)


def test_the_command_writes_report_html_where_it_stands(tmp_path):
    write_run(tmp_path / "runs/a", range(1, 41))
    write_run(tmp_path / "runs/b", range(1, 41))
    done = adamax_tb("report", "runs", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "report.html is written" in done.stderr
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "Optimizer health: runs" in page.text
    assert [p.name for p in tmp_path.iterdir() if "report" in p.name] == ["report.html"]
    done = adamax_tb("report", "runs", "--run", "b", "-o", tmp_path / "b.html", cwd=tmp_path)
    assert done.returncode == 0
    assert "1 run: 1 healthy." in Page((tmp_path / "b.html").read_text("utf-8")).text


def test_a_log_directory_that_is_a_run_is_shown_by_its_name(tmp_path):
    write_run(tmp_path / "first", range(1, 41))
    path = tmp_path / "first.html"
    assert adamax_tb("report", tmp_path / "first", "-o", path).returncode == 0
    page = Page(path.read_text("utf-8"))
    assert page.text.count("first (.)") == 2  # in the table and above its section
    assert "Optimizer health: first 1 run" in page.text


def test_a_run_that_cannot_be_read_is_told_and_the_others_are_written(tmp_path):
    write_run(tmp_path / "runs/good", range(1, 41))
    write_run(tmp_path / "runs/bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    done = adamax_tb("report", "runs", cwd=tmp_path)
    assert done.returncode == 2
    assert "'bad' cannot be read" in done.stderr
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "Run 'bad' cannot be read" in page.text
    assert "good" in page.text


def test_a_report_that_fails_leaves_the_file_of_that_name_alone(tmp_path):
    write_run(tmp_path / "runs/a", range(1, 41))
    (tmp_path / "report.html").write_text("mine")
    done = adamax_tb("report", "runs", "--run", "nonsense", cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no run 'nonsense'" in done.stderr
    assert adamax_tb("report", "nowhere", cwd=tmp_path).returncode == 2
    assert (tmp_path / "report.html").read_text() == "mine"


def test_the_demo_makes_a_report_of_three_runs(demo_logdir, tmp_path):
    done = adamax_tb("report", demo_logdir, "-o", tmp_path / "demo.html")
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "demo.html").read_text("utf-8")
    page = Page(content)
    assert "3 runs: 2 critical" in page.text
    for words in ("exploding-gradient", "vanishing-gradient", "What to do:", "Gradient by depth"):
        assert words in page.text
    assert len(content) < 300_000
