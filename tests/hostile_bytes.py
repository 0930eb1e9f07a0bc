"""Event files, layer tables and queries that somebody who means harm makes, and what must hold whatever is in them.

The tests take them in a fixed order and number; tests/endurance/fuzz.py goes on for as long as it is told to.
"""

import io
import itertools
import json
import math
import struct
import warnings
from urllib.parse import quote

import numpy as np
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, types_pb2

from adamax_tb import check, diagnose, schema
from adamax_tb.assembly import Assembly
from adamax_tb.checksum import masked_crc32c
from adamax_tb.export import FORMATS
from adamax_tb.logdir import FoundFile
from adamax_tb.reader import RunReader
from adamax_tb.rules import finding_json
from tb_plugin import table as tables
from tb_plugin.data import RunSource, Served, State
from tb_plugin.documents import Documents

NAME = f"events.out.tfevents.1.host.{schema.PLUGIN_NAME}"
STEPS = (0, 1, 2, 3, 7, 100, -1, -5, 2**31, 2**53 + 1, 2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1)
NUMBERS = (0.0, -0.0, 1.0, 1e-3, -1.0, 1e-45, 3.4e38, math.nan, math.inf, -math.inf, 1e300)
TIMES = (0.0, 1.7e9, -1.0, 1e308, math.nan, math.inf, -math.inf)
LAYERS = (
    "a/kernel",
    "a/bias",
    "b/kernel",
    "b/bias",
    "",
    "a",
    "\x00",
    "<b>",
    "ü" * 40,
    "..",
    "e/embeddings",
)
DTYPES = (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_STRING, types_pb2.DT_INVALID, 77)


def frame(record, length=None, spoiled=0):
    """Returns a record as a file has it; `length` is told instead of its own, with the right checksum."""
    size = struct.pack("<Q", len(record) if length is None else length)
    tail = struct.pack("<I", masked_crc32c(record) ^ spoiled)
    return size + struct.pack("<I", masked_crc32c(size)) + record + tail


def records_of(file):
    """Returns the records of a file whose lengths are right."""
    records, at = [], 0
    while at < len(file):
        (size,) = struct.unpack_from("<Q", file, at)
        records.append(file[at + 12 : at + 12 + size])
        at += size + 16
    return records


def layer_table(layers=LAYERS[:4], statistics=("gradient_norm", "u_mean", "nonfinite"), **more):
    given = {"step_statistics": schema.STEP_STATS, "optimizer": "AdaMax", "version": schema.VERSION}
    return schema.LayerTable(
        layers=[schema.Layer(name=name, shape=(2, 3), dtype="float32") for name in layers],
        statistics=statistics,
        **{**given, **more},
    )


def table_event(table, dtype=types_pb2.DT_STRING):
    """Returns an event with a layer table, a `LayerTable` or bytes in place of one."""
    event = event_pb2.Event(step=1, wall_time=1.0)
    value = event.summary.value.add(tag=schema.LAYERS_TAG)
    value.tensor.dtype = dtype
    value.tensor.string_val.append(table if isinstance(table, bytes) else table.SerializeToString())
    return event.SerializeToString()


def vectors_event(step, vectors, wall_time=1.0, dtype=types_pb2.DT_FLOAT):
    """Returns an event with vectors by tag, arrays or bytes in place of one."""
    event = event_pb2.Event(step=step, wall_time=wall_time)
    for tag, vector in vectors.items():
        value = event.summary.value.add(tag=tag)
        value.tensor.dtype = dtype
        value.tensor.tensor_content = (
            vector if isinstance(vector, bytes) else np.asarray(vector, "<f4").tobytes()
        )
    return event.SerializeToString()


def record_event(step, table=None, number=1.0, **more):
    """Returns an event with a number for all that `table` has."""
    table = table or layer_table()
    with np.errstate(over="ignore"):
        vectors = {schema.STEP_TAG: np.full(len(table.step_statistics), number)}
        for name in schema.recorded_statistics(schema.NEEDS):
            if name not in table.statistics:
                continue
            vectors[schema.statistic_tag(name)] = np.full(len(table.layers), number)
        return vectors_event(step, vectors, **more)


def flight_event(step, layers=4, **more):
    vectors = {schema.FLIGHT_TAG: np.ones(layers), schema.FLIGHT_STEP_TAG: [1.0, 1e-3, 1.0, 0.0]}
    return vectors_event(step, vectors, **more)


odd_floats = st.one_of(st.sampled_from(NUMBERS), st.floats(width=32))
odd_steps = st.one_of(st.integers(0, 20), st.sampled_from(STEPS), st.integers(-(2**63), 2**63 - 1))


@st.composite
def layer_tables(draw):
    """A layer table that is sensible but for some of what it says."""
    layers = draw(st.lists(st.sampled_from(LAYERS), max_size=6, unique=draw(st.integers(0, 9)) > 0))
    names = [s.name for s in schema.STATS] if draw(st.booleans()) else ["gradient_norm", "u_mean"]
    table = layer_table(layers, draw(st.lists(st.sampled_from([*names, "new"]), max_size=40)))
    if draw(st.booleans()):
        known = [*schema.STEP_STATS, "loss", "new"]
        table.step_statistics[:] = draw(st.lists(st.sampled_from(known), max_size=14))
    if draw(st.booleans()):
        words = st.sampled_from(["learning_rate", "epsilon", "beta_1", "beta_2", "", "\x1b[0m"])
        for name, value in draw(st.dictionaries(words, odd_floats, max_size=4)).items():
            table.hyperparameters[name] = value
        table.optimizer = draw(st.sampled_from(["", "Adam", "SGD", "<script>", "x" * 300]))
        table.planned_step = draw(st.sampled_from([0, 1, 10, 2**63, 2**64 - 1]))
        table.every = draw(st.sampled_from([0, 1, 10, 2**32 - 1]))
        table.version = draw(st.sampled_from([0, 1, 1, 1, 1, 2, 2**32 - 1]))
    for layer in table.layers:
        layer.shape[:] = draw(
            st.sampled_from([(), (0,), (2, 3), (1,), (-1, 4), (2**62, 2**62), (1,) * 40])
        )
    if draw(st.booleans()):
        units = draw(st.sampled_from([0, 1, 10, 2**32 - 1]))
        loss = draw(st.sampled_from(["", "MeanSquaredError", "BinaryCrossentropy", "new"]))
        table.head.MergeFrom(schema.Head(loss=loss, activation="softmax", units=units))
    return table


@st.composite
def event_bytes(draw, table):
    """One event of a run with `table`, which may say another one, or nothing that anybody meant."""
    kind = draw(st.sampled_from(["record"] * 8 + ["table", "flight", "odd", "bytes", "part"]))
    step, time = draw(odd_steps), draw(st.sampled_from(TIMES))
    if kind == "table":
        return table_event(draw(st.one_of(layer_tables(), st.just(table), st.binary(max_size=60))))
    if kind == "flight":
        return flight_event(step, draw(st.integers(0, 5)), wall_time=time)
    if kind == "bytes":
        return draw(st.binary(max_size=80))
    if kind == "record":
        return record_event(step, table, draw(odd_floats), wall_time=time)
    tags = [
        schema.STEP_TAG,
        schema.FLIGHT_TAG,
        schema.FLIGHT_STEP_TAG,
        "loss",
        f"{schema.PLUGIN_NAME}/new",
    ]
    tags += [schema.statistic_tag(s.name) for s in schema.STATS[:6]]
    if kind == "part":  # of the same step as others, perhaps
        step = draw(st.integers(1, 3))
    size = st.sampled_from([0, 1, 3, len(table.layers), len(table.step_statistics)])
    content = st.one_of(
        st.binary(max_size=30), size.map(lambda count: np.ones(count, "<f4").tobytes())
    )
    vectors = draw(st.dictionaries(st.sampled_from(tags), content, max_size=4))
    return vectors_event(step, vectors, time, draw(st.sampled_from(DTYPES)))


@st.composite
def spoiled(draw, data):
    """Bytes with a few of them changed, left out, or put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.sampled_from([0, 1, 1, 2, 8]))
        data[at:end] = draw(st.binary(max_size=4))
    return bytes(data)


@st.composite
def layer_table_bytes(draw):
    """A layer table as a file has it, perhaps spoiled."""
    data = draw(layer_tables()).SerializeToString()
    return draw(spoiled(data)) if draw(st.booleans()) else data


@st.composite
def event_files(draw):
    """An event file: most of its records with right lengths and checksums, so that what is behind these is reached."""
    table = draw(layer_tables())
    if draw(st.integers(0, 2)):
        table.version = schema.VERSION
    records = [b"\x1a\x0dbrain.Event:2", table_event(table)]
    uneventful = draw(st.sampled_from([0, 0, 0, 15, 70]))  # enough to be judged
    records += [record_event(step, table) for step in range(1, uneventful + 1)]
    records += draw(st.lists(event_bytes(table), max_size=12))
    for i in draw(st.lists(st.integers(0, len(records) - 1), max_size=2)):
        records[i] = draw(spoiled(records[i]))
    file = b"".join(map(frame, records))
    if draw(st.integers(0, 3)) == 0:
        file = draw(spoiled(file))
    return file[: draw(st.integers(0, len(file)))] if draw(st.integers(0, 3)) == 0 else file


class Growing:
    """An event file in memory that a `RunReader` reads as it grows."""

    def __init__(self, again=False):
        self.reader = RunReader("run", itertools.count(), again)

    def read(self, data):
        self.data = data
        found = FoundFile("run", f"run/{NAME}", len(data), 1, lambda: io.BytesIO(self.data))
        self.reader.look([found])
        for _ in self.reader.read():
            pass
        return self.reader.run()


def assert_survives(file, cut=None):
    """Reads a file, judges, exports and serves what it holds: with documented answers and without a warning.

    With `cut` it is read up to there first: what was read then must not change, and in the end be the same.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = Growing()
        run = whole.read(file)
        error = whole.reader.error
        assert run is not None or error or not whole.reader.assembly.blocks()
        if error:
            assert error.startswith("Run 'run' cannot be read: "), error
        if run is not None:
            assert_sound(run)
            assert_served(run, whole.reader.assembly, assert_told(run))
        if cut is not None:
            grown = Growing(again=True)
            early = grown.read(file[:cut])
            before = None if early is None else numbers(early)
            late = grown.read(file)
            assert early is None or numbers(early) == before
            assert (late is None) == (run is None)
            assert late is None or numbers(late) == numbers(run)


def numbers(run):
    """Returns all numbers of a run, to be compared."""
    stats = [run.stat(name).tobytes() for name in run.statistics]
    steps = [run.step_stat(name).tobytes() for name in schema.STEP_STATS]
    return run.layers, run.steps.tolist(), run.wall_times.tobytes(), stats, steps


def assert_sound(run):
    """Checks what `Run` promises."""
    count, layers = len(run.steps), len(run.layers)
    assert run.steps.dtype == np.int64
    assert all(a < b for a, b in itertools.pairwise(run.steps.tolist()))
    assert np.isfinite(run.wall_times).all()
    assert len(set(run.layers)) == len(run.shapes) == layers
    for name in run.statistics:
        values = run.stat(name)
        assert (values.shape, values.dtype) == ((count, layers), np.float32)
    for name in schema.STEP_STATS:
        assert run.step_stat(name).shape == (count,)
    assert all(isinstance(note, str) for note in run.notes)
    if run.flight is not None:
        assert run.flight.gradient_norm.shape == (len(run.flight.steps), layers)
        assert all(a < b for a, b in itertools.pairwise(run.flight.steps.tolist()))


def assert_told(run):
    """Judges and exports a run: findings, words and JSON; returns the findings."""
    findings = diagnose(run)
    for finding in findings:
        json.dumps(finding_json(finding), allow_nan=False)
        assert finding.layer is None or finding.layer in run.layers
    runs, found = {run.name: run}, {run.name: findings}
    json.dumps(check.document(runs, found, {}), allow_nan=False)
    assert all(
        line.isprintable() for line in check.in_words(runs, found, check.Style()).split("\n")
    )
    strict_json(b"".join(FORMATS["json"].chunks([run])))
    rows = b"".join(FORMATS["csv"].chunks([run])).decode()
    assert rows.endswith("\n")
    return findings


def assert_served(run, assembly, findings):
    """Serves a run: its document, and its tables in several windows, also when it was summarised."""
    source = RunSource({}, 0, 1e9)
    for _ in range(2):
        blocks = assembly.blocks()
        served = Served(
            run, blocks, 0, 1, 1, assembly.started, tuple(findings), int(run.steps[-1]), True
        )
        state = State(1, {run.name: served}, {}, 0, 0, False)
        strict_json(json.dumps(Documents(source).runs(state, None), allow_nan=False))
        columns = [tables.step_columns("loss")]
        columns += [tables.statistic_columns(i) for i in range(len(run.statistics))][:2]
        columns += [tables.layer_columns(i) for i in range(len(run.layers))][:2]
        for column, window in itertools.product(
            columns if run.statistics else columns[:1], WINDOWS
        ):
            assert b"".join(tables.encoded(blocks, column, window))[:4] == tables.MAGIC
        while assembly.summarize():
            pass


WINDOWS = (
    tables.Window(),
    tables.Window(pixels=1),
    tables.Window(first=2.0, last=5.0, per=2),
    tables.Window(first=1e300),
    tables.Window(per=2**31),
)


def strict_json(text):
    """Returns what JSON says; it has no NaN."""

    def refused(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refused)


def assert_table_survives(table):
    """Takes any bytes for a layer table: it is one, or a ValueError says why not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assembly = Assembly()
        try:
            assembly.add(event_pb2.Event.FromString(table_event(table)))
        except ValueError:
            return
        assembly.add(event_pb2.Event.FromString(record_event(1)))
        run = assembly.run("run")
        if run is not None:
            assert_sound(run)
            assert_told(run)


#: route → its parameters, of http_api.md.
ROUTES = {
    "runs": ("since", "wait_s"),
    "statistic": ("run", "name", "first", "last", "pixels", "per"),
    "layer": ("run", "name", "first", "last", "pixels", "per"),
    "flight": ("run",),
    "export": ("run", "format"),
    "rule": ("name", "theme"),
}
WORDS = (
    *("healthy", "gradient_norm", "loss", "dense_1/kernel", "nonfinite", "csv", "json", "light"),
    *("", " ", "0", "1", "7", "-1", "1e300", "-1e300", "2147483648", "2147483649", "NaN", "inf"),
    *("-inf", "1e-320", "0x10", "1_0", "٣", "1" * 400, "1." + "0" * 400, "true", "null", "[]"),
    *("..", "../..", "/etc/passwd", "\x00", "\r\nX: y", "<script>", "ü", "\U0001f600", "{0}", "%s"),
)
RAW = ("%ff", "%", "%zz", "%00", "%ed%a0%80", "%c0%ae", "+", "%0d%0a", "a" * 3000, "&", "=", ";")
values = st.one_of(
    st.sampled_from(WORDS).map(lambda word: quote(word, safe="")),
    st.sampled_from(RAW),
    st.text(max_size=8).map(lambda word: quote(word, safe="", errors="surrogatepass")),
    st.floats().map(str),
    st.integers(-(2**70), 2**70).map(str),
)


@st.composite
def queries(draw):
    """A route and its query as it goes over the wire: right ones among them, with some of it changed."""
    route = draw(st.sampled_from(sorted(ROUTES)))
    given = {"run": "healthy", "name": "gradient_norm", "format": "csv", "wait_s": "1"}
    if route in ("layer", "rule"):
        given["name"] = "dense_1%2Fkernel" if route == "layer" else "nonfinite"
    pairs = [(name, given[name]) for name in ROUTES[route] if name in given]
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([*ROUTES[route], "new", "%ff", ""]))
        pairs.insert(draw(st.integers(0, len(pairs))), (name, draw(values)))
    return route, "&".join(f"{name}={value}" for name, value in pairs)


headers = st.dictionaries(
    st.sampled_from(["Accept-Encoding", "Range", "If-None-Match", "If-Modified-Since", "Accept"]),
    st.one_of(
        st.sampled_from(
            ["gzip", "gzip;q=0", "identity", "*", "", "bytes=0-3", "bytes=9-1", 'W/"', "x" * 2000]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")),
    ),
    max_size=3,
)
