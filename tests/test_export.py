"""Export: what other programs read is what was recorded, bit for bit."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from synthetic import ADAM, ADAMAX, LAYERS, write_run
from test_boundaries import WITHOUT, python

import adamax_tb
from adamax_tb import schema
from adamax_tb.export import (
    FORMATS,
    KEYS,
    _csv_lines,
    _json_row,
    csv_chunks,
    json_chunks,
    parquet_chunks,
)

#: What is hard to write down: the edges of float32, of powers of two and ten, and of plain notation.
HARD = [
    0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 16777216.0, 33554432.0,
    99999992.0, 1e8, 100000008.0, 9.9999994e7, 0.001, 0.0009999999, 0.00100000005, 1e-3, 1e-7, 5e-7, 9.8607613e-32,
    1.2345679e8, 97764336.0, 1e10, 9.999999e-5, 123.0, 1200.0, 0.012345678, 2.0**-44, 8589973000.0,
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
ODD_NAMES = (
    'a,b "c"',
    "two\nlines",
    "carriage\rreturn",
    "=HYPERLINK(0)",
    "+1",
    "-1",
    "@a",
    "\ttab",
    "\nline",
    "＝1",
    "＠a",
    "größe/重み",
    "'quoted'",
)


def bits(values):
    return np.asarray(values, np.float32).view(np.uint32)


def joined(chunks, runs):
    return b"".join(chunks(runs))


@pytest.fixture
def recorded(tmp_path):
    """Writes and reads runs: `recorded(name=dict of write_run's arguments)` returns them in a list."""

    def make(**runs):
        for name, arguments in runs.items():
            write_run(tmp_path / name, **arguments)
        read = adamax_tb.read_runs(tmp_path)
        return [read[name] for name in runs]

    make.logdir = tmp_path
    return make


def hard_run(records=40, has=ADAMAX, layers=LAYERS):
    """Arguments of write_run: statistics of all kinds of numbers, with parts that were not recorded."""
    rng = np.random.default_rng(records)
    stats = {}
    for name in schema.recorded_statistics(has):
        values = rng.lognormal(0, 12, (records, len(layers))).astype(np.float32)
        values.flat[: len(HARD)] = rng.permutation(HARD)[: values.size]
        values[-1, -1] = schema.NOT_RECORDED
        stats[name] = values
    step_stats = {"loss": rng.permutation(HARD)[: min(records, len(HARD))]}
    step_stats["loss"] = np.resize(step_stats["loss"], records)
    return {
        "steps": range(1, 10 * records, 10),
        "stats": stats,
        "step_stats": step_stats,
        "has": has,
        "layers": layers,
    }


def expected(runs):
    """Every row of the table, made slowly: keys, then bits by column; None where nothing was recorded."""
    names = [s.name for s in schema.STATS if any(s.name in run.statistics for run in runs)]
    rows = []
    for run in runs:
        stats = {name: run.stat(name) for name in run.statistics}
        for t, step in enumerate(run.steps):
            for i, layer in enumerate(run.layers):
                numbers = [run.step_stat(name)[t] for name in schema.STEP_STATS]
                numbers += [
                    stats[name][t, i] if name in stats else schema.NOT_RECORDED for name in names
                ]
                keys = (run.name, int(step), float(run.wall_times[t]), layer)
                rows.append((*keys, *(bits(number).item() for number in numbers)))
    return [*KEYS, *schema.STEP_STATS, *names], rows


ABSENT = int(schema.NOT_RECORDED.view(np.uint32))


def as_read(bit_pattern):
    """The bits that text can hold: there is one NaN."""
    value = np.uint32(bit_pattern).view(np.float32)
    return int(bits(np.nan)) if np.isnan(value) else bit_pattern


def from_field(field):
    return ABSENT if field == "" else int(bits(np.float32(field)))


def read_back(pattern):
    """Returns bits of float32 after they were text: directly, through float64, and as JSON's."""
    values = pattern.view(np.float32)
    fields = b"\n".join(_csv_lines([values], len(values)))
    options = pa.csv.ConvertOptions(column_types={"a": pa.float32()})
    direct = pa.csv.read_csv(io.BytesIO(b"a\n" + fields), convert_options=options)["a"].to_numpy()
    through = np.array([float(field) for field in fields.split()])
    in_json = np.array(json.loads(_json_row(values)))
    return [bits(direct), bits(through), bits(in_json)]


#: 7.038531e-26, which float64 holds as half-way to the next float32.
ROUNDED_TWICE = 0x15AE43FD


def test_text_reads_back_to_the_same_float32_directly_and_through_float64():
    pattern = np.concatenate(
        [
            np.arange(2000),  # the smallest there are
            np.arange(0, 255) << 23,  # powers of two
            (np.arange(1, 255) << 23) - 1,  # the number before each, at last the largest
            bits([float(f"1e{e}") for e in range(-45, 39)]),
            bits([x for x in HARD if np.isfinite(x)]),
            np.random.default_rng(0).integers(0, 0x7F800000, 10_000),
        ]
    ).astype(np.uint32)
    pattern = np.concatenate([pattern, pattern ^ np.uint32(1 << 31)])
    for read in read_back(pattern):
        assert np.array_equal(read, pattern)


def test_one_number_and_its_negative_read_back_directly_only():
    pattern = np.array([ROUNDED_TWICE, ROUNDED_TWICE ^ 1 << 31], np.uint32)
    direct, *through_float64 = read_back(pattern)
    assert np.array_equal(direct, pattern)
    for read in through_float64:
        assert np.array_equal(read, pattern + 1)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0.0"),
        (-0.0, "-0.0"),
        (0.25, "0.25"),
        (0.00001, "0.00001"),
        (-1.5e-7, "-1.5e-7"),
        (99999992, "99999990.0"),
        (0.1 + 0.2, "0.3"),
        (np.nan, "NaN"),
        (-np.inf, "-inf"),
        (schema.NOT_RECORDED, ""),
    ],
)
def test_a_number_is_written_as_documented(value, written):
    assert _csv_lines([np.array([value], np.float32)], 1) == [written.encode()]


def test_csv_holds_every_bit_for_the_csv_module(recorded):
    runs = recorded(first=hard_run(), second=hard_run(7, ADAM))
    header, *rows = csv.reader(io.StringIO(joined(csv_chunks, runs).decode(), newline=""))
    columns, wanted = expected(runs)
    assert header == columns
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted, strict=True):
        assert (row[0], int(row[1]), float(row[2]), row[3]) == want[:4]
        numbers = [ABSENT if bit == ABSENT else as_read(bit) for bit in want[4:]]
        assert [from_field(field) for field in row[4:]] == numbers


def test_csv_holds_every_bit_for_pandas_and_for_pyarrow(recorded):
    runs = recorded(first=hard_run(), second=hard_run(7, ADAM))
    data = joined(csv_chunks, runs)
    columns, wanted = expected(runs)
    in_pandas = pd.read_csv(io.BytesIO(data))
    options = pa.csv.ConvertOptions(null_values=[""], strings_can_be_null=False)
    in_arrow = pa.csv.read_csv(io.BytesIO(data), convert_options=options)
    assert list(in_pandas) == in_arrow.column_names == columns
    for i, name in enumerate(columns):
        want = [row[i] for row in wanted]
        if name in KEYS:
            assert in_pandas[name].tolist() == in_arrow[name].to_pylist() == want
            continue
        floats = [as_read(bit) for bit in want]
        assert bits(in_pandas[name].astype(np.float32)).tolist() == floats
        column = in_arrow[name].to_pylist()
        assert [value is None for value in column] == [bit == ABSENT for bit in want]
        assert [int(bits(np.nan if v is None else v)) for v in column] == floats


def test_parquet_holds_every_bit_and_nulls_only_what_was_not_recorded(recorded):
    runs = recorded(first=hard_run(), second=hard_run(7, ADAM, LAYERS[2:]))
    table = pa.parquet.read_table(io.BytesIO(joined(parquet_chunks, runs)))
    columns, wanted = expected(runs)
    assert table.column_names == columns
    for i, name in enumerate(columns):
        want = [row[i] for row in wanted]
        column = table[name]
        if name in KEYS:
            assert column.to_pylist() == want
        else:
            assert column.type == pa.float32()
            assert column.is_null().to_pylist() == [bit == ABSENT for bit in want]
            filled = column.fill_null(0).to_numpy()
            kept = np.array(want) != ABSENT
            assert bits(filled)[kept].tolist() == np.array(want)[kept].tolist()
    for name in ("run", "layer"):
        assert pa.types.is_dictionary(table.schema.field(name).type)


def test_json_holds_every_bit_and_all_that_is_known_of_a_run(recorded):
    flight = {"steps": [5, 6, 7], "gradient_norm": np.full((3, 4), np.inf), "loss": [1, np.nan, 2]}
    runs = recorded(first={**hard_run(), "flight": flight}, second=hard_run(7, ADAM))
    runs[0] = replace(runs[0], notes=("One.", "Two."))
    document = json.loads(joined(json_chunks, runs))
    assert (document["format"], document["version"]) == ("adamax-tb", 1)
    for run, read in zip(runs, document["runs"], strict=True):
        assert (read["name"], read["optimizer"]) == (run.name, run.optimizer)
        assert (read["hyperparameters"], read["notes"]) == (run.hyperparameters, list(run.notes))
        layers = zip(run.layers, run.shapes, strict=True)
        assert read["layers"] == [{"name": name, "shape": list(shape)} for name, shape in layers]
        assert (read["steps"], read["wall_times"]) == (run.steps.tolist(), run.wall_times.tolist())
        assert [*read["step_statistics"]] == [*schema.STEP_STATS]
        assert [*read["statistics"]] == [*run.statistics]
        for name in schema.STEP_STATS:
            assert_same(read["step_statistics"][name], run.step_stat(name))
        for name in run.statistics:
            assert_same(read["statistics"][name], run.stat(name))
    flown = document["runs"][0]["flight"]
    assert_same(flown.pop("gradient_norm"), runs[0].flight.gradient_norm)
    for name in ("loss", "learning_rate", "loss_scale"):
        assert_same(flown.pop(name), getattr(runs[0].flight, name))
    assert flown == {"steps": [5, 6, 7], "reasons": ["nonfinite gradient"] * 3}
    assert document["runs"][1]["flight"] is None


def assert_same(read, values):
    """Nested lists of JSON hold `values`: null is what was not recorded, strings what JSON cannot hold."""
    read = np.array(read, object)
    assert read.shape == values.shape
    for got, value in zip(read.ravel(), values.ravel(), strict=True):
        if got is None:
            assert bits(value) == ABSENT
        else:
            if isinstance(got, str):
                assert got in ("NaN", "Infinity", "-Infinity")
            assert as_read(bits(value).item()) == bits(np.float32(got))
            assert bits(value) != ABSENT


def test_json_has_only_what_the_standard_knows(recorded):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    json.loads(joined(json_chunks, recorded(first=hard_run())), parse_constant=refuse)


def test_names_of_any_kind_come_back(recorded):
    (run,) = recorded(first={"steps": [1, 2], "layers": tuple((name, (2,)) for name in ODD_NAMES)})
    runs = [replace(run, name=name) for name in ODD_NAMES]
    rows = list(csv.DictReader(io.StringIO(joined(csv_chunks, runs).decode(), newline="")))
    table = pa.parquet.read_table(io.BytesIO(joined(parquet_chunks, runs)))
    document = json.loads(joined(json_chunks, runs))
    safe = [f"'{name}" if name[0] in "=+-@＝＠\t\n\r" else name for name in ODD_NAMES]
    assert safe[3:8] == ["'=HYPERLINK(0)", "'+1", "'-1", "'@a", "'\ttab"]
    assert list(dict.fromkeys(row["run"] for row in rows)) == safe
    assert [row["layer"] for row in rows[: len(ODD_NAMES)]] == safe
    assert table["run"].unique().to_pylist() == list(ODD_NAMES)
    assert table["layer"].unique().to_pylist() == list(ODD_NAMES)
    assert [run["name"] for run in document["runs"]] == list(ODD_NAMES)
    assert [layer["name"] for layer in document["runs"][0]["layers"]] == list(ODD_NAMES)


def test_a_directorys_name_that_is_no_utf8_is_written_out(recorded):
    (run,) = recorded(first={"steps": [1]})
    runs = [replace(run, name=os.fsdecode(b"a\xff"))]
    assert b"\na\\udcff,1," in joined(csv_chunks, runs)
    assert json.loads(joined(json_chunks, runs))["runs"][0]["name"] == "a\udcff"
    table = pa.parquet.read_table(io.BytesIO(joined(parquet_chunks, runs)))
    assert table["run"][0].as_py() == "a\\udcff"


@pytest.mark.parametrize("format", [*FORMATS])
def test_no_run_one_record_no_statistic_and_no_layer_are_exported_too(recorded, format):
    (one,) = recorded(first={"steps": [7]})
    without_statistics = replace(one, statistics=())
    without_layers = replace(one, statistics=(), layers=(), shapes=())
    for runs, rows in (([], 0), ([one], 4), ([without_statistics], 4), ([without_layers], 0)):
        data = joined(FORMATS[format].chunks, runs)
        if format == "csv":
            header, *lines = csv.reader(io.StringIO(data.decode()))
            assert [len(line) for line in lines] == [len(header)] * rows
        elif format == "parquet":
            assert pa.parquet.read_table(io.BytesIO(data)).num_rows == rows
        else:
            assert [run["steps"] for run in json.loads(data)["runs"]] == [[7]] * len(runs)
    nothing = replace(one, layers=(), shapes=(), _stats=schema.Arrays(m_rms=np.zeros((1, 0), "f4")))
    document = json.loads(joined(json_chunks, [replace(nothing, statistics=("m_rms",))]))
    assert document["runs"][0]["statistics"] == {"m_rms": [[]]}


@pytest.mark.parametrize("format", [*FORMATS])
def test_blocks_leave_no_seam(recorded, format, monkeypatch):
    runs = recorded(first=hard_run(23), second=hard_run(5))
    whole = joined(FORMATS[format].chunks, runs)
    monkeypatch.setattr("adamax_tb.export._TEXT_NUMBERS", 30)
    monkeypatch.setattr("adamax_tb.export._ROW_GROUP", 9)
    chunks = list(FORMATS[format].chunks(runs))
    assert len(chunks) > 10
    pieces = b"".join(chunks)
    if format == "parquet":
        file = pa.parquet.ParquetFile(io.BytesIO(pieces))
        assert file.num_row_groups == 12 + 3
        again = pa.parquet.read_table(io.BytesIO(whole))
        assert repr(file.read().to_pydict()) == repr(again.to_pydict())  # NaN is not itself
    else:
        assert pieces == whole


def long_run(records, layers=200):
    rng = np.random.default_rng(records)
    names = schema.recorded_statistics(ADAMAX)
    values = rng.lognormal(0, 3, (len(names), records, layers)).astype(np.float32)
    numbers = rng.random((len(schema.STEP_STATS), records), np.float32)
    return schema.Run(
        name="long",
        steps=np.arange(1, records + 1),
        wall_times=1.7e9 + np.arange(records) / 8,
        layers=tuple(f"layer_{i}/kernel" for i in range(layers)),
        shapes=((2, 2),) * layers,
        statistics=names,
        optimizer="AdaMax",
        hyperparameters={},
        _stats=schema.Arrays(zip(names, values, strict=True)),
        _step_stats=schema.Arrays(zip(schema.STEP_STATS, numbers, strict=True)),
    )


@pytest.mark.parametrize("format", [*FORMATS])
def test_a_longer_run_takes_no_more_memory(format):
    list(FORMATS[format].chunks([long_run(1)]))  # imports
    peaks, sizes = [], []
    for records in (1000, 2000):
        run = long_run(records)
        tracemalloc.start()
        try:
            sizes.append(sum(map(len, FORMATS[format].chunks([run]))))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert sizes[1] > max(1.9 * sizes[0], 3e7)
    assert peaks[1] < 1.1 * peaks[0] + 2e5  # the steps' own numbers are held whole
    # CSV and JSON make 16,384 numbers into text at a time, Parquet 131,072 rows of 35 columns into a row group
    assert peaks[1] < (4e7 if format == "parquet" else 6e6)


def test_to_frame_is_indexed_by_step_and_layer(recorded):
    (run,) = recorded(first=hard_run())
    frame = run.to_frame()
    assert list(frame) == list(run.statistics)
    assert frame.index.names == ["step", "layer"]
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    layers = frame.index.get_level_values("layer")
    assert layers.ordered
    assert tuple(layers.categories) == run.layers
    for name in run.statistics:
        assert bits(frame[name].unstack()).tolist() == bits(run.stat(name)).tolist()
        assert frame[name].isna().to_numpy()[-1]  # not recorded
    one = frame.loc[(11, "dense_2/kernel")]
    assert bits(one["m_rms"]) == bits(run.stat("m_rms")[1, 2])


def test_to_frame_per_step_has_the_steps_own_numbers(recorded):
    (run,) = recorded(first=hard_run())
    frame = run.to_frame(per="step")
    assert list(frame) == ["wall_time", *schema.STEP_STATS]
    assert frame.index.name == "step"
    assert frame.index.tolist() == run.steps.tolist()
    assert frame["wall_time"].tolist() == run.wall_times.tolist()
    for name in schema.STEP_STATS:
        assert bits(frame[name]).tolist() == bits(run.step_stat(name)).tolist()


def test_to_frame_gives_a_frame_of_its_own(recorded):
    (run,) = recorded(first=hard_run())
    for frame, stat in ((run.to_frame(), run.stat), (run.to_frame("step"), run.step_stat)):
        name = frame.columns[-1]
        before = bits(stat(name)).tolist()
        frame.iloc[0, -1] = 7
        assert bits(stat(name)).tolist() == before


def test_to_frame_refuses_another_word(recorded):
    (run,) = recorded(first={"steps": [1]})
    with pytest.raises(ValueError, match="must be 'layer' or 'step', not 'epoch'"):
        run.to_frame("epoch")


def test_a_missing_package_is_named_and_how_to_install_it(recorded):
    recorded(first={"steps": [1]})
    code = WITHOUT.format(names="'pandas', 'pyarrow', 'tensorflow', 'keras'")
    code += f"""
import adamax_tb
from adamax_tb.export import FORMATS
run = adamax_tb.read_runs({str(recorded.logdir)!r})["first"]
for ask in (run.to_frame, lambda: run.to_frame("step"), lambda: FORMATS["parquet"].chunks([run])):
    try:
        ask()
    except ImportError as error:
        print(error)
for format in ("csv", "json"):
    print(sum(map(len, FORMATS[format].chunks([run]))) > 500)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    *errors, csv_works, json_works = done.stdout.splitlines()
    for error, package in zip(errors, ("pandas", "pandas", "pyarrow"), strict=True):
        assert error.startswith(f"This needs {package} (")
        assert error.endswith(f"): pip install {package}")  # TensorFlow does not come with it
    assert csv_works == json_works == "True"


def export(*arguments, **keywords):
    command = [sys.executable, "-m", "adamax_tb.cli", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, **keywords)


@pytest.mark.parametrize("format", [*FORMATS])
def test_the_command_gives_the_same_bytes_on_standard_output_and_in_a_file_that_it_names(
    recorded, format, tmp_path_factory
):
    runs = recorded(first=hard_run(), second=hard_run(3))
    whole = joined(FORMATS[format].chunks, runs)
    directory = tmp_path_factory.mktemp("out")
    file = directory / f"all{FORMATS[format].extension}"
    file.write_text("an older one")
    for arguments, written in (([], None), (["-o", file], file)):
        done = export(recorded.logdir, "--format", format, *arguments)
        said = f"adamax-tb export: {written} is written.\n".encode() if written else b""
        assert (done.returncode, done.stderr) == (0, said)
        assert (written.read_bytes() if written else done.stdout) == whole
    assert os.listdir(directory) == [file.name]


def test_the_command_exports_the_runs_it_is_asked_for(recorded):
    first, _, third = recorded(first=hard_run(2), second=hard_run(3), third=hard_run(4))
    asked = ["--run", "third", "--run", "first", "--run", "third"]
    done = export(recorded.logdir, "--format", "csv", *asked)
    assert done.stdout == joined(csv_chunks, [third, first])


def test_an_unknown_run_is_answered_with_those_there_are(recorded):
    recorded(first={"steps": [1]}, second={"steps": [1]})
    done = export(recorded.logdir, "--format", "csv", "--run", "thrid", "--run", "first")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"There is no run 'thrid'. There are: 'first', 'second'" in done.stderr


def test_a_run_that_cannot_be_read_hides_no_other_from_the_command(recorded):
    (good,) = recorded(good={"steps": [1]})
    write_run(recorded.logdir / "bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    done = export(recorded.logdir, "--format", "csv")
    assert (done.returncode, done.stdout) == (2, joined(csv_chunks, [good]))
    assert b"'bad' cannot be read" in done.stderr
    done = export(recorded.logdir, "--format", "csv", "--run", "good")
    assert (done.returncode, done.stdout) == (0, joined(csv_chunks, [good]))
    done = export(recorded.logdir, "--format", "csv", "--run", "bad")
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--format", "xlsx"], b"invalid choice: 'xlsx'"),
        ([], b"--format"),
        (["--format", "csv", "-o", "/nonexistent/a.csv"], b"No such file or directory"),
        (["--format", "csv", "-o", "/tmp"], b"Is a directory"),
    ],
)
def test_what_the_command_cannot_do_exits_2_and_says_why(recorded, arguments, word):
    recorded(first={"steps": [1]})
    done = export(recorded.logdir, *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_export_that_breaks_off_leaves_the_older_file(recorded, monkeypatch, tmp_path_factory):
    from adamax_tb import cli

    def breaking(runs):
        yield b"half"
        raise KeyboardInterrupt

    recorded(first={"steps": [1]})
    file = tmp_path_factory.mktemp("out") / "a.csv"
    file.write_text("an older one")
    monkeypatch.setitem(FORMATS, "csv", replace(FORMATS["csv"], chunks=breaking))
    assert cli.main(["export", str(recorded.logdir), "--format", "csv", "-o", str(file)]) == 130
    assert file.read_text() == "an older one"
    assert os.listdir(file.parent) == ["a.csv"]


def test_parquet_without_pyarrow_leaves_nothing_behind(recorded, tmp_path_factory):
    recorded(first={"steps": [1]})
    directory = tmp_path_factory.mktemp("out")
    arguments = [str(recorded.logdir), "--format", "parquet", "-o", str(directory / "a.parquet")]
    code = WITHOUT.format(names="'pyarrow',")
    code += f"from adamax_tb import cli\nsys.exit(cli.main(['export', *{arguments}]))"
    done = python(code)
    assert done.returncode == 2
    assert done.stderr.endswith(": pip install pyarrow\n")
    assert os.listdir(directory) == []


def test_parquet_is_not_written_to_a_terminal(recorded):
    recorded(first={"steps": [1]})
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "adamax_tb.cli", "export", str(recorded.logdir)]
    command += ["--format", "parquet"]
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, timeout=120)
    os.close(end)
    os.close(terminal)
    assert done.returncode == 2
    assert b"-o" in done.stderr


@pytest.mark.parametrize(("in_place", "shown"), [(False, "{}\n"), (True, "\r{}\n")])
def test_what_takes_long_says_how_far_it_is(recorded, monkeypatch, capsysbinary, in_place, shown):
    from adamax_tb import cli

    now = iter([0, 1, 1.9, 2.1, 2.2, 2.25])
    monkeypatch.setattr("time.monotonic", lambda: next(now, 2.26))
    monkeypatch.setattr("sys.stderr.isatty", lambda: in_place)
    assert len(list(cli._told(iter([b"x" * 10**6] * 5)))) == 5
    told = capsysbinary.readouterr().err.decode()
    assert told == shown.format("adamax-tb export: 3 MB written")


def test_a_reader_that_leaves_early_is_no_error_to_tell(recorded):
    recorded(first=hard_run(2000))
    command = [sys.executable, "-m", "adamax_tb.cli", "export", str(recorded.logdir)]
    with subprocess.Popen(
        [*command, "--format", "csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 141  # as a shell has it for SIGPIPE
