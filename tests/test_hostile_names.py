"""Names that mean harm, in the terminal, files and pictures; `browser/test_hostile_names_panel.py` has the panel."""

import csv
import importlib
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hostile import BROKEN, DIRECTORIES, LAYERS, write_hostile, write_sick

from adamax_tb import cli, diagnose, read_runs, watch
from adamax_tb.check import Style, where
from adamax_tb.compare import in_words
from adamax_tb.comparison import compared
from adamax_tb.figure import LONGEST, text
from adamax_tb.names import printable
from adamax_tb.reader import scan_runs
from adamax_tb.report import linked
from adamax_tb.trials import Trial

GOLDEN = Path(__file__).parent / "golden" / "names.json"
EVERYTHING = {**{f"layer {k}": n for k, n in LAYERS.items()}, **DIRECTORIES, "broken": BROKEN}


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logdir = str(tmp_path_factory.mktemp("hostile") / "runs")
    write_hostile(logdir)
    return logdir


def told(capsys, *arguments):
    """What a command says, line by line, none of which has anything that a terminal obeys; and its code."""
    try:
        code = cli.main(arguments)
    except SystemExit as exit:
        code = exit.code
    out, err = capsys.readouterr()
    for line in (out + err).split("\n"):
        assert line.isprintable(), ascii(line)
    return code, out, err


def test_names_are_shown_as_the_panel_shows_them():
    for name, shown in json.loads(GOLDEN.read_text("utf-8")):
        assert printable(name) == shown
        assert shown.isprintable()
    golden = {name for name, _ in json.loads(GOLDEN.read_text("utf-8"))}
    assert {name for name in EVERYTHING.values() if len(name) < 200} == golden


def test_the_verdict_names_runs_and_layers_and_does_nothing(logdir, capsys):
    code, out, err = told(capsys, "check", logdir)
    assert code == 2  # one run cannot be read
    heads = [line.partition(": critical")[0] for line in out.splitlines() if line[:2] != "  "]
    assert sorted(heads) == sorted(map(printable, ["all", *DIRECTORIES.values()]))
    assert printable(BROKEN) in err
    for name in LAYERS.values():
        if name in DIRECTORIES.values():
            assert f"nonfinite in {printable(name)} since step 11" in out


def test_the_document_is_json_with_the_names_themselves(logdir, capsys):
    code, out, _ = told(capsys, "check", logdir, "--json")
    document = json.loads(out)
    assert code == 2
    assert {run["name"] for run in document["runs"]} == {"all", *DIRECTORIES.values()}
    assert [*document["errors"]] == [BROKEN]
    (all_layers,) = (run for run in document["runs"] if run["name"] == "all")
    assert all_layers["findings"][0]["layer"] == next(iter(LAYERS.values()))


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "no\x1b[31m\u202e\nwhere"),
        ("check", "a", "b\x1b]0;owned\x07"),
        ("check", "a", "--since", "\x1b[2J"),
        ("export", "a", "--format", "\x9b31m"),
        ("bad\x1bcommand",),
    ],
)
def test_no_argument_acts_on_the_terminal(arguments, capsys):
    code, _, err = told(capsys, *arguments)
    assert code == 2
    assert "adamax-tb" in err


def test_a_run_that_is_not_there_is_named_with_those_that_are(logdir, capsys):
    code, _, err = told(capsys, "export", logdir, "--format", "csv", "--run", "\x1b[2J")
    assert code == 2
    assert r"There is no run '\x1b[2J'." in err
    for name in DIRECTORIES.values():
        assert printable(name) in err


def test_an_export_to_a_terminal_shows_the_names(logdir):
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "adamax_tb.cli", "export", logdir, "--format", "json"]
    shown = []

    def read():
        while part := part_of(ours):
            shown.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    runs = [f"--run={DIRECTORIES[kind]}" for kind in ("C1", "override", "colour", "lines")]
    subprocess.run(
        [*command, *runs], stdout=its, stderr=subprocess.DEVNULL, timeout=120, check=True
    )
    os.close(its)
    reader.join(60)
    os.close(ours)
    lines = b"".join(shown).decode().replace("\r\n", "\n").split("\n")
    assert all(map(str.isprintable, lines))
    assert printable(DIRECTORIES["C1"]) in "".join(lines)


def part_of(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that nobody has it open any more
        return b""


def test_a_spreadsheet_finds_no_formula_and_a_reader_the_names(logdir, tmp_path, capsys):
    told(capsys, "export", logdir, "--format", "csv", "-o", str(tmp_path / "out.csv"))
    content = (tmp_path / "out.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    names = {row["layer"] for row in rows if row["run"] == "all"}
    assert {name.replace("'", "") for name in names} == {
        n.replace("'", "") for n in LAYERS.values()
    }
    assert {
        name for name in LAYERS.values() if re.match(r"[\w<&/$%.]", name) and ";" not in name
    } <= names
    for delimiter in ",;\t":
        for line in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter):
            for cell in line[:1] + line[3:4] if delimiter == "," else line:
                assert cell[:1] not in tuple("=+@＝\t\r"), cell
                assert not re.match(r"-[^\d.i]|-2\+", cell), cell


def test_json_and_parquet_have_the_names_themselves(logdir, tmp_path, capsys):
    import pyarrow.parquet

    for form in ("json", "parquet"):
        told(capsys, "export", logdir, "--format", form, "-o", str(tmp_path / form))
    document = json.loads((tmp_path / "json").read_text("utf-8"))
    runs = {run["name"]: run for run in document["runs"]}
    assert runs.keys() == {"all", *DIRECTORIES.values()}
    assert [layer["name"] for layer in runs["all"]["layers"]] == [*LAYERS.values()]
    table = pyarrow.parquet.read_table(tmp_path / "parquet")
    assert {*LAYERS.values()} <= {*table["layer"].unique().to_pylist()}


def test_what_is_said_while_training_is_one_line(logdir, caplog):
    runs, _ = scan_runs(logdir)
    with caplog.at_level(logging.WARNING, "adamax_tb"):
        for run in runs.values():
            for finding in diagnose(run):
                words = watch.said(finding, 12)
                assert words.isprintable()
                logging.getLogger("adamax_tb").warning("%s", words)
    assert len(caplog.messages) == len(runs)


def test_a_comparison_names_optimizers_and_does_nothing():
    losses = np.array([2.0, 1.0])
    trials = [
        Trial(f"{name}{seed}", name, 0.01, seed, np.array([0, 10]), losses, losses, losses, True)
        for name in LAYERS.values()
        for seed in range(2)
    ]
    shown = in_words(compared(trials, {}), Style())
    assert all(map(str.isprintable, shown.split("\n")))
    for name in LAYERS.values():
        assert printable(name) in shown


def test_a_layer_without_a_name_is_not_the_whole_run(tmp_path):
    write_sick(str(tmp_path / "a"), ["", "b"])
    (finding,) = diagnose(read_runs(tmp_path)["a"])
    assert (finding.layer, where(finding)) == ("", '""')


@pytest.mark.parametrize("kinds", [("mathematics", "lines", "NUL"), ("emoji", "Arabic", "script")])
def test_matplotlib_draws_all_names(tmp_path, kinds):
    pytest.importorskip("matplotlib")
    names = [LAYERS[kind] for kind in kinds]
    write_sick(str(tmp_path / LAYERS[kinds[0]].replace("/", "")), names, optimizer=names[0])
    (run,) = read_runs(tmp_path).values()
    for figure in (run.plot(), run.plot(layers=names)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            warnings.filterwarnings("ignore", "Matplotlib currently does not support")
            figure.savefig(file := io.BytesIO(), dpi=50)
        assert file.getvalue()[:4] == b"\x89PNG"


def test_words_of_a_report_turn_nothing_and_have_room():
    assert text("in שלום/a 12") == "in \u2068שלום/a\u2069 12"
    assert text("שלום עולם, 3") == "\u2068שלום עולם,\u2069 3"
    assert text('<b title="\u202e">') == "&lt;b title=&quot;\\u202e&quot;&gt;"
    assert text(f"in {'n' * 10**6} since") == text(f"in {'n' * 79}…{'n' * 120} since")
    assert len(text("n" * 10**6)) == LONGEST


def test_a_long_address_is_shortened_where_it_is_shown_and_not_where_it_leads():
    address = f"https://example.org/{'p' * 300}"
    assert linked(address).startswith(f'<a href="{address}" rel=')
    assert len(linked(address)) < 2 * len(address)


def test_no_module_writes_a_name_to_the_terminal_by_itself():
    package = Path(importlib.import_module("adamax_tb").__file__).parent
    printing = {
        path.name
        for path in package.rglob("*.py")
        if re.search(r"\bprint\(", path.read_text("utf-8"))
    }
    assert printing == {"cli.py", "demo.py", "output.py"}
