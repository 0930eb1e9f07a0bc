"""Levels of detail: nothing that a record held is lost in a row that stands for many."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adamax_tb import levels
from adamax_tb.blocks import Block, BlockValues, summarized
from adamax_tb.schema import NOT_RECORDED, STEP_STATS, recorded
from tb_plugin.table import Window, encoded, statistic_columns

NUMBERS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, NOT_RECORDED, 3e38, 1e-45]),
)
VALUES = hnp.arrays(np.float32, st.tuples(st.integers(1, 70), st.integers(1, 3)), elements=NUMBERS)
PER = st.sampled_from([1, 2, 4, 8, 16, 64, 128])
MARKS = {
    levels.NAN: lambda x: np.isnan(x) & recorded(x),
    levels.POSITIVE_INFINITY: np.isposinf,
    levels.NEGATIVE_INFINITY: np.isneginf,
    levels.MISSING: lambda x: ~recorded(x),
}


def judged(values, rows, starts, stops):
    """Compares rows with what plain loops over the records say."""
    for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        for column in range(values.shape[1]):
            cells = np.ascontiguousarray(values[start:stop, column])
            finite = cells[np.isfinite(cells)]
            high, low = rows.high[row, column], rows.low[row, column]
            if finite.size:
                assert (high, low) == (finite.max(), finite.min())
                if rows.mean is not None:
                    assert finite.min() <= rows.mean[row, column] <= finite.max()
            else:
                assert not recorded(rows.high[row : row + 1, column])[0]
                assert not recorded(rows.low[row : row + 1, column])[0]
            marks = sum(mark for mark, found in MARKS.items() if found(cells).any())
            assert rows.marks[row, column] == marks


@given(VALUES, PER, st.booleans())
@example(np.full((3, 1), np.nan, np.float32), 2, True)
@example(np.array([[3e38], [3e38], [-np.inf]], np.float32), 4, True)
def test_a_row_has_the_range_and_the_marks_of_its_records(values, per, mean):
    rows = levels.reduced(values, per, mean)
    starts = np.arange(0, len(values), per)
    stops = np.minimum(starts + per, len(values))
    assert rows.records.tolist() == (stops - starts).tolist()
    assert (rows.mean is not None) == mean
    judged(values, rows, starts, stops)


@given(VALUES, st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 8, 64]))
def test_rows_of_rows_are_rows_of_the_records(values, per, group):
    merged = levels.merged(levels.reduced(values, per), group)
    at_once = levels.reduced(values, per * group)
    for name in ("records", "high", "low", "marks"):
        one, other = getattr(merged, name), getattr(at_once, name)
        np.testing.assert_array_equal(one, other, name)


def test_a_mean_of_rows_is_weighted_by_their_records():
    values = np.array([[1], [1], [1], [1], [6]], np.float32)
    assert levels.merged(levels.reduced(values, 4, mean=True), 2).mean.tolist() == [[2.0]]


def blocks_of(values, room, summaries=0, per=16):
    """A run with one statistic in blocks of `room` records, the first `summaries` of them summarised."""
    blocks = []
    for start in range(0, len(values), room):
        part = values[start : start + room]
        block = Block.empty(room, 1, values.shape[1])
        block.count = len(part)
        block.first_steps[: len(part)] = 10 * np.arange(start + 1, start + 1 + len(part))
        block.wall_times[: len(part)] = 0
        block.stats[0, : len(part)] = part
        block.step_stats[:, : len(part)] = 0
        blocks.append(block)
    return [summarized(b, per) if i < summaries else b for i, b in enumerate(blocks)]


def table(blocks, **window):
    """Returns (first, last, high, low, marks, per) of a statistic's table, exact ones in the same form."""
    data = b"".join(encoded(blocks, statistic_columns(0), Window(**window)))
    magic, rows, columns, per = np.frombuffer(data, "<u4", 4)
    assert magic == int.from_bytes(b"AOH1", "little")
    if per == 0:
        steps = np.frombuffer(data, "<f8", rows, 16)
        values = np.frombuffer(data, "<f4", rows * columns, 16 + 8 * rows).reshape(rows, columns)
        assert len(data) == 16 + 8 * rows + values.nbytes
        return steps, steps, values, values, None, 0
    planes, reserved = np.frombuffer(data, "<u4", 2, 16)
    assert (reserved, planes & levels.NAN) == (0, 0)  # no mean
    first, last = np.frombuffer(data, "<f8", 2 * rows, 24).reshape(2, rows)
    at, size = 24 + 16 * rows, 4 * rows * columns
    high = np.frombuffer(data, "<f4", rows * columns, at).reshape(rows, columns)
    low = np.frombuffer(data, "<f4", rows * columns, at + size).reshape(rows, columns)
    marks = np.zeros((rows, columns), np.uint8)
    if planes & 2:
        marks = np.frombuffer(data, "u1", rows * columns, at + 2 * size).reshape(rows, columns)
    assert len(data) == at + 2 * size + (rows * columns if planes & 2 else 0)
    return first, last, high, low, marks, int(per)


@settings(max_examples=300)
@given(
    st.integers(0, 19_999),
    st.integers(1, 3000),
    st.integers(0, 19_999),
    st.integers(0, 19_999),
    st.integers(0, 40),
    st.sampled_from([1e30, -1e30, np.nan, np.inf, -np.inf]),
)
@example(19_999, 1000, 0, 19_999, 0, np.nan)
@example(0, 1, 0, 19_999, 39, np.inf)
def test_one_odd_record_among_20000_is_in_its_row_whatever_the_window(
    odd, pixels, one, other, summaries, value
):
    values = VALUES_20000.copy()
    values[odd, 1] = value
    blocks = blocks_of(values, 512, summaries)
    first, last = 10 * (min(one, other) + 1), 10 * (max(one, other) + 1)
    begin, end, high, low, marks, _ = table(blocks, first=first, last=last, pixels=pixels)
    assert len(begin) <= pixels
    assert np.all(begin <= last)
    assert np.all(end >= first)
    assert begin[0] <= first <= last <= end[-1]
    assert np.all(begin[1:] > end[:-1])
    step = 10 * (odd + 1)
    rows = (begin <= step) & (step <= end)
    assert rows.sum() <= 1
    if first <= step <= last:
        assert rows.any()
    if rows.any():
        cell = high[rows, 1][0], low[rows, 1][0]
        if np.isfinite(value):
            assert np.float32(value) in cell
        elif marks is None:
            np.testing.assert_equal(cell, (np.float32(value),) * 2)
        else:
            wanted = next(m for m, found in MARKS.items() if found(np.float32([value]))[0])
            assert marks[rows, 1][0] & wanted
    elsewhere = high[~rows], low[~rows]
    assert all(np.all(np.abs(x) < 10) for x in elsewhere)


VALUES_20000 = np.random.default_rng(0).uniform(-5, 5, (20_000, 2)).astype(np.float32)


@given(st.integers(2, 3000), st.integers(1, 500), st.sampled_from([1, 2, 16, 64, 128, 1024]))
def test_a_table_is_continued_from_its_last_row_on(count, more, per):
    values = VALUES_20000[: count + more]
    before = table(blocks_of(values[:count], 64), per=per)
    after = table(blocks_of(values, 64), per=per)
    tail = table(blocks_of(values, 64), per=per, first=before[0][-1])
    kept = len(before[0]) - 1
    for name, old, new, whole in zip(
        ("first", "last", "high", "low"), before, tail, after, strict=False
    ):
        np.testing.assert_array_equal(np.concatenate([old[:kept], new]), whole, name)


def test_a_window_without_a_record_is_an_empty_table():
    for steps in ({"first": 11, "last": 19}, {"first": 1e9}, {"last": 0}):
        first, _, high, *_ = table(blocks_of(VALUES_20000[:100], 64), **steps, pixels=10)
        assert (len(first), high.shape) == (0, (0, 2))


def test_a_summary_stands_in_for_its_records_with_totals_peaks_and_means():
    values = np.array([[1.0], [2.0], [9.0], [np.nan]], np.float32)
    (block,) = blocks_of(values, 4)
    for name in ("skipped_steps", "loss_peak", "loss"):
        block.step_stats[STEP_STATS.index(name)] = [1, 2, 3, 2]
    whole = BlockValues([summarized(block, 2)], ["gradient_norm_peak"])
    assert whole["skipped_steps"].tolist() == [3, 5]
    assert whole["loss_peak"].tolist() == [2, 3]
    assert whole["loss"].tolist() == [1.5, 2.5]
    np.testing.assert_array_equal(whole["gradient_norm_peak"], [[2], [np.nan]])


def test_a_statistic_that_is_one_number_throughout_takes_no_memory_and_reads_the_same():
    values = np.full((64, 3), NOT_RECORDED, np.float32)
    for odd in (False, True):
        values[5, 2] = 7 if odd else NOT_RECORDED
        (block,) = blocks_of(values, 64)
        packed = block.packed()
        assert packed.size_bytes < block.size_bytes or odd
        for served in ([block], [packed], [packed.before(300)], [summarized(packed, 16)]):
            high = table(served, per=16)[2]
            assert (high[0, 2] == 7) == odd
            assert not recorded(high[1:]).any()
        np.testing.assert_array_equal(packed.stat(0, "").view(np.uint32), values.view(np.uint32))
