"""`Run.plot`: what is drawn is what was recorded, and Matplotlib's users find what they expect."""

import io
import pickle
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from synthetic import LAYERS, healthy_stats, write_run

import adamax_tb
from adamax_tb import schema
from adamax_tb.heatmap import SPECIALS
from adamax_tb.plot_map import row_labels

KERNEL = "dense_1/kernel"


@pytest.fixture(autouse=True, scope="module")
def agg():
    before = matplotlib.get_backend(auto_select=False)
    pyplot.switch_backend("agg")
    yield
    assert pyplot.get_fignums() == [], "a figure is left to pyplot"
    if before:
        matplotlib.use(before)


@pytest.fixture
def recorded(tmp_path):
    """`recorded(steps, change, ...)` returns a run whose statistics `change` may alter."""

    def make(steps, change=lambda stats: None, name="run", **kwargs):
        stats = healthy_stats(steps, kwargs.get("layers", LAYERS))
        change(stats)
        write_run(tmp_path / name, steps, stats, **kwargs)
        return adamax_tb.read_runs(tmp_path)[name]

    return make


def saved(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def map_of(figure):
    """Returns the cells of a figure's heat map, (rows, columns), masked where they have no colour."""
    (image,) = [image for ax in figure.axes for image in ax.get_images()]
    return image.get_array()


def line_of(ax):
    """Returns the steps and values of the first line in axes."""
    return ax.lines[0].get_xdata(), ax.lines[0].get_ydata()


def words(figure):
    """Returns all texts of a figure."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def nan_from(record):
    def change(stats):
        for name in ("gradient_norm", "gradient_norm_peak"):
            stats[name][record:] = np.nan
        stats["nonfinite"][record:] = 3

    return change


def test_the_title_is_the_verdict_and_the_findings_are_listed_and_marked(recorded):
    steps = np.arange(10, 200, 10)
    loss = [2 - 0.1 * i if i < 5 else np.nan for i in range(19)]
    run = recorded(steps, nan_from(5), name="sick", loss=loss)
    (finding,) = adamax_tb.diagnose(run)
    figure = run.plot()
    saved(figure)
    assert figure.get_suptitle() == "sick: critical since step 60: nonfinite"
    top, below = figure.axes[:2]
    listed = f"1  critical: nonfinite in {finding.layer}, since step 60"
    assert top.get_title(loc="left") == listed
    assert [60, 60] in [[*line.get_xdata()] for line in top.lines]
    assert [(text.get_text(), text.xy) for text in below.texts] == [
        ("1", (60, run.layers.index(finding.layer)))
    ]
    assert "NaN" in words(figure)


def test_a_run_without_findings_is_healthy_or_too_short_to_say(recorded):
    assert recorded(np.arange(1, 60)).plot().get_suptitle() == "run: healthy, no finding"
    one = recorded(np.array([1]), name="one").plot()
    saved(one)
    assert one.get_suptitle() == "one: too early to judge"
    assert map_of(one).shape[0] == len(LAYERS)
    assert [tick for tick in one.axes[1].get_xticks() if 0.5 < tick < 1.5] == [1]


def test_the_map_has_the_largest_of_every_update_in_rows_of_layers(recorded):
    def change(stats):
        stats["gradient_norm"][:] = [1, 2, 3, 4]
        stats["gradient_norm_peak"][:] = [1, 2, 3, 4]
        stats["gradient_norm_peak"][3000, 2] = 1e4

    run = recorded(np.arange(10, 50_001, 10), change)
    figure = run.plot()
    cells = map_of(figure)
    np.testing.assert_array_equal(cells[[0, 1, 3]], [[v] * cells.shape[1] for v in (1, 2, 4)])
    (at,) = np.nonzero(cells[2] == 1e4)  # one record of 5,000 is seen
    left, right = figure.axes[1].get_xlim()
    place = left + (at[0] + 0.5) / cells.shape[1] * (right - left)
    assert abs(place - 30_010) < 1.5 * (right - left) / cells.shape[1]
    assert (cells[2] != 1e4).sum() >= cells.shape[1] - 2
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels == list(run.layers)


def test_a_statistic_without_peaks_is_drawn_as_it_is(recorded):
    def change(stats):
        stats["u_mean"][:] = np.linspace(1, 2, len(stats["u_mean"]))[:, None]

    run = recorded(np.arange(1, 21), change)
    cells = map_of(run.plot("u_mean"))
    assert set(np.unique(cells)) == set(run.stat("u_mean")[:, 0].astype(float))


def test_what_is_no_number_has_its_colour_and_pattern_and_a_key(recorded):
    def change(stats):
        stats["u_mean"][5] = [np.nan, np.inf, 0, schema.NOT_RECORDED]

    figure = recorded(np.arange(1, 21), change).plot("u_mean")
    ax = figure.axes[1]
    shown = {
        matplotlib.colors.to_hex(c.get_facecolor()[0]): c.get_hatch()
        for c in ax.collections
        if c.get_hatch()
    }
    kinds = [SPECIALS[name].color for name in ("nan", "posinf", "zero")]
    assert list(shown) == [*kinds, "#ffffff"]
    assert len(set(shown.values())) == 4
    keys = [text.get_text() for text in ax.get_legend().get_texts()]
    assert keys == ["NaN", "+∞", "exactly 0", "not recorded"]
    (box,) = next(c for c in ax.collections if c.get_hatch()).get_paths()
    (left, top), (right, bottom) = box.vertices.min(axis=0), box.vertices.max(axis=0)
    column = 19 / map_of(figure).shape[1]
    assert 5.5 - column < left <= 5.5  # the sixth record, half-way to those beside it
    assert 6.5 <= right < 6.5 + column
    assert (top, bottom) == (-0.5, 0.5)  # in the first layer
    assert np.ma.count_masked(map_of(figure)) > 0


def test_zero_is_a_number_on_a_linear_scale(recorded):
    figure = recorded(np.arange(1, 21)).plot("u_zeros")
    assert not figure.axes[1].get_legend()
    assert map_of(figure).min() == 0


def test_curves_are_of_the_layers_asked_for_and_reach_up_to_the_peaks(recorded):
    def change(stats):
        stats["gradient_norm"][:] = [1, 2, 3, 4]
        stats["gradient_norm_peak"][:] = [10, 20, 30, 40]

    run = recorded(np.arange(1, 31), change)
    ax = run.plot(layers="kernel$").axes[1]
    drawn = [line.get_ydata()[0] for line in ax.lines]
    assert drawn == [1, 3]
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in ax.collections]
    assert tops == [10, 30]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "dense_1/kernel",
        "dense_2/kernel",
    ]
    assert ax.get_yscale() == "log"
    brackets = recorded(np.arange(1, 31), name="b", layers=[("dense (2)/kernel", (8, 4))])
    assert brackets.plot(layers="dense (2)/kernel").axes[1].lines
    for asked in (KERNEL, [KERNEL]):
        np.testing.assert_array_equal(
            line_of(run.plot(layers=asked).axes[1]), [run.steps, np.ones(30)]
        )


def test_a_peak_between_records_that_are_all_0_is_drawn(recorded):
    def change(stats):
        stats["gradient_norm"][:] = stats["gradient_norm_peak"][:] = 0
        stats["gradient_norm_peak"][15, 0] = 1e16

    figure = recorded(np.arange(1, 31), change).plot(layers=KERNEL)
    (area,) = figure.axes[1].collections
    area.set(color="#ff00ff", alpha=1)
    pixels = matplotlib.image.imread(io.BytesIO(saved(figure)))
    assert (pixels[..., :3] == (1, 0, 1)).all(axis=-1).any(axis=1).sum() > 50


def test_a_number_of_each_step_is_a_curve(recorded):
    run = recorded(np.arange(1, 31))
    steps, rates = line_of(run.plot("learning_rate").axes[1])
    np.testing.assert_array_equal(steps, run.steps)
    np.testing.assert_array_equal(rates, run.step_stat("learning_rate"))
    (only,) = run.plot("loss").axes
    np.testing.assert_array_equal(line_of(only)[1], run.loss)


def test_a_run_whose_loss_is_not_known_is_drawn_without_it(recorded):
    figure = recorded(np.arange(1, 31), loss=[np.nan] * 30).plot()
    assert figure.axes[0].get_images()
    saved(figure)


def test_ax_and_figure_are_drawn_in_and_their_figure_is_returned(recorded):
    run = recorded(np.arange(1, 31))
    figure, (left, right) = pyplot.subplots(1, 2)
    assert run.plot(ax=left) is figure
    assert left.get_images()
    assert left.get_title(loc="left") == "run: healthy, no finding"
    assert not right.get_images()
    pyplot.close(figure)

    figure = pyplot.figure(figsize=(12, 4))
    one, two = figure.subfigures(1, 2)
    assert run.plot(figure=one) is figure
    assert run.plot("u_mean", layers=KERNEL, figure=two) is figure
    assert one.get_suptitle() == two.get_suptitle() == "run: healthy, no finding"
    saved(figure)
    pyplot.close(figure)


def test_a_figure_of_its_own_is_unknown_to_pyplot_shown_by_notebooks_and_pickled(recorded):
    figure = recorded(np.arange(1, 31)).plot()
    assert isinstance(figure, Figure)
    assert pyplot.get_fignums() == []
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(figure)).get_suptitle() == figure.get_suptitle()


def test_a_dark_style_has_dark_paper_and_light_words(recorded):
    run = recorded(np.arange(10, 200, 10), nan_from(5), name="sick")
    light = run.plot()
    with pyplot.style.context("dark_background"):
        dark = run.plot()
    assert matplotlib.colors.to_hex(dark.get_facecolor()) == "#000000"
    colors = [matplotlib.colors.to_rgb(figure._suptitle.get_color()) for figure in (light, dark)]
    assert sum(colors[0]) < 1.5 < sum(colors[1])


def test_names_are_written_as_they_are(recorded):
    layers = [("_dense/kernel", (8, 4)), ("$x^2$/bias", (4,)), ("a$b/kernel", (4, 3))]
    run = recorded(np.arange(1, 31), name="$odd_{$run", layers=layers)
    figure = run.plot(layers=".")
    saved(figure)  # as mathematics this would be an error
    assert figure.get_suptitle().startswith("$odd_{$run: ")
    assert {name for name, _ in layers} <= set(words(figure))
    saved(run.plot())


def test_of_a_long_path_the_end_is_shown_beside_the_map(recorded):
    long = f"net/{'block_1/' * 9}dense/kernel"
    figure = recorded(np.arange(1, 31), layers=[(long, (8, 4)), ("kernel", (4, 3))]).plot()
    first, second = (label.get_text() for label in figure.axes[1].get_yticklabels())
    assert (len(first), first[0], second) == (36, "…", "kernel")
    assert long.endswith(first[1:])


def test_rows_are_labelled_by_blocks_where_single_names_have_no_room():
    names = [f"net/block_{b}/dense_{d}/{v}" for b in range(3) for d in (1, 2) for v in ("k", "b")]
    labels, begun = row_labels(names, 12)
    assert [at for at, _ in labels] == list(range(12))
    assert (labels[0][1], begun) == ("block_0/dense_1/k", [2, 4, 6, 8, 10])
    labels, begun = row_labels(names, 6)
    assert labels[:2] == [(0.5, "block_0/dense_1"), (2.5, "block_0/dense_2")]
    assert begun == [2, 4, 6, 8, 10]
    assert row_labels(names, 5) == (
        [(1.5, "block_0"), (5.5, "block_1"), (9.5, "block_2")],
        [4, 8],
    )
    assert row_labels(names, 2) == ([(1.5, "block_0"), (9.5, "block_2")], [])


def test_what_cannot_be_drawn_is_said_and_what_can(recorded):
    run = recorded(np.arange(1, 31))
    with pytest.raises(ValueError, match=r"`statistic`: run 'run' has no 'u'\. It has: gradient_"):
        run.plot("u")
    with pytest.raises(ValueError, match="`layers`: no layer of run 'run' has 'conv' in it"):
        run.plot(layers="conv")
    with pytest.raises(ValueError, match=r"`layers`: '\(' is no regular expression"):
        run.plot(layers="(")
    with pytest.raises(
        ValueError, match=r"`layers`: run 'run' has no 'x'\. It has: dense_1/kernel"
    ):
        run.plot(layers=[KERNEL, "x"])
    with pytest.raises(ValueError, match="is to be asked for one or more"):
        run.plot(layers=[])
    with pytest.raises(ValueError, match="'loss' is of each step, not of a layer"):
        run.plot("loss", layers=KERNEL)
    figure = Figure()
    with pytest.raises(ValueError, match="`ax` and `figure`: give one"):
        run.plot(ax=figure.subplots(), figure=figure)
    with pytest.raises(ValueError, match="no record of a layer to draw"):
        run.until(0).plot()


WITHOUT_MATPLOTLIB = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import adamax_tb
run = adamax_tb.read_runs({logdir!r})["run"]
try:
    run.plot()
except ImportError as error:
    print(error)
print([name for name in ("tensorflow", "keras", "pandas") if name in sys.modules])
"""


def test_without_matplotlib_it_says_what_to_install(recorded, tmp_path):
    recorded(np.arange(1, 31))
    code = WITHOUT_MATPLOTLIB.format(logdir=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "This needs Matplotlib: pip install matplotlib\n[]\n", done.stderr
