"""What TensorBoard's own tabs are told: the numbers of a record, the verdict as it is judged, the findings as text."""

import html.parser
import threading

import keras
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from models import classifier, dictated, fit, gradients, mean_output, train
from synthetic import LAYERS, healthy_stats, table
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugin_util import markdown_to_safe_html
from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin
from tensorboard.plugins.text.text_plugin import TextPlugin
from tensorboard.util.tensor_util import make_ndarray

import adamax_tb
from adamax_tb import schema
from adamax_tb.names import printable
from adamax_tb.recordfile import RecordFile
from adamax_tb.rules import Finding
from adamax_tb.scalars import findings_text, level, record_levels, record_scalars
from adamax_tb.schema import NOT_RECORDED, scalar_tag
from adamax_tb.writer import EventWriter

SIZES = [int(np.prod(shape)) for _, shape in LAYERS]
SCALARS = tuple(map(scalar_tag, schema.SCALARS))
NAN_AT = 34


@pytest.fixture
def prompt(monkeypatch):
    """What goes by the clock goes by the record."""
    monkeypatch.setattr("adamax_tb.recording.DRAIN_S", 0.0)
    monkeypatch.setattr("adamax_tb.watch.Budget.affords", lambda budget, urgent: True)


def found(rule="dead-units", severity="warning", layer="net/dense/kernel", first=5, **fields):
    words = {"last_step": first, "message": "Here.", "evidence": {}, "suggestion": "That."}
    return Finding(rule, severity, layer, first, **{**words, **fields})


def series(directory):
    """Returns tag → [(step, value)], all that the files in `directory` hold beside our records."""
    values = {}
    for path in sorted(directory.iterdir()):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if not value.tag.startswith(f"{schema.PLUGIN_NAME}/"):
                    number = make_ndarray(value.tensor).item()
                    values.setdefault(value.tag, []).append((event.step, number))
    return values


# The numbers of a record


def test_the_numbers_are_those_of_all_layers_together():
    random = np.random.default_rng(0)
    names = ("gradient_norm", "update_rms", "weight_norm")
    stats = {name: random.lognormal(size=(7, 4), sigma=3).astype(np.float32) for name in names}
    steps = {"loss": random.normal(size=7), "learning_rate": np.geomspace(1, 1e-4, 7)}
    made = record_scalars(stats, steps, SIZES)
    assert set(made) == {*SCALARS} - {scalar_tag("verdict")}
    gradient, rms, weights = (stats[name].astype(np.float64) for name in names)
    update = np.sqrt(sum(rms[:, i] ** 2 * size for i, size in enumerate(SIZES)))
    expected = {
        "gradient_norm": np.sqrt(np.sum(gradient**2, axis=1)),
        "update_ratio": update / np.sqrt(np.sum(weights**2, axis=1)),
        **steps,
    }
    for name, values in expected.items():
        # in float64 until the end: one rounding
        np.testing.assert_allclose(made[scalar_tag(name)], values, rtol=6e-8, err_msg=name)
        assert made[scalar_tag(name)].dtype == np.float32


def test_a_layer_without_a_number_is_not_counted_and_a_bad_one_is_not_hidden():
    stats = {name: np.full((3, 4), 2.0, np.float32) for name in ("gradient_norm", "weight_norm")}
    stats["update_rms"] = np.ones((3, 4), np.float32)
    stats["gradient_norm"][0, 1:] = NOT_RECORDED
    stats["gradient_norm"][1, 2] = np.nan
    stats["gradient_norm"][2, 2] = np.inf
    stats["update_rms"][0, 2:] = NOT_RECORDED
    stats["update_rms"][1], stats["weight_norm"][1] = 0, 0
    stats["weight_norm"][2] = 0
    made = record_scalars(stats, {"loss": np.ones(3), "learning_rate": np.ones(3)}, [4, 12, 1, 1])
    np.testing.assert_array_equal(made[scalar_tag("gradient_norm")], [2, np.nan, np.inf])
    np.testing.assert_array_equal(
        made[scalar_tag("update_ratio")], np.float32([4 / np.sqrt(8), 0, np.inf])
    )


def test_what_no_record_has_is_left_out_and_a_nan_is_not():
    stats = healthy_stats([1, 2], has=frozenset())
    unknown = np.full(2, NOT_RECORDED, np.float64)
    steps = {"loss": unknown, "learning_rate": np.array([np.nan, np.nan])}
    made = record_scalars(stats, steps, SIZES)
    assert set(made) == {scalar_tag("gradient_norm"), scalar_tag("learning_rate")}
    steps = {"loss": np.array([NOT_RECORDED, 1.0]), "learning_rate": np.ones(2)}
    np.testing.assert_array_equal(
        record_scalars(stats, steps, SIZES)[scalar_tag("loss")], [np.nan, 1]
    )


# The verdict


def test_the_level_is_that_of_the_worst_of_causes_and_consequences():
    assert level([]) == level([found(severity="info")]) == 0
    assert level([found(severity="info"), found()]) == 1
    assert level([found(consequences=(found("nonfinite", "critical"),))]) == 2


@pytest.mark.parametrize(
    ("before", "findings", "levels"),
    [
        (0, [], [0, 0, 0]),
        (0, [found(first=15)], [0, 1, 1]),
        (0, [found(first=1)], [1, 1, 1]),
        (0, [found(first=30)], [0, 0, 1]),
        (0, [found(first=31)], [0, 0, 1]),
        (1, [found(first=5)], [1, 1, 1]),
        (1, [found(first=5), found("nonfinite", "critical", first=20)], [1, 2, 2]),
        (1, [found(consequences=(found("nonfinite", "critical", first=21),))], [1, 1, 2]),
        (2, [found(first=5)], [2, 2, 1]),
        (2, [], [2, 2, 0]),
    ],
)
def test_a_worse_verdict_holds_from_where_it_begins_a_better_one_from_now(before, findings, levels):
    assert record_levels(np.array([10, 20, 30]), before, findings).tolist() == levels


# The text


class Shown(html.parser.HTMLParser):
    """The elements of a page and what is read on it."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, *attributes))

    def handle_data(self, data):
        self.words.append(data)


def test_the_text_says_what_to_do_and_what_followed():
    followed = found("nonfinite", "critical", "net/out/bias", 1200, message="It is NaN.")
    text = findings_text([found(last_step=1900, consequences=(followed,))], 2000, ended=False)
    shown = Shown(markdown_to_safe_html(text))
    assert "".join(shown.words).split("\n") == [
        "critical at step 2,000, in training.",
        "dead-units (warning) in net/dense/kernel, steps 5 to 1,900. Here.",
        "What followed from it:",
        "",
        "nonfinite (critical) in net/out/bias, step 1,200. It is NaN.",
        "",
        "What to do: That.",
    ]
    assert [tag for (tag, *_) in shown.elements].count("li") == 1
    assert "healthy at step 9, training ended. Nothing was found." in "".join(
        Shown(markdown_to_safe_html(findings_text([], 9, ended=True))).words
    )


@given(st.text(), st.text())
@example('<img src="http://a.b/c">', "</p><script>1</script>")
@example("[a](http://b.c) ![d](e)", "&lt;b&gt; &amp;#60; <http://a.b>")
@example("**a** _b_ __c__ a_b `d`", "# e\n\n- f\n\n    g | h\n---|---")
@example("a\\.b \\# \\-", "1. a\n***\n[x]: http://a.b\n")
@example("\ud800\x1b[31m\u202e", "\x00\x02\x03klzzwxh:0001\x03")
def test_no_name_and_no_sentence_formats_anything(layer, message):
    plain = findings_text([found(layer="x", message="y")], 9, True)
    text = findings_text([found(layer=layer or "x", message=message)], 9, True)
    shown, expected = (Shown(markdown_to_safe_html(t)) for t in (text, plain))
    assert shown.elements == expected.elements
    words = f"in {printable(layer) or 'x'}, step 5. {printable(message)}"
    assert " ".join(words.split()) in " ".join("".join(shown.words).split())


# In files and in TensorBoard


MAKERS = {
    "fit": adamax_tb.OptimizerHealth,
    "loop": lambda *args, **kwargs: adamax_tb.record(adamax_tb.AdaMax(), *args, **kwargs),
}


def test_numbers_and_text_say_their_kind(tmp_path):
    writer = EventWriter(str(tmp_path), table())
    writer.write_scalars(np.array([1, 2]), {tag: np.zeros(2) for tag in SCALARS})
    writer.write_text(2, "**a**")
    writer.close()
    first, later, text = [*LegacyEventFileLoader(writer.path).Load()][1:]
    kinds = {
        value.tag: (value.metadata.plugin_data.plugin_name, value.metadata.data_class)
        for value in (*first.summary.value[1:], *text.summary.value)
    }
    assert kinds == {
        **dict.fromkeys(SCALARS, ("scalars", summary_pb2.DATA_CLASS_SCALAR)),
        schema.FINDINGS_TAG: ("text", summary_pb2.DATA_CLASS_TENSOR),
    }
    assert first.summary.value[0].tag == schema.LAYERS_TAG  # it is the first event of all
    assert not any(value.HasField("metadata") for value in later.summary.value)
    assert later.ByteSize() < 250


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("value", [None, 1, "scalars"])
def test_what_is_no_yes_or_no_is_named(tmp_path, make, value):
    with pytest.raises(ValueError, match="`write_summaries` must be True or False.*Received: "):
        make(tmp_path, write_summaries=value)


def test_records_are_the_same_and_nothing_is_beside_them_by_default(tmp_path):
    grads = gradients(50, (3,), (4,))
    for name, wanted in (("without", False), ("with", True)):
        model = dictated((3,), (4,))
        model.compile(adamax_tb.AdaMax(1e-3), mean_output, jit_compile=False)
        train(model, grads, adamax_tb.OptimizerHealth(tmp_path / name, write_summaries=wanted))
    assert series(tmp_path / "without") == {}
    runs = adamax_tb.read_runs(tmp_path)
    for name in runs["with"].statistics:
        np.testing.assert_array_equal(runs["with"].stat(name), runs["without"].stat(name), name)
    written = series(tmp_path / "with")
    assert set(written) == {*SCALARS, schema.FINDINGS_TAG}
    run = runs["with"]
    for tag in SCALARS:
        assert [step for step, _ in written[tag]] == run.steps.tolist(), tag
    norms = np.linalg.norm(run.stat("gradient_norm").astype(float), axis=1)
    values = [value for _, value in written[scalar_tag("gradient_norm")]]
    np.testing.assert_allclose(values, norms, rtol=1e-6)
    assert [x for _, x in written[scalar_tag("loss")]] == run.loss.tolist()


def test_both_loaders_give_the_numbers_and_the_text(tmp_path, open_logdir):
    model = classifier(adamax_tb.AdaMax(1e-2))
    fit(model, adamax_tb.OptimizerHealth(tmp_path / "a", write_summaries=True))
    expected = series(tmp_path / "a")
    client = open_logdir(tmp_path, plugins=[ScalarsPlugin, TextPlugin])
    tags = client.get("/data/plugin/scalars/tags").json["a"]
    descriptions = {scalar_tag(name): words for name, words in schema.SCALARS.items()}
    assert {tag: about["description"] for tag, about in tags.items()} == {
        tag: f"<p>{words}</p>" for tag, words in descriptions.items()
    }
    for tag in SCALARS:
        query = {"run": "a", "tag": tag}
        served = client.get("/data/plugin/scalars/scalars", query_string=query).json
        assert [(step, value) for _, step, value in served] == expected[tag], tag
    query = {"run": "a", "tag": schema.FINDINGS_TAG}
    (text,) = client.get("/data/plugin/text/text", query_string=query).json
    assert text["step"] == 40
    assert "<strong>healthy</strong> at step 40, training ended." in text["text"]


def test_the_verdict_is_critical_from_the_nan_on_and_the_text_tells_it(tmp_path, prompt):
    model = dictated((3,), (4,))
    model.compile(adamax_tb.AdaMax(1e-3), mean_output, jit_compile=False)
    grads = gradients(80, (3,), (4,))
    grads[0][NAN_AT - 1, 1] = np.nan
    train(model, grads, adamax_tb.OptimizerHealth(tmp_path, write_summaries=True))
    written = series(tmp_path)
    levels = written[scalar_tag("verdict")]
    assert [step for step, _ in levels] == [1, 10, 20, 30, NAN_AT, 40, 50, 60, 70, 80]
    assert [value for _, value in levels] == [0] * 4 + [2] * 6
    assert np.isnan([x for _, x in written[scalar_tag("gradient_norm")]]).tolist() == [
        *([False] * 4),
        True,
        *([False] * 5),
    ]
    (told_at, told), (ended_at, ended) = written[schema.FINDINGS_TAG]
    assert (told_at, ended_at) == (40, 80)
    assert told.startswith(b"**critical** at step 40, in training.\n\n**nonfinite** (critical) in ")
    assert ended.startswith(b"**critical** at step 80, training ended.")


def test_a_verdict_that_is_reached_after_the_last_record_is_told_at_the_last_update(
    tmp_path, monkeypatch
):
    findings = [found(first=7), found("epsilon-dominated", "info")]
    monkeypatch.setattr("adamax_tb.rules.judged", lambda run: (findings, {}))
    model = classifier(adamax_tb.AdaMax(1e-2))
    health = adamax_tb.OptimizerHealth(tmp_path, every=38, write_summaries=True)

    class Drain(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if model.optimizer.iterations == 39:
                health._recording.drain()

    fit(model, health, Drain())
    written = series(tmp_path)
    assert written[scalar_tag("verdict")] == [(1, 0), (38, 0), (40, 1)]
    ((_, text),) = written[schema.FINDINGS_TAG]
    assert b"**epsilon-dominated** (info)" in text  # as everywhere, but while training


def test_a_second_training_goes_on_where_the_first_ended(tmp_path):
    model = classifier(adamax_tb.AdaMax(1e-2))
    health = adamax_tb.OptimizerHealth(tmp_path, write_summaries=True)
    fit(model, health, epochs=2)
    fit(model, health, epochs=2)
    written = series(tmp_path)
    assert [step for step, _ in written[scalar_tag("loss")]] == [1, 10, 20, 30]
    assert [step for step, _ in written[schema.FINDINGS_TAG]] == [16, 32]


def test_a_loop_that_does_not_say_its_loss_has_no_loss(tmp_path):
    model = classifier(adamax_tb.AdaMax(1e-2))
    variables = model.trainable_variables
    optimizer = keras.optimizers.Ftrl(1e-2)
    with adamax_tb.record(optimizer, tmp_path, write_summaries=True):
        for _ in range(12):
            optimizer.apply_gradients([(keras.ops.ones_like(v), v) for v in variables])
    written = series(tmp_path)
    assert set(written) == {
        scalar_tag("gradient_norm"),
        scalar_tag("learning_rate"),
        scalar_tag("verdict"),
        schema.FINDINGS_TAG,
    }
    size = sum(int(np.prod(v.shape)) for v in variables)
    assert {x for _, x in written[scalar_tag("gradient_norm")]} == {np.float32(np.sqrt(size))}


# While the disk is slow


def test_the_numbers_give_way_to_the_records_while_the_disk_is_slow(tmp_path, monkeypatch):
    count = len(schema.recorded_statistics(frozenset()))
    row = 500 + 300 * (1 + count) + 4 * (4 * count + len(schema.STEP_STATS))
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 8 * row)
    go_on = threading.Event()

    class Slow:
        def __init__(self, path):
            self.inner = RecordFile(path)
            self.flush, self.close = self.inner.flush, self.inner.close

        def write(self, record):
            assert go_on.wait(30)
            self.inner.write(record)

    writer = EventWriter(str(tmp_path), table(has=frozenset()), open_records=Slow)
    with pytest.warns(UserWarning, match="thinned"):
        for step in range(1, 41):
            at = np.array([step])
            writer.write(at, healthy_stats(at, has=frozenset()), {})
            writer.write_scalars(at, {scalar_tag("verdict"): np.zeros(1)})
        writer.write_text(40, "ends")
        go_on.set()
        writer.close()
    written = series(tmp_path)
    (run,) = adamax_tb.read_runs(tmp_path).values()
    steps = [step for step, _ in written[scalar_tag("verdict")]]
    assert steps == [*range(1, len(steps) + 1)]  # until the queue was half full
    assert 1 <= len(steps) <= 4
    assert len(steps) < len(run.steps)
    assert run.steps[-1] == 40
    assert np.sum(run.step_stat("thinned")) + len(run.steps) == 40
    assert written[schema.FINDINGS_TAG] == [(40, b"ends")]


def test_a_close_that_takes_too_long_leaves_the_numbers_out(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.CLOSE_S", 0.6)
    slow = threading.Event()

    class Slow:
        def __init__(self, path):
            self.inner = RecordFile(path)
            self.flush, self.close = self.inner.flush, self.inner.close

        def write(self, record):
            slow.wait(0.35)  # in the middle of the time to close
            slow.set()
            self.inner.write(record)

    writer = EventWriter(str(tmp_path), table(has=frozenset()), open_records=Slow)
    with pytest.warns(UserWarning, match="thinned"):
        for step in (1, 2):
            at = np.array([step])
            writer.write(at, healthy_stats(at, has=frozenset()), {})
            writer.write_scalars(at, {scalar_tag("verdict"): np.zeros(1)})
        writer.close()
    assert series(tmp_path) == {}
    (run,) = adamax_tb.read_runs(tmp_path).values()
    assert run.steps[-1] == 2
