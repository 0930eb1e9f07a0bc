"""Export: runs as CSV, Parquet or JSON, and as pandas DataFrames.

Streams: beyond the runs themselves, a block of records is in memory at a time (of JSON, one statistic). Opens no file.
pandas and pyarrow are imported when they are asked for.

CSV and Parquet are one table, a row per run, recorded step and layer: `KEYS`, the step's `STEP_STATS`, the same in all
its rows, then the statistics that any of the runs has, in the order of `STATS`. Numbers are exactly those of the run.
What was not recorded is an empty field or null; NaN, inf and -inf are values.

In CSV and JSON a number has as few digits as tell it from other float32, a fraction or an exponent always, and its sign
if it is -0.0: 1.0, 0.00001, 1.5e-7. It reads back to the same float32, also where a reader goes by float64, but for
7.038531e-26 and its negative: float64 holds that as half-way to the next float32, which it becomes.
"""

import importlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from adamax_tb.schema import NOT_RECORDED, STATS, STEP_STATS, Flight, Run, json_number, recorded

#: What tells the rows of the table apart; `wall_time` is in seconds since the epoch.
KEYS = ("run", "step", "wall_time", "layer")

#: The version of the JSON document: higher when a reader of the one before would misread it.
JSON_VERSION = 1

_TEXT_NUMBERS = 1 << 14  # numbers made into text at a time: what fits into a processor's cache
_ROW_GROUP = 1 << 17  # rows of a Parquet row group

#: Where a spreadsheet would begin a formula.
_FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")

#: How NaN, inf, -inf and what was not recorded are spelled.
_CSV_WORDS = (b"NaN", b"inf", b"-inf", b"")
_JSON_WORDS = (b'"NaN"', b'"Infinity"', b'"-Infinity"', b"null")


@dataclass(frozen=True, slots=True)
class Format:
    """A format of export.

    Attributes:
        mimetype: what HTTP calls it.
        extension: of its files, with the dot.
        chunks: makes the file's content from runs, piece by piece. Raises ImportError, naming what to install, before
            the first piece.
    """

    mimetype: str
    extension: str
    chunks: Callable[[Sequence[Run]], Iterator[bytes]]


def csv_chunks(runs: Sequence[Run]) -> Iterator[bytes]:
    r"""Yields the table as CSV after RFC 4180, in UTF-8, its lines ended by "\n".

    In a name of a run or layer a single quote stands wherever a spreadsheet would begin a formula: at its beginning,
    if that is = + - @ (of any width), a tab or a line break; and inside it before = + - @ behind a semicolon, a tab or
    a line break, which divide cells in some countries. Numbers have none. Parquet and JSON have names as they are.
    """
    names = _statistics(runs)
    yield (",".join((*KEYS, *STEP_STATS, *names)) + "\n").encode()
    for run in runs:
        layers = [_csv_name(name) for name in run.layers]
        for block in _blocks(run, names, _TEXT_NUMBERS // max(1, len(names))):
            yield _csv_rows(_csv_name(run.name), layers, block)


def json_chunks(runs: Sequence[Run]) -> Iterator[bytes]:
    """Yields one JSON document: {"format": "adamax-tb", "version": 1, "runs": [...]}.

    A run has `name`, `optimizer`, `hyperparameters`, `layers` (each with `name` and `shape`), `notes`; `steps` and
    `wall_times`, one per record; `step_statistics`, by name one number per record; `statistics`, by name and record
    one number per layer; and `flight`, null or `steps`, `gradient_norm` (by update one number per layer), `loss`,
    `learning_rate`, `loss_scale` and `reasons`. Numbers that JSON has not are the strings "NaN", "Infinity" and
    "-Infinity"; what was not recorded is null.
    """
    yield b'{"format": "adamax-tb", "version": %d, "runs": [' % JSON_VERSION
    for i, run in enumerate(runs):
        yield b",\n" if i else b"\n"
        yield from _json_run(run)
    yield b"]}\n"


def parquet_chunks(runs: Sequence[Run]) -> Iterator[bytes]:
    """Returns an iterator over the table as Parquet, a row group at a time.

    `run` and `layer` are dictionary-encoded strings, `step` is int64, `wall_time` float64, all else float32.

    Raises:
        ImportError: there is no pyarrow.
    """
    return _parquet(_optional("pyarrow"), _optional("pyarrow.parquet"), runs)


FORMATS: Mapping[str, Format] = {
    "csv": Format("text/csv; charset=utf-8", ".csv", csv_chunks),
    "parquet": Format("application/vnd.apache.parquet", ".parquet", parquet_chunks),
    "json": Format("application/json", ".json", json_chunks),
}


def layer_frame(run: Run) -> Any:
    """Returns a pandas DataFrame as `Run.to_frame` has it, a row per step and layer."""
    pandas = _optional("pandas")
    layers = pandas.CategoricalIndex(run.layers, categories=run.layers, ordered=True)
    index = pandas.MultiIndex.from_product([run.steps, layers], names=["step", "layer"])
    values = np.empty((len(run.statistics), len(run.steps) * len(run.layers)), np.float32)
    for row, name in zip(values, run.statistics, strict=True):
        row[:] = run.stat(name).reshape(-1)
    return pandas.DataFrame(values.T, index, list(run.statistics), copy=False)


def step_frame(run: Run) -> Any:
    """Returns a pandas DataFrame as `Run.to_frame` has it, a row per step."""
    pandas = _optional("pandas")
    columns = {"wall_time": run.wall_times, **{name: run.step_stat(name) for name in STEP_STATS}}
    return pandas.DataFrame(columns, pandas.Index(run.steps, name="step"))


@dataclass(frozen=True, slots=True)
class _Block:
    """B records of a run, in the columns of the table; a statistic that the run has not is `NOT_RECORDED`."""

    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]
    step_stats: Mapping[str, NDArray[np.float32]]  # (B,)
    stats: Mapping[str, NDArray[np.float32]]  # (B, L)


def _blocks(run: Run, names: Sequence[str], rows: int) -> Iterator[_Block]:
    """Yields the run in blocks of at most `rows` rows, but of one record at least."""
    step_stats = {name: run.step_stat(name) for name in STEP_STATS}
    size = max(1, rows // max(1, len(run.layers)))
    for start in range(0, len(run.steps), size):
        steps = run.steps[start : start + size]
        has = run.records(start, start + len(steps))
        absent = np.full((len(steps), len(run.layers)), NOT_RECORDED, np.float32)
        yield _Block(
            steps=steps,
            wall_times=run.wall_times[start : start + size],
            step_stats={name: values[start : start + size] for name, values in step_stats.items()},
            stats={name: has.get(name, absent) for name in names},
        )


def _statistics(runs: Sequence[Run]) -> tuple[str, ...]:
    """Returns the names of the statistics that any of the runs has."""
    return tuple(s.name for s in STATS if any(s.name in run.statistics for run in runs))


def _csv_rows(run: bytes, layers: Sequence[bytes], block: _Block) -> bytes:
    heads = zip(
        block.steps.tolist(),
        block.wall_times.tolist(),
        _csv_lines([*block.step_stats.values()], len(block.steps)),
        strict=True,
    )
    lines = _csv_lines([*block.stats.values()], len(block.steps) * len(layers))
    comma = b"," if block.stats else b""
    parts: list[bytes] = []
    for i, (step, wall_time, numbers) in enumerate(heads):
        before, after = b"%b,%d,%r," % (run, step, wall_time), b",%b%b" % (numbers, comma)
        own = lines[i * len(layers) : (i + 1) * len(layers)]
        parts += [before + layer + after + line for layer, line in zip(layers, own, strict=True)]
    return b"\n".join([*parts, b""])


def _csv_lines(columns: Sequence[NDArray[np.float32]], rows: int) -> list[bytes]:
    """Returns the numbers of `rows` rows, without the line's end."""
    if not columns:
        return [b""] * rows
    values = np.stack(columns, axis=-1).reshape(rows, len(columns))
    return _numbers(values, _CSV_WORDS)[2:-2].split(b"],[")


def _csv_name(name: str) -> bytes:
    name = _FORMULA.sub("'", name)
    if any(c in name for c in ',"\r\n'):
        name = '"' + name.replace('"', '""') + '"'
    return _utf8(name)


def _json_run(run: Run) -> Iterator[bytes]:
    about = {
        "name": run.name,
        "optimizer": run.optimizer,
        "hyperparameters": {name: json_number(v) for name, v in run.hyperparameters.items()},
        "layers": [
            {"name": name, "shape": list(shape)}
            for name, shape in zip(run.layers, run.shapes, strict=True)
        ],
        "notes": list(run.notes),
        "steps": run.steps.tolist(),
        "wall_times": run.wall_times.tolist(),
    }
    yield _json(about)[:-1] + b', "step_statistics": {'
    for i, name in enumerate(STEP_STATS):
        yield (b", " if i else b"") + _json(name) + b": " + _json_row(run.step_stat(name))
    yield b'}, "statistics": {'
    for i, name in enumerate(run.statistics):
        yield (b",\n" if i else b"\n") + _json(name) + b": "
        yield from _json_table(run.stat(name))
    yield b'}, "flight": '
    yield from _json_flight(run.flight) if run.flight else (b"null",)
    yield b"}"


def _json_flight(flight: Flight) -> Iterator[bytes]:
    yield b'{"steps": ' + _json(flight.steps.tolist()) + b', "gradient_norm": '
    yield from _json_table(flight.gradient_norm)
    for name in ("loss", "learning_rate", "loss_scale"):
        yield b", " + _json(name) + b": " + _json_row(getattr(flight, name))
    yield b', "reasons": ' + _json(flight.reasons) + b"}"


def _json_table(values: NDArray[np.float32]) -> Iterator[bytes]:
    """Yields (R, C) numbers as an array of arrays."""
    size = max(1, _TEXT_NUMBERS // max(1, values.shape[1]))
    yield b"["
    for start in range(0, len(values), size):
        block = values[start : start + size]
        yield (b"," if start else b"") + _numbers(block, _JSON_WORDS)[1:-1]
    yield b"]"


def _json_row(values: NDArray[np.float32]) -> bytes:
    return _numbers(values, _JSON_WORDS)


def _numbers(values: NDArray[np.float32], words: Sequence[bytes]) -> bytes:
    """Returns `values` as JSON has arrays, without spaces, but with `words` for what is no finite number."""
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    odd = values[~np.isfinite(values)]
    if not odd.size:
        return text
    which = np.select([odd == np.inf, odd == -np.inf, ~recorded(odd)], [1, 2, 3], 0)
    spelled = tuple(words[i] for i in which.tolist())
    return text.replace(b"null", b"%b") % spelled  # to orjson they are all null


def _json(value: Any) -> bytes:
    # what UTF-8 cannot hold becomes \udc80 and the like, which JSON has, too
    return _utf8(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _utf8(text: str) -> bytes:
    """Returns `text` in UTF-8; bytes of a file's name that are none are written out."""
    return text.encode("utf-8", "backslashreplace")


def _parquet(pyarrow: Any, parquet: Any, runs: Sequence[Run]) -> Iterator[bytes]:
    names = _statistics(runs)
    schema = _arrow_schema(pyarrow, names)
    run_names = pyarrow.array([_utf8(run.name).decode() for run in runs], pyarrow.string())
    layers = [[_utf8(name).decode() for name in run.layers] for run in runs]
    place = {name: i for i, name in enumerate(dict.fromkeys(itertools.chain(*layers)))}
    layer_names = pyarrow.array([*place], pyarrow.string())
    sink = io.BytesIO()
    # what repeats from layer to layer takes next to no room in a dictionary
    with parquet.ParquetWriter(sink, schema, use_dictionary=[*KEYS, *STEP_STATS]) as writer:
        for i, run in enumerate(runs):
            places = np.array([place[name] for name in layers[i]], np.int32)
            for block in _blocks(run, names, _ROW_GROUP):
                table = _arrow_table(pyarrow, schema, (run_names, i), (layer_names, places), block)
                writer.write_table(table, row_group_size=max(1, table.num_rows))
                del table  # before the next one is made
                yield _drained(sink)
    yield _drained(sink)


def _arrow_schema(pyarrow: Any, names: Sequence[str]) -> Any:
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = (word, pyarrow.int64(), pyarrow.float64(), word)
    numbers = [(name, pyarrow.float32()) for name in (*STEP_STATS, *names)]
    return pyarrow.schema([*zip(KEYS, types, strict=True), *numbers])


def _arrow_table(
    pyarrow: Any,
    schema: Any,
    run: tuple[Any, int],
    layers: tuple[Any, NDArray[np.int32]],
    block: _Block,
) -> Any:
    """Returns the rows of a block; `run` and `layers` are all names there are, and which of them these are."""
    size, each = len(block.steps), len(layers[1])

    def words(dictionary: Any, places: NDArray[np.int32]) -> Any:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(places), dictionary)

    def floats(values: NDArray[np.float32]) -> Any:
        return pyarrow.array(values, mask=~recorded(values), from_pandas=False)

    columns = [
        words(run[0], np.full(size * each, run[1], np.int32)),
        pyarrow.array(np.repeat(block.steps, each)),
        pyarrow.array(np.repeat(block.wall_times, each)),
        words(layers[0], np.tile(layers[1], size)),
        *(floats(np.repeat(values, each)) for values in block.step_stats.values()),
        *(floats(values.reshape(-1)) for values in block.stats.values()),
    ]
    return pyarrow.Table.from_arrays(columns, schema=schema)


def _drained(sink: io.BytesIO) -> bytes:
    """Returns what was written since the last time, and forgets it."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"This needs {package} ({error}): pip install {package}") from error
