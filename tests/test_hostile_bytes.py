"""Whatever bytes stand in an event file, reading ends in time, in bounded memory, with a run or a sentence."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import hostile_bytes as hostile
import numpy as np
import pytest
from hostile_bytes import (
    NAME,
    Growing,
    frame,
    layer_table,
    record_event,
    table_event,
    vectors_event,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2

from adamax_tb import assembly, schema, wire
from adamax_tb.reader import scan_runs

CORPUS = Path(__file__).parent / "corpus"
fuzzed = settings(
    max_examples=120,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def corpus(suffix):
    """Returns the files of the corpus with this suffix, each a parameter of its own."""
    files = sorted(CORPUS.glob(f"*{suffix}"))
    assert files
    return pytest.mark.parametrize("path", files, ids=lambda path: path.stem)


@corpus(".events")
def test_a_file_of_the_corpus_is_survived(path):
    file = path.read_bytes()
    hostile.assert_survives(file, cut=len(file) // 2)


@corpus(".table")
def test_a_layer_table_of_the_corpus_is_survived(path):
    table = path.read_bytes()
    hostile.assert_table_survives(table)
    hostile.assert_survives(b"".join(map(frame, (table_event(table), record_event(1)))))


@fuzzed
@given(hostile.event_files(), st.integers(0, 100))
def test_any_event_file_is_survived(file, percent):
    hostile.assert_survives(file, cut=len(file) * percent // 100)


@fuzzed
@given(st.one_of(st.binary(max_size=100), hostile.layer_table_bytes()))
def test_any_layer_table_is_survived(table):
    hostile.assert_table_survives(table)


def files(tmp_path, *records):
    """Writes a run of these records and returns its log directory."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).write_bytes(b"".join(map(frame, records)))
    return tmp_path


def peak_bytes(function, *arguments):
    """Returns what `function` returns, and the most that Python's objects took meanwhile."""
    tracemalloc.start()
    try:
        return function(*arguments), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_a_record_announces_and_the_file_has_not_is_not_taken(tmp_path):
    logdir = files(tmp_path, table_event(layer_table()), record_event(1))
    with (logdir / "run" / NAME).open("ab") as file:
        file.write(frame(record_event(2), length=500_000_000))
    (runs, errors), peak = peak_bytes(scan_runs, logdir)
    assert runs["run"].steps.tolist() == [1]
    assert "ends within a record" in runs["run"].notes[0]
    assert not errors
    assert peak < 40e6


def test_a_record_longer_than_any_of_ours_ends_the_file_with_a_note(tmp_path):
    logdir = files(tmp_path, table_event(layer_table()), record_event(1))
    with (logdir / "run" / NAME).open("ab") as file:
        file.write(frame(record_event(2), length=2**40) + frame(record_event(3)))
    (note,) = scan_runs(logdir)[0]["run"].notes
    assert "a record of 1,099,511,627,776 bytes" in note
    assert "more than the 536,870,912" in note


def packed_numbers(count):
    """Returns an event whose tensor is a list of numbers of a byte each, which take eight and more in memory."""
    event = event_pb2.Event(step=1)
    tensor = event.summary.value.add().tensor
    tensor.int64_val.extend(np.ones(count, np.int64).tolist())
    return event.SerializeToString()


def test_a_record_that_would_grow_in_memory_is_skipped_and_those_behind_it_are_read(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(wire, "MOST_PARSED_BYTES", 2**24)
    bomb = packed_numbers(2**20 + 1)
    logdir = files(tmp_path, table_event(layer_table()), record_event(1), bomb, record_event(2))
    run = scan_runs(logdir)[0]["run"]
    assert run.steps.tolist() == [1, 2]
    assert f"a record of {len(bomb):,} bytes that would take many times as much" in run.notes[0]


def test_a_record_that_is_no_event_is_skipped_and_those_behind_it_are_read(tmp_path):
    first, second = table_event(layer_table()), record_event(1)
    logdir = files(tmp_path, first, second, b"\xff" * 9, record_event(2))
    run = scan_runs(logdir)[0]["run"]
    assert run.steps.tolist() == [1, 2]
    start = len(frame(first)) + len(frame(second))
    assert run.notes == (
        f"{NAME} holds a record that is no event, at byte {start}; it is skipped.",
    )


def test_a_table_that_would_grow_in_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "MOST_PARSED_BYTES", 2**22)
    table = layer_table()
    table.layers[0].shape.extend([1] * 2**20)
    _, errors = scan_runs(files(tmp_path, table_event(table), record_event(1)))
    assert f"layer table of {table.ByteSize():,} bytes" in errors["run"]


#: As a person who looks for the dearest bytes makes them: name → message, and what it repeats.
DEAREST = {
    "values": ("event", b"\x2a", (b"\x0a\x00",)),
    "values of tensors": ("event", b"\x2a", (b"\x0a\x02\x42\x00",)),
    "values of tensors of shapes": ("event", b"\x2a", (b"\x0a\x04\x42\x02\x12\x00",)),
    "strings": ("event", b"\x2a\x0a\x42", (b"\x42\x00",)),
    "resources": ("event", b"\x2a\x0a\x42", (b"\x72\x00",)),
    "numbers": ("event", b"\x2a\x0a\x42\x52", (b"\x01",)),
    "layers": ("table", b"", (b"\x12\x00",)),
    "shapes": ("table", b"", (b"\x12\x03\x12\x01\x01",)),
    "one shape": ("table", b"\x12\x12", (b"\x01",)),
    "statistics": ("table", b"", (b"\x1a\x00",)),
}

MEASURE = """
import resource, sys
from tensorboard.compat.proto import event_pb2
from adamax_tb import schema, wire

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

message = event_pb2.Event if sys.argv[1] == "Event" else schema.LayerTable
data = sys.stdin.buffer.read()
told = wire.parsed_bytes(data, message.DESCRIPTOR, 2**60)
before = resident()
parsed = message.FromString(data)
print(resident() - before, told + len(data))
"""


def dearest(name, count):
    """Returns the class of a message, and bytes with `count` of what costs most."""
    kind, fields, (repeated,) = DEAREST[name]
    data = repeated * count
    for field in reversed(fields):
        size, head = len(data), b""
        while size > 127:
            head, size = head + bytes([size & 127 | 128]), size >> 7
        data = bytes([field]) + head + bytes([size]) + data
    return {"event": event_pb2.Event, "table": schema.LayerTable}[kind], data


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is measured as Linux has it"
)
@pytest.mark.parametrize("name", ["values of tensors of shapes", "shapes"])
def test_parsing_takes_no_more_than_it_was_told_to(name):
    message, data = dearest(name, 100_000)
    command = [sys.executable, "-c", MEASURE, message.DESCRIPTOR.name]
    done = subprocess.run(command, input=data, capture_output=True, timeout=120)
    taken, told = map(int, done.stdout.split())
    assert 2e6 < taken <= told, done.stderr


@pytest.mark.parametrize("name", DEAREST)
def test_counting_what_a_message_takes_stops_at_the_limit(name):
    message, data = dearest(name, 100_000)
    whole = wire.parsed_bytes(data, message.DESCRIPTOR, 2**60)
    assert whole >= 5 * len(data)
    most = wire.parsed_bytes(data, message.DESCRIPTOR, 1000)
    assert 1000 < most < (whole if len(data) > 2e5 or name == "strings" else 2 * whole)


MANY = [f"layer_{i}" for i in range(10_000)]


def test_records_of_next_to_nothing_do_not_take_rows_of_ten_thousand_layers(monkeypatch):
    monkeypatch.setattr(assembly, "SPARE_BYTES", 2**24)
    table = layer_table(MANY, [s.name for s in schema.STATS])
    empty = (
        vectors_event(step, {schema.STEP_TAG: np.ones(len(schema.STEP_STATS))})
        for step in range(1, 100)
    )
    growing = Growing()
    growing.read(b"".join(map(frame, (table_event(table), *empty))))
    assert "names 10,000 layers" in growing.reader.error
    assert "the files hold 0.0 MB of numbers" in growing.reader.error
    rows = 2**24 // (4 * len(MANY) * len(schema.STATS))
    assert sum(block.count for block in growing.reader.assembly.blocks()) == rows + 1


def test_a_table_that_grows_beyond_measure_does_not_widen_what_was_recorded(monkeypatch):
    monkeypatch.setattr(assembly, "SPARE_BYTES", 2**24)
    events = [table_event(layer_table()), *(record_event(step) for step in range(1, 1000))]
    growing = Growing()
    growing.read(b"".join(map(frame, (*events, table_event(layer_table(MANY))))))
    assert "names 10,000 layers" in growing.reader.error


def test_a_part_of_a_record_that_was_summarised_comes_too_late():
    parts = assembly.Assembly()

    def add(event):
        parts.add(event_pb2.Event.FromString(event))

    add(table_event(layer_table()))
    norm = {schema.statistic_tag("gradient_norm"): np.ones(4)}
    last = parts._block_records
    for step in range(1, last + 1):
        add(vectors_event(step, norm))
    assert parts.summarize()
    add(vectors_event(last, {schema.statistic_tag("u_mean"): np.ones(4)}))
    assert sum(block.records for block in parts.blocks()) == last
    add(record_event(last + 1))
    assert parts.run("run").steps[-1] == last + 1


def test_a_time_that_is_no_number_is_not_known():
    records = [record_event(1, wall_time=float("nan")), record_event(2, wall_time=float("inf"))]
    run = Growing().read(b"".join(map(frame, [table_event(layer_table()), *records])))
    assert run.wall_times.tolist() == [0, 0]


def test_a_count_that_is_none_is_not_known():
    def steps(number):
        return {schema.STEP_TAG: np.full(len(schema.STEP_STATS), number)}

    records = [vectors_event(i, steps(x)) for i, x in enumerate([2, np.inf, -1, 3e38, np.nan], 1)]
    run = Growing().read(b"".join(map(frame, [table_event(layer_table()), *records])))
    for name in schema.STEP_COUNTS:
        counts = run.step_stat(name)
        assert counts[0] == 2
        assert not schema.recorded(counts[1:4]).any()
    np.testing.assert_array_equal(run.loss, np.array([2, np.inf, -1, 3e38, np.nan], np.float32))
    assert run.restart_count == 2


def test_numbers_that_are_no_float32_are_not_read_as_such():
    numbers = [record_event(1), record_event(2, dtype=hostile.types_pb2.DT_DOUBLE)]
    run = Growing().read(b"".join(map(frame, [table_event(layer_table()), *numbers])))
    assert run.steps.tolist() == [1, 2]
    assert schema.recorded(run.stat("u_mean")).tolist() == [[True] * 4, [False] * 4]


def test_the_places_of_steps_are_taken_again_without_a_change_to_what_was_given():
    growing = Growing(again=True)
    first = [table_event(layer_table()), *(record_event(s, number=1) for s in range(1, 30))]
    early = growing.read(b"".join(map(frame, first)))
    again = [*first, *(record_event(s, number=2) for s in (10, 11, 5, 6))]
    late = growing.read(b"".join(map(frame, again)))
    assert early.steps.tolist() == list(range(1, 30))
    assert (early.stat("u_mean") == 1).all()
    assert late.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert late.stat("u_mean")[:, 0].tolist() == [1, 1, 1, 1, 2, 2]
    assert late.notes[0].startswith("27 earlier records were replaced")


def test_nans_that_signal_are_quiet_and_others_keep_their_bits():
    loud, quiet = 0x7F800001, 0x7FC00001
    given = np.array([loud, quiet, int(schema.NOT_RECORDED.view(np.uint32)), 0x80000000], "<u4")
    event = vectors_event(1, {schema.statistic_tag("u_mean"): given.tobytes()})
    run = Growing().read(b"".join(map(frame, [table_event(layer_table()), event])))
    bits = run.stat("u_mean")[0].view(np.uint32)
    assert bits.tolist() == [loud | 0x00400000, *given[1:].tolist()]


@pytest.mark.parametrize("shape", [(-1,), (-2, -3), (2**62, 2**62), (2**54,)])
def test_a_shape_that_no_variable_has_is_refused(shape):
    table = layer_table()
    table.layers[1].shape[:] = shape
    growing = Growing()
    assert growing.read(frame(table_event(table)) + frame(record_event(1))) is None
    assert "a shape that none has: 'a/bias'" in growing.reader.error


def test_a_loss_at_each_step_and_layers_at_each_thousandth_are_read(monkeypatch):
    monkeypatch.setattr(assembly, "SPARE_BYTES", 2**22)
    table = layer_table(MANY[:1000], ["gradient_norm"])
    loss = {schema.STEP_TAG: np.ones(len(schema.STEP_STATS))}
    events = [
        record_event(step, table) if step % 1000 == 1 else vectors_event(step, loss)
        for step in range(1, 2001)
    ]
    run = Growing().read(b"".join(map(frame, (table_event(table), *events))))
    assert run.steps.tolist() == list(range(1, 2001))
    assert schema.recorded(run.stat("gradient_norm")).all(axis=1).sum() == 2
