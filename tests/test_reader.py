from pathlib import Path

import numpy as np
import pytest
from synthetic import ADAM, LAYERS, healthy_stats, write_run

from adamax_tb import read_runs, schema
from adamax_tb.reader import scan_runs


def test_what_is_written_is_read_back_to_the_bit(tmp_path):
    steps = np.arange(1, 301)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, len(LAYERS))).astype(np.float32)
    values[7, 1], values[8, 2], values[9, 0] = np.nan, np.inf, -np.inf
    values[10, 3] = schema.NOT_RECORDED
    write_run(tmp_path / "a", steps, {"u_mean": values})
    run = read_runs(tmp_path)["a"]
    np.testing.assert_array_equal(run.steps, steps)
    np.testing.assert_array_equal(run.stat("u_mean").view(np.uint32), values.view(np.uint32))
    assert run.layers == tuple(name for name, _ in LAYERS)
    assert run.shapes == tuple(shape for _, shape in LAYERS)
    assert run.hyperparameters == {"learning_rate": 0.001, "beta_1": 0.9}
    assert run.notes == ()
    assert np.all(np.diff(run.wall_times) >= 0)


def test_a_resumed_run_replaces_what_followed_the_step_it_resumed_at(tmp_path):
    write_run(tmp_path / "a", range(1, 11), {"u_mean": np.full((10, 4), 1, np.float32)})
    write_run(tmp_path / "a", [6, 8], {"u_mean": np.full((2, 4), 2, np.float32)})
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 2, 3, 4, 5, 6, 8]
    assert run.stat("u_mean")[:, 0].tolist() == [1, 1, 1, 1, 1, 2, 2]
    assert run.notes == (
        "5 earlier records were replaced when the run was started again from an earlier step.",
    )


def test_a_layer_that_came_with_a_resume_was_not_recorded_before(tmp_path):
    write_run(tmp_path / "a", [1, 2])
    grown = (*LAYERS, ("head/kernel", (3, 2)))
    write_run(tmp_path / "a", [3], layers=grown)
    run = read_runs(tmp_path)["a"]
    assert run.layers[-1] == "head/kernel"
    bits = run.stat("u_mean").view(np.uint32)
    assert bits[:2, -1].tolist() == [0x7FFFFFFF] * 2
    assert run.stat("u_mean")[2, -1] == 1
    assert np.all(run.stat("u_mean")[:, 0] == 1)


def test_the_torn_end_of_a_file_is_skipped_with_a_note(tmp_path):
    path = Path(write_run(tmp_path / "a", range(1, 21)))
    whole = path.read_bytes()
    for cut in range(1, 40):
        path.write_bytes(whole[:-cut])
        run = read_runs(tmp_path)["a"]
        assert run.steps.tolist() == list(range(1, 20))
        assert len(run.notes) == 1
        assert "ends within a record" in run.notes[0]


def test_damage_within_a_file_ends_it_with_a_note(tmp_path):
    path = Path(write_run(tmp_path / "a", range(1, 21)))
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(whole)
    run = read_runs(tmp_path)["a"]
    assert 0 < len(run.steps) < 20
    assert len(run.notes) == 1


def test_runs_come_in_natural_order_with_tensorboards_names(tmp_path):
    for name in ("run10", "run2", "group/one"):
        write_run(tmp_path / name, [1])
    write_run(tmp_path, [1])
    assert list(read_runs(tmp_path)) == [".", "group/one", "run2", "run10"]


def test_a_logdir_without_our_data_says_how_to_get_some(tmp_path):
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"")
    with pytest.raises(ValueError, match=r"`logdir`.*OptimizerHealth"):
        read_runs(tmp_path)


def test_a_file_of_ours_without_a_whole_record_is_an_error_not_nothing(tmp_path):
    path = Path(write_run(tmp_path / "a", [1]))
    path.write_bytes(path.read_bytes()[:200])
    write_run(tmp_path / "b", [1])
    runs, errors = scan_runs(tmp_path)
    assert list(runs) == ["b"]
    assert "ends within a record" in errors["a"]


def test_a_file_in_place_of_a_logdir_is_called_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="`logdir`: this is a file"):
        read_runs(tmp_path / "file")


def test_a_logdir_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="`logdir`.*missing"):
        read_runs(tmp_path / "missing")


def test_an_unknown_statistic_is_refused_with_the_known_ones(tmp_path):
    write_run(tmp_path / "a", [1], {}, has=ADAM, optimizer="Adam")
    run = read_runs(tmp_path)["a"]
    assert "m_rms" in run.statistics
    with pytest.raises(KeyError, match="u_mean.*m_rms"):
        run.stat("u_mean")
    assert set(healthy_stats([1], has=ADAM)) == set(run.statistics)


def test_a_newer_format_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "VERSION", 99)
    write_run(tmp_path / "a", [1])
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"'a'.*newer adamax-tb.*pip install"):
        read_runs(tmp_path)
    write_run(tmp_path / "good", [1])
    runs, errors = scan_runs(tmp_path)
    assert list(runs) == ["good"]
    assert list(errors) == ["a"]


def test_two_layers_of_one_name_are_kept_apart(tmp_path):
    names = schema.unique_names(["m/d/kernel", "m/d/bias", "m/d/kernel", "m/d/bias", "w", "w"])
    assert names == ["m/d/kernel", "m/d/bias", "m/d (2)/kernel", "m/d (2)/bias", "w", "w (2)"]
    write_run(tmp_path / "a", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    with pytest.raises(ValueError, match="two layers alike"):
        read_runs(tmp_path)


def test_files_of_one_second_are_read_in_the_order_they_were_made(tmp_path):
    for first in range(1, 40, 3):
        write_run(tmp_path / "a", range(first, first + 3))
    assert read_runs(tmp_path)["a"].steps.tolist() == list(range(1, 40))


def test_a_link_that_leads_back_is_followed_once(tmp_path):
    write_run(tmp_path / "a", [1])
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert list(read_runs(tmp_path)) == ["a"]


def test_a_flight_of_the_past_that_was_replaced_is_gone(tmp_path):
    flight = {"steps": range(3, 11), "gradient_norm": np.full((8, 4), 7), "loss": np.arange(8)}
    write_run(tmp_path / "a", range(1, 11), flight={**flight, "reason": "nonfinite loss"})
    whole = read_runs(tmp_path)["a"].flight
    assert whole.steps.tolist() == list(range(3, 11))
    assert whole.loss.tolist() == list(range(8))
    assert whole.reasons == ("nonfinite loss",) * 8
    write_run(tmp_path / "a", [6, 7, 8])
    assert read_runs(tmp_path)["a"].flight.steps.tolist() == [3, 4, 5]
    write_run(tmp_path / "a", [1, 2, 3, 4])
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 2, 3, 4]
    assert run.flight is None


def test_a_flight_after_a_resume_takes_the_place_of_the_old_one(tmp_path):
    old = {"steps": range(3, 11), "gradient_norm": np.full((8, 4), 7)}
    new = {"steps": range(5, 9), "gradient_norm": np.full((4, 4), 8), "reason": "interrupt"}
    write_run(tmp_path / "a", range(1, 11), flight=old)
    write_run(tmp_path / "a", range(6, 9), flight=new)
    flight = read_runs(tmp_path)["a"].flight
    assert flight.steps.tolist() == [3, 4, 5, 6, 7, 8]
    assert flight.gradient_norm[:, 0].tolist() == [7, 7, 8, 8, 8, 8]
    assert flight.reasons == ("nonfinite gradient",) * 2 + ("interrupt",) * 4


def test_a_flight_has_the_runs_layers_as_they_came(tmp_path):
    write_run(tmp_path / "a", [1, 2], flight={"steps": [1, 2]})
    grown = (*LAYERS, ("head/kernel", (3, 2)))
    write_run(tmp_path / "a", [3, 4], layers=grown, flight={"steps": [3, 4]})
    flight = read_runs(tmp_path)["a"].flight
    bits = flight.gradient_norm.view(np.uint32)
    assert bits[:2, -1].tolist() == [0x7FFFFFFF] * 2
    assert flight.gradient_norm[2:, -1].tolist() == [1, 1]
    assert np.all(flight.gradient_norm[:, 0] == 1)


def test_a_flight_in_the_torn_end_of_a_file_is_read_as_far_as_it_is_whole(tmp_path):
    path = Path(write_run(tmp_path / "a", range(1, 21), flight={"steps": range(11, 21)}))
    path.write_bytes(path.read_bytes()[:-5])
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, 21))
    assert run.flight.steps.tolist() == list(range(11, 20))
    assert len(run.notes) == 1
