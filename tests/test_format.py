"""Files of every earlier format are read as they were written.

`tests/golden/version_1` was made by `tests/golden/make.py` with the code that first wrote that version: "nan" is a
training with AdaMax, warm restarts and a batch that holds NaN, so it has a flight record; "continued" is one with Adam
that was continued from an earlier step, in a file of its own. `expected.json` holds their numbers as TensorBoard's own
reader sees them. Where the format's version grows, a directory for it joins, and these stay as they are.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from board import get_json, get_table

import adamax_tb
from adamax_tb import schema
from adamax_tb.cli import main
from adamax_tb.eventfile import EventFile
from adamax_tb.recordfile import RecordFile
from adamax_tb.schema import LayerTable

GOLDEN = Path(__file__).parent / "golden" / "version_1"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def bits(values):
    """Returns what JSON has of float32, None being what was not recorded, to be compared with `==`."""
    flat = np.array(
        [schema.NOT_RECORDED if x is None else np.float32(x) for x in np.ravel(values)], np.float32
    )
    return flat.view(np.uint32).tolist()


def same(read, expected):
    return np.ascontiguousarray(read).view(np.uint32).ravel().tolist() == bits(
        np.array(expected, object)
    )


@pytest.mark.parametrize("name", ["nan", "continued"])
def test_the_first_versions_files_are_read_exactly(name):
    runs, expected = adamax_tb.read_runs(GOLDEN), EXPECTED[name]
    assert [*runs] == [*sorted(EXPECTED)]
    run = runs[name]
    assert dict(zip(run.layers, map(list, run.shapes), strict=True)) == expected["layers"]
    assert run.optimizer == expected["optimizer"]
    assert run.hyperparameters == expected["hyperparameters"]
    assert run.planned_step == expected["planned_step"]
    head = run.head
    assert [head.loss, head.from_logits, head.activation, head.units] == expected["head"]
    assert run.steps.tolist() == expected["steps"]
    assert run.wall_times.tolist() == expected["wall_times"]
    assert run.statistics == tuple(expected["statistics"])
    for statistic, values in expected["statistics"].items():
        assert same(run.stat(statistic), values), statistic
    for statistic in schema.STEP_STATS:  # there may be more by now
        unknown = [None] * len(run.steps)
        values = expected["step_statistics"].get(statistic, unknown)
        assert same(run.step_stat(statistic), values), statistic


def test_the_first_versions_flight_record_is_read_exactly():
    flight, expected = adamax_tb.read_runs(GOLDEN)["nan"].flight, EXPECTED["nan"]["flight"]
    assert flight.steps.tolist() == expected["steps"]
    assert len(flight.steps) == 40
    assert list(flight.reasons) == expected["reasons"]
    for name in ("gradient_norm", "loss", "learning_rate", "loss_scale"):
        assert same(getattr(flight, name), expected[name]), name
    assert adamax_tb.read_runs(GOLDEN)["continued"].flight is None


def test_the_golden_files_hold_what_is_hard_to_read():
    nan, continued = (adamax_tb.read_runs(GOLDEN)[name] for name in ("nan", "continued"))
    assert np.isnan(nan.stat("gradient_norm")).any()
    assert np.isnan(nan.flight.gradient_norm).any()
    assert nan.restarts.tolist() == [16, 31]
    assert continued.notes == (
        "2 earlier records were replaced when the run was started again from an earlier step.",
    )
    (found, *_) = adamax_tb.diagnose(nan)
    assert (found.rule, found.layer, found.first_step) == (
        "nonfinite",
        "golden/hidden/kernel",
        33,
    )


def test_both_of_tensorboards_loaders_list_the_first_versions_runs(open_logdir):
    client = open_logdir(GOLDEN)
    assert sorted(client.get("/data/runs").json) == sorted(EXPECTED)
    listed = get_json(client, "runs")["runs"]
    assert sorted(run["name"] for run in listed) == sorted(EXPECTED)
    for name, expected in EXPECTED.items():
        steps, values = get_table(client, "statistic", run=name, name="gradient_norm")
        assert steps.tolist() == expected["steps"]
        assert same(values, expected["statistics"]["gradient_norm"])


def of_version(version, directory):
    """Writes the golden run "nan" as if another version of the format had written it."""
    (path,) = (GOLDEN / "nan").iterdir()
    directory.mkdir()
    records = RecordFile(str(directory / path.name))
    for event in EventFile(path.name, lambda: path.open("rb")).events(path.stat().st_size):
        for value in event.summary.value:
            if value.tag == schema.LAYERS_TAG:
                table = LayerTable.FromString(value.tensor.string_val[0])
                table.version = version
                value.tensor.string_val[0] = table.SerializeToString()
        records.write(event.SerializeToString())
    records.close()


def test_a_newer_versions_run_is_refused_with_the_remedy_and_hides_no_other(
    tmp_path, capsys, open_logdir
):
    of_version(schema.VERSION, tmp_path / "now")
    assert adamax_tb.read_runs(tmp_path)["now"].steps.tolist() == EXPECTED["nan"]["steps"]
    of_version(schema.VERSION + 1, tmp_path / "newer")
    remedy = "Upgrade with: pip install --upgrade adamax-tb"
    said = f"written by a newer adamax-tb (format {schema.VERSION + 1}, this one reads up to"
    with pytest.raises(ValueError, match="'newer' cannot be read") as refused:
        adamax_tb.read_runs(tmp_path)
    assert said in str(refused.value)
    assert remedy in str(refused.value)
    assert main(["check", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert "now: critical" in printed.out
    answer = get_json(open_logdir(tmp_path), "runs")
    assert said in json.dumps(answer)
    assert [run["name"] for run in answer["runs"] if "verdict" in run] == ["now"]


def test_a_run_that_a_newer_version_went_on_with_is_refused_too(tmp_path):
    shutil.copytree(GOLDEN / "continued", tmp_path / "run")
    of_version(schema.VERSION + 1, tmp_path / "newer")
    (newer,) = (tmp_path / "newer").iterdir()
    newer.rename(tmp_path / "run" / newer.name.replace("0000000001", "0000000003"))
    (tmp_path / "newer").rmdir()
    with pytest.raises(ValueError, match="newer adamax-tb"):
        adamax_tb.read_runs(tmp_path)
