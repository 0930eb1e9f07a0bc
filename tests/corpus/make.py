"""Makes the corpus by hand: one file for each thing that an event file, a layer table or a query may have wrong.

    python tests/corpus/make.py

Every file says by its name what it holds; `.events` are event files, `.table` layer tables in protobuf, `.query` routes
and queries of requests, one a line, `.answer` what the server answers, for the panel's tests. Those named `found-…` are
what tests/endurance/fuzz.py found: they are kept. Huge ones are made by the tests that need them.
"""

import itertools
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, types_pb2

sys.path.insert(0, str(Path(__file__).parents[1]))
import hostile_bytes as hostile
from hostile_bytes import flight_event, frame, layer_table, record_event, table_event, vectors_event
from synthetic import healthy_stats

from adamax_tb import diagnose, schema
from adamax_tb.assembly import Assembly
from tb_plugin import table as tables_of
from tb_plugin.data import RunSource, Served, State
from tb_plugin.documents import Documents

SUFFIXES = (".events", ".table", ".query", ".answer")
VERSION = b"\x1a\x0dbrain.Event:2"
NORM, MEAN = schema.statistic_tag("gradient_norm"), schema.statistic_tag("u_mean")


def file(*records):
    return b"".join(map(frame, (VERSION, *records)))


def run(*records, table=None):
    return file(table_event(table or layer_table()), *records)


def length_of(data):
    """Returns `data` behind its length, as protobuf has it."""
    size, head = len(data), b""
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    return head + bytes([size]) + data


def groups(depth):
    """Returns groups of a field that nobody knows, one within the other."""
    return b"\xfb\x01" * depth + b"\xfc\x01" * depth


def tensor(content):
    return b"\x2a" + length_of(b"\x0a" + length_of(b"\x42" + length_of(content)))


def event_files():
    whole = run(*map(record_event, (1, 2, 3)))
    start = len(run(record_event(1), record_event(2)))
    cuts = {"in the length": 3, "behind the length": 8, "in its checksum": 10, "behind it": 12}
    cuts |= {"in the record": 40, "before the last byte": len(whole) - start - 1}
    cuts["before the checksum"] = len(whole) - start - 4
    for where, at in cuts.items():
        yield f"cut {where}", whole[: start + at]
    good = record_event(2)
    lengths = {"short by one": len(good) - 1, "long by one": len(good) + 1, "of nothing": 0}
    lengths |= {"500 MB": 500_000_000, "2^64-1": 2**64 - 1}
    for what, length in lengths.items():
        framed = frame(good, length=length)
        yield (
            f"length {what}, right checksum",
            run(record_event(1)) + framed + frame(record_event(3)),
        )
    broken = bytearray(frame(good))
    broken[0] ^= 1
    yield "length spoiled", run(record_event(1)) + broken + frame(record_event(3))
    spoiled = frame(good, spoiled=1)
    yield "content's checksum wrong", run(record_event(1)) + spoiled + frame(record_event(3))
    yield "zeros behind the last record", whole + bytes(100)
    yield "nothing", b""
    yield "zeros only", bytes(64)
    yield "empty records", run(b"", record_event(1), b"", b"")
    yield "no event between events", run(record_event(1), b"\xff" * 9, record_event(2))
    for step in (0, -1, 2**63 - 1, -(2**63)):
        yield f"step {step}", run(record_event(step), record_event(2))
    yield "all steps from end to end", run(*map(record_event, sorted(hostile.STEPS)))
    yield "steps backwards", run(*map(record_event, sorted(hostile.STEPS, reverse=True)))
    for number in (math.nan, math.inf, -math.inf, -1.0, 1e-45, 3.4e38):
        yield f"all numbers {number}", run(*(record_event(s, number=number) for s in (1, 2, 3, 40)))
    for time in (math.nan, math.inf, -1.0, 1e308):
        records = record_event(1, wall_time=time), record_event(2, wall_time=time)
        yield f"wall time {time}", run(*records, flight_event(2, wall_time=time))
    one = {schema.STEP_TAG: np.ones(len(schema.STEP_STATS))}
    for size in (0, 3, 5, 4000):
        vectors = {**one, NORM: np.ones(size), MEAN: np.ones(4)}
        yield f"{size} numbers of 4 layers", run(vectors_event(1, vectors), record_event(2))
    odd_bytes = {**one, NORM: b"abc", MEAN: b"x" * 17}
    yield "vectors of 3 and 17 bytes", run(vectors_event(1, odd_bytes), record_event(2))
    for dtype in (types_pb2.DT_DOUBLE, 77):
        yield f"vectors of type {dtype}", run(record_event(1, dtype=dtype), record_event(2))
        flight = flight_event(1, dtype=dtype)
        yield f"flight of type {dtype}", run(record_event(1), flight, record_event(2))
    yield (
        "table of type float",
        file(table_event(layer_table(), types_pb2.DT_FLOAT), record_event(1)),
    )
    yield "no table", file(record_event(1), flight_event(1))
    yield (
        "flight before the table",
        file(flight_event(1), table_event(layer_table()), record_event(1)),
    )
    yield (
        "flight of 3 bytes",
        run(record_event(1), vectors_event(1, {schema.FLIGHT_STEP_TAG: b"abc"})),
    )
    reason = {schema.FLIGHT_STEP_TAG: [1, 1, 1, 1e30], schema.FLIGHT_TAG: [math.nan] * 4}
    yield "flight for a reason that is none", run(record_event(1), vectors_event(1, reason))
    yield "flight of other layers", run(record_event(1), flight_event(1, layers=7))
    yield "flight and no record", run(flight_event(1), flight_event(2))
    event = event_pb2.Event.FromString(record_event(1))
    event.summary.value.add().CopyFrom(event.summary.value[1])
    event.summary.value[-1].tensor.tensor_content = np.full(4, 9, "<f4").tobytes()
    yield "a tag twice in a record", run(event.SerializeToString(), record_event(2))
    step, norms = vectors_event(1, one), vectors_event(1, {NORM: np.ones(4)})
    yield "a record in two events, twice", run(step, norms, step, norms)
    loud = np.full(14, 0x7FA00001, "<u4").tobytes()  # NaNs that signal
    signals = {
        schema.STEP_TAG: loud[: 4 * len(schema.STEP_STATS)],
        NORM: loud[:16],
        MEAN: loud[:16],
    }
    yield "NaNs that signal", run(*(vectors_event(s, signals) for s in range(1, 40)))
    yield "step numbers only", run(*(vectors_event(s, one) for s in (1, 2, 3)))
    bad = schema.LAYERS_TAG.encode().replace(b"layers", b"l\xffyers")
    yield (
        "tag that is not UTF-8",
        run(record_event(1).replace(NORM.encode(), NORM.encode()[:-1] + b"\xff")),
    )
    yield (
        "table's tag that is not UTF-8",
        file(table_event(layer_table()).replace(schema.LAYERS_TAG.encode(), bad), record_event(1)),
    )
    other, fewer = layer_table(("b/bias", "new", "a/kernel")), layer_table(statistics=["u_mean"])
    grown = table_event(other), record_event(3, other), table_event(fewer), record_event(4, fewer)
    yield "tables that change", run(record_event(1), record_event(2), *grown, record_event(5))
    turns = [
        table_event(other),
        record_event(1, other),
        table_event(layer_table()),
        record_event(2),
    ]
    yield "tables in turns", run(*turns * 20)
    yield (
        "back and forth",
        run(*(record_event(s) for s in (*range(1, 70), 3, *range(2, 70), 69, 5))),
    )
    yield "groups nested 60 deep", run(record_event(1), groups(60) + record_event(2))
    yield "groups nested 5000 deep", run(record_event(1), groups(5000), record_event(2))
    nested = b""
    for _ in range(150):  # a field that is known and holds a message, within itself
        nested = b"\x7a" + length_of(nested)
    yield "messages nested 150 deep", run(record_event(1), tensor(nested), record_event(2))
    yield "10000 empty values", run(record_event(1), b"\x2a" + length_of(b"\x0a\x00" * 10_000))
    yield "5000 values of empty tensors", run(b"\x2a" + length_of(b"\x0a\x02\x42\x00" * 5_000))
    yield "packed numbers", run(tensor(b"\x52" + length_of(b"\x01" * 20_000)), record_event(1))
    yield "a list of more than there is", run(b"\x2a\xff\xff\xff\xff\x07\x0a\x00", record_event(1))


def tables():
    """Yields names and layer tables, as messages or bytes."""
    yield "nothing in it", b""
    yield "one layer of everything", layer_table(["a"], [s.name for s in schema.STATS])
    yield "no layer", layer_table([])
    yield "no statistic", layer_table(statistics=[])
    yield "no step statistic", layer_table(step_statistics=[])
    yield "step statistics twice", layer_table(step_statistics=["loss", "new", "loss"])
    yield "statistics twice and unknown", layer_table(statistics=["u_mean", "new", "u_mean", ""])
    yield "two layers alike", layer_table(["a", "b", "a"])
    yield "a layer without a name", layer_table(["", "a"])
    yield "names of all kinds", layer_table(hostile.LAYERS)
    yield (
        "a name that is not UTF-8",
        layer_table().SerializeToString().replace(b"a/bias", b"a/b\xff\xfes"),
    )
    yield (
        "a name that is cut in a letter",
        layer_table(["ü"]).SerializeToString().replace(b"\xc3\xbc", b"x\xc3"),
    )
    yield "the version to come", layer_table(version=schema.VERSION + 1)
    yield "version 0", layer_table(version=0)
    yield "version 2^32-1", layer_table(version=2**32 - 1)
    numbers = {f"h{i}": number for i, number in enumerate(hostile.NUMBERS)}
    usual = {"learning_rate": math.nan, "beta_1": 1e300, "beta_2": -1.0, "epsilon": math.inf}
    yield "odd hyperparameters", layer_table(hyperparameters={**numbers, **usual, "": 0.0})
    yield "beta_2 of 1 and epsilon 0", layer_table(hyperparameters={"beta_2": 1.0, "epsilon": 0.0})
    yield "a plan of 2^64-1 steps", layer_table(planned_step=2**64 - 1, every=2**32 - 1)
    yield "a shape of -1", shaped((2, 3), (-1, -4))
    yield "a shape of 2^124 entries", shaped((2, 3), (2**62, 2**62))
    yield "shapes of nothing and of one", shaped((), (0,), (1, 1))
    yield "a head of 2^32-1 units", layer_table(head=schema.Head(loss="x", units=2**32 - 1))
    yield "1000 empty layers", b"\x08\x01" + b"\x12\x00" * 1000
    yield "a shape of 20000 axes", shaped((1,) * 20_000)
    yield "groups nested deep", layer_table().SerializeToString() + groups(5000)
    whole = layer_table().SerializeToString()
    yield "half of it missing", whole[: len(whole) // 2]
    yield "random bytes", np.random.default_rng(0).bytes(200)


def shaped(*shapes):
    table = layer_table(hostile.LAYERS[: len(shapes)])
    for layer, shape in zip(table.layers, shapes, strict=True):
        layer.shape[:] = shape
    return table


def queries():
    run, name = "run=healthy", "name=gradient_norm"
    for number in ("1e300", "0", "-1", "NaN", "inf", "2147483648", "2147483649", "1" * 400, "1_0"):
        for parameter in ("pixels", "per", "first", "last"):
            yield f"statistic?{run}&{name}&{parameter}={number}"
        yield f"runs?wait_s={number}"
    yield f"statistic?{run}&run=other&{name}"
    yield f"statistic?run=&{name}"
    yield f"statistic?{name}"
    yield f"statistic?run=%00&{name}"
    yield f"statistic?run=%ff%fe&{name}"
    yield f"statistic?run=%ed%a0%80&{name}"
    yield "export?run=..%2F..%2Fetc%2Fpasswd&format=csv"
    yield f"export?{run}&format=exe"
    yield "rule?name=nonfinite&theme=%3Cscript%3E"
    yield "rule?name=..%2Fnonfinite"
    yield "runs?since=-1-" + "9" * 400
    yield f"layer?{run}&name=%&%=%zz"
    yield f"statistic?{run}&{name}&pixels=3&per=2"
    yield f"statistic?{run}&{name}&first=9&last=2&per=4"


def answers():
    """Yields what the server answers of a run with everything a number can be: tables, and the list of runs."""
    numbers = np.random.default_rng(0).normal(size=(70, 3)).astype("<f4")
    numbers[5, 0], numbers[9, 1], numbers[11, 2], numbers[12, 0] = math.nan, math.inf, -math.inf, 0
    stats = {**healthy_stats(range(70), range(3)), "gradient_norm": numbers}
    stats["nonfinite"][60:] = 3
    table = layer_table(["a/kernel", "a/bias", "b/kernel"], stats)
    assembly = Assembly()
    assembly.add(event_pb2.Event.FromString(table_event(table)))
    for i in range(70):
        vectors = {schema.statistic_tag(name): values[i] for name, values in stats.items()}
        vectors[schema.STEP_TAG] = np.full(len(schema.STEP_STATS), 1 / (i + 1))
        assembly.add(event_pb2.Event.FromString(vectors_event(i + 1, vectors, wall_time=i + 1.0)))
    run, blocks = assembly.run("run <a>"), assembly.blocks()
    windows = {"exact": tables_of.Window(), "reduced": tables_of.Window(pixels=9)}
    windows |= {"none": tables_of.Window(first=1e9), "exact by 1": tables_of.Window(last=3)}
    kinds = {"statistic": tables_of.statistic_columns(0), "layer": tables_of.layer_columns(1)}
    for (kind, columns), (what, window) in itertools.product(kinds.items(), windows.items()):
        yield f"{kind} {what}.answer", b"".join(tables_of.encoded(blocks, columns, window))
    findings = tuple(diagnose(run))
    served = Served(run, blocks, 0, 1, 1, 1.0, findings, int(run.steps[-1]), judged=True)
    state = State(1, {run.name: served}, {"torn": "…"}, 5, 10, loading=True)
    source = RunSource({}, 5, 1e9)
    source.key = "f3a1"
    yield "runs.answer", json.dumps(Documents(source).runs(state, None)).encode()


def main():
    here, size = Path(__file__).parent, 0
    for old in here.iterdir():
        if old.suffix in SUFFIXES and not old.name.startswith("found-"):
            old.unlink()
    made = [(f"{name}.events", data) for name, data in event_files()]
    for name, table in tables():
        data = table if isinstance(table, bytes) else table.SerializeToString(deterministic=True)
        made.append((f"{name}.table", data))
    made.append(("parameters.query", "\n".join(queries()).encode()))
    made += answers()
    for name, data in made:
        size += (here / re.sub(r"[^A-Za-z0-9.+-]+", "-", name)).write_bytes(data)
    print(f"{len(made)} files, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
