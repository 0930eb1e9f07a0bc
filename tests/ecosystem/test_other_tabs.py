"""Other writers of TensorBoard's beside ours: everything of theirs and of ours is shown, while they write and after."""

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from models import X, Y, classifier, fit

import adamax_tb
from adamax_tb import schema
from adamax_tb.schema import scalar_tag

# Keras's callback reads variables so
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OUTPUT = Path(__file__).parents[1] / "browser" / "output"
BATCHES = 8
OURS = {scalar_tag(name) for name in schema.SCALARS}


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def boards(logdir, serve_all):
    """The addresses of TensorBoards that follow `logdir` with either loader, by the loader's name."""
    flags = {"rustboard": "--load_fast=true", "python": "--load_fast=false"}
    return {name: serve_all(logdir, "--reload_interval=1", flag) for name, flag in flags.items()}


def get(address, route, **query):
    with urllib.request.urlopen(
        f"{address}/data/plugin/{route}?{urllib.parse.urlencode(query)}", timeout=20
    ) as answer:
        return json.load(answer)


def scalars(address, run):
    """Returns tag → steps of the scalars of a run."""
    return {
        tag: [step for _, step, _ in get(address, "scalars/scalars", run=run, tag=tag)]
        for tag in get(address, "scalars/tags").get(run, {})
    }


def until(boards, done):
    """Waits until `done` holds of what every board shows."""
    for name, address in boards.items():
        deadline = time.monotonic() + 60
        while (missing := done(address)) and time.monotonic() < deadline:
            time.sleep(0.3)
        assert not missing, f"{name}: {missing}"


class Pause(keras.callbacks.Callback):
    """Looks at the boards after each epoch but the last, behind all other callbacks."""

    def __init__(self, look):
        super().__init__()
        self.look = look

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < self.params["epochs"]:
            self.look(epoch + 1)


LAYOUTS = {
    "beside": ("health", "keras"),
    "the same": ("first", "first"),
    "within": ("first/train", "first"),  # two files in one directory
}


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_keras_own_callback_and_ours_are_both_shown_in_full(logdir, boards, layout, order):
    base = f"{layout} {order}"
    ours, theirs = (f"{base}/{name}" for name in LAYOUTS[layout])
    callbacks = [
        adamax_tb.OptimizerHealth(logdir / ours, every=2, write_summaries=True),
        keras.callbacks.TensorBoard(
            logdir / theirs, histogram_freq=1, update_freq="batch", profile_batch=0
        ),
    ]

    def missing(address, epochs, ended=False):
        train = scalars(address, f"{theirs}/train")
        steps = {"batch_loss": epochs * BATCHES, "epoch_loss": epochs}
        missing = {tag: train.get(tag) for tag, n in steps.items() if len(train.get(tag, [])) != n}
        graphs = get(address, "graphs/info").get(f"{theirs}/train", {"tags": {}})["tags"]
        histograms = get(address, "histograms/tags").get(f"{theirs}/train", {})
        runs = {run["name"]: run for run in get(address, "optimizer_health/runs")["runs"]}
        own = scalars(address, ours)
        records = runs.get(ours, {}).get("records", 0)
        if ended:
            validation = scalars(address, f"{theirs}/validation")
            missing |= {} if len(validation.get("epoch_loss", ())) == epochs else {"validation": 0}
            expected = [1, *range(2, epochs * BATCHES + 1, 2)]
            missing |= {tag: own.get(tag) for tag in OURS if own.get(tag) != expected}
            text = get(address, "text/tags").get(ours, [])
            missing |= {} if text == [schema.FINDINGS_TAG] else {"text": text}
            records = records if records != len(expected) else True
        found = {
            "graph": graphs.get("keras", {}).get("conceptual_graph"),
            "histograms": len(histograms) == len(callbacks[0].model.weights),
            "records": records,
            "scalars": own.keys() >= OURS,
        }
        return missing | {name: 0 for name, there in found.items() if not there}

    callbacks = callbacks if order == "ours first" else callbacks[::-1]
    pause = Pause(lambda epochs: until(boards, lambda address: missing(address, epochs)))
    classifier(adamax_tb.AdaMax(1e-2)).fit(
        *(X, Y), BATCHES, 3, 0, [*callbacks, pause], validation_data=(X, Y), shuffle=False
    )
    until(boards, lambda address: missing(address, 3, ended=True))
    (run,) = adamax_tb.read_runs(logdir / base).values()
    assert run.steps.tolist() == [1, *range(2, 3 * BATCHES + 1, 2)]
    assert run.notes == ()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_users_writer_writes_beside_our_file_is_shown(logdir, boards, when):
    run = f"tf.summary {when}"
    writers = [tf.summary.create_file_writer(str(logdir / run))] if when == "before" else []

    class Write(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if not writers:
                writers.append(tf.summary.create_file_writer(str(logdir / run)))
            with writers[0].as_default(step=epoch):
                tf.summary.scalar("mine", logs["loss"])
            writers[0].flush()

    def missing(address, epochs):
        shown = scalars(address, run)
        wanted = shown.get("mine") == [*range(epochs)] and shown.keys() >= OURS
        return None if wanted else shown or "nothing"

    health = adamax_tb.OptimizerHealth(logdir / run, write_summaries=True)
    pause = Pause(lambda epochs: until(boards, lambda address: missing(address, epochs)))
    fit(classifier(adamax_tb.AdaMax(1e-2)), health, Write(), pause, epochs=3)
    until(boards, lambda address: missing(address, 3))


def test_the_tabs_show_it_in_a_browser(chromium, serve, tmp_path):
    callbacks = [
        adamax_tb.OptimizerHealth(tmp_path / "first", write_summaries=True),
        keras.callbacks.TensorBoard(tmp_path / "first", profile_batch=0),
    ]
    model = classifier(keras.optimizers.Adam(1e3))  # far too high
    fit(model, *callbacks, epochs=20)
    address = serve(tmp_path)
    page = chromium.new_page(viewport={"width": 1400, "height": 1700})
    OUTPUT.mkdir(exist_ok=True)

    def shown(tab, *words, tags="", click=""):
        page.goto("about:blank")
        # of more groups than two the others are closed
        page.goto(f"{address}/?tagFilter={tags}#{tab}&tagFilter={tags}")
        if click:
            page.get_by_text(click).click()
        for text in words:
            page.get_by_text(text, exact=True).first.wait_for(timeout=30_000)
        page.wait_for_timeout(1500)  # charts draw in animation frames
        page.screenshot(path=OUTPUT / f"tab-{tab}.png")

    tags = "optimizer|epoch_loss"
    shown("timeseries", "epoch_loss", *OURS, tags=tags)
    shown("scalars", "tag: epoch_loss", *(f"tag: {tag}" for tag in OURS), tags=tags)
    shown("text", "tag: optimizer/findings", "exploding-gradient")
    # what is shown first, the graph of operations, is not written by this Keras
    shown("graphs", click="Conceptual graph")
    page.locator("svg title", has_text="net").first.wait_for(state="attached")
    page.goto(f"{address}/#optimizer_health")
    page.frame_locator("iframe").locator('tr[data-run="first"][data-verdict=critical]').wait_for()
    page.close()
