import os

import pytest
from file_size import file_bytes, record_bytes
from synthetic import ADAMAX, table, write_run

from adamax_tb import schema

SGD = frozenset({"momentum", "update", "memory"})


def layers(count):
    return [(f"block_{i}/dense/kernel", (8, 4)) for i in range(count)]


@pytest.mark.parametrize("has", [frozenset(), SGD, ADAMAX])
@pytest.mark.parametrize("count", [1, 31, 127, 128, 2000])
def test_a_file_is_as_large_as_the_formula_says_to_the_byte(tmp_path, count, has):
    steps, flown = [1, *range(120, 250, 10), 20_000, 3_000_000], list(range(100, 228))
    rows = layers(count)
    path = write_run(tmp_path, steps, layers=rows, has=has, flight={"steps": flown})
    assert os.path.getsize(path) == file_bytes(table(rows, has), steps, flown)


@pytest.mark.parametrize("has", [frozenset(), SGD, ADAMAX])
def test_the_rule_of_thumb_is_within_two_percent_whatever_the_number_of_layers(has):
    statistics = schema.recorded_statistics(has)
    for count in [*range(1, 140), 2000, 100_000]:
        rows = table(layers(count), has)
        for step in (1, 1_000, 10**9):
            exact = file_bytes(rows, [step, step]) - file_bytes(rows, [step])
            assert record_bytes(count, statistics) == pytest.approx(exact, rel=0.02)
            if has == ADAMAX:
                assert 80 * count + 1000 == pytest.approx(exact, rel=0.02)
