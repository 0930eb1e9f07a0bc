"""The `adamax-tb` command as a process."""

import copy
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig

import jsonschema
import numpy as np
import pytest
from synthetic import healthy_stats, table, write_run
from test_boundaries import WITHOUT, python

from adamax_tb import check, cli
from adamax_tb.check import Style
from adamax_tb.reader import read_runs
from adamax_tb.rules import Finding
from adamax_tb.writer import EventWriter

COMMAND = (sys.executable, "-m", "adamax_tb.cli")


def adamax_tb(*arguments):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def on_terminal(*arguments, columns=60, **environment):
    """Runs the command on a terminal of its own and returns what that shows."""
    import fcntl
    import pty
    import struct
    import termios

    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "TERM")}
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=its, env={**kept, "TERM": "xterm", **environment}
    )
    os.close(its)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # how Linux says that nobody has the terminal open any more
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(120)
    return shown.decode().replace("\r\n", "\n")


def finding(rule="dead-units", severity="critical", first=10, last=50, **fields):
    return Finding(
        **{
            "rule": rule,
            "severity": severity,
            "layer": "dense_1/kernel",
            "first_step": first,
            "last_step": last,
            "message": f"A sentence about {rule} that is long enough to be broken in two on a terminal.",
            "evidence": {"growth": np.inf},
            "suggestion": f"Do something about {rule}.",
            **fields,
        }
    )


@pytest.fixture
def sick(tmp_path):
    """A log directory whose only run has gradients that are NaN from step 26 to its last one, 50."""
    bad = np.ones((50, 4), np.float32)
    bad[25:] = np.nan
    stats = {
        "gradient_norm": bad,
        "gradient_norm_peak": bad,
        "nonfinite": np.nan_to_num(bad - 1, nan=4),
    }
    write_run(tmp_path / "sick/a", range(1, 51), stats)
    return tmp_path / "sick"


LARGE = 6000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A log directory whose only run has many records, and a gradient that is NaN from step 3001 on."""
    directory = tmp_path_factory.mktemp("large")
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(300))
    rng = np.random.default_rng(0)
    stats = {
        name: rng.uniform(1, 2, values.shape).astype(np.float32)
        for name, values in healthy_stats(range(LARGE), layers).items()
    }
    stats["nonfinite"] = np.zeros((LARGE, 300), np.float32)
    stats["nonfinite"][3000:, 7] = 16
    stats["gradient_norm"][3000:, 7] = stats["gradient_norm_peak"][3000:, 7] = np.nan
    loss = np.geomspace(2, 0.02, LARGE)
    writer = EventWriter(str(directory / "a"), table(layers))
    for at in range(0, LARGE, 100):
        part = slice(at, at + 100)
        numbers = {name: values[part] for name, values in stats.items()}
        writer.write(np.arange(at + 1, at + 101), numbers, {"loss": loss[part]})
        writer.flush()
    writer.close()
    return directory


@pytest.fixture
def a_run(tmp_path):
    write_run(tmp_path / "one/a", range(1, 51))
    return read_runs(tmp_path / "one")["a"]


def test_check_names_the_sick_runs_of_the_demo_with_the_right_rule(demo_logdir):
    done = adamax_tb("check", demo_logdir, "--json")
    assert done.returncode == 1, done.stderr
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert set(runs) == {"healthy", "exploding", "vanishing"}
    assert runs["healthy"]["findings"] == []
    for name, rule in (("exploding", "exploding-gradient"), ("vanishing", "vanishing-gradient")):
        first = runs[name]["findings"][0]
        assert (first["rule"], first["severity"]) == (rule, "critical")
        assert first["suggestion"]
        assert first["evidence"]
    assert runs["exploding"]["findings"][0]["first_step"] > 100
    assert runs["vanishing"]["findings"][0]["layer"] == "digits/dense_1/kernel"


def test_check_says_it_in_words(demo_logdir):
    done = adamax_tb("check", demo_logdir)
    assert done.returncode == 1
    assert "exploding: critical" in done.stdout
    assert "healthy: healthy" in done.stdout
    assert "What to do: " in done.stdout


def write_run_that_is(verdict, directory):
    """Writes a run whose worst finding is of this severity."""
    stats, loss = {}, np.linspace(2, 0.1, 50)
    if verdict == "critical":
        stats = {"nonfinite": np.eye(50, 4, -25), "gradient_norm_peak": np.ones((50, 4))}
        stats["gradient_norm_peak"][25, 0] = np.nan
    elif verdict == "warning":  # a loss that was infinite once, and no gradient was
        loss[25] = np.inf
    elif verdict == "info":
        stats = {"dead_units": np.ones((50, 4), np.float32) * [1, 1, 0, 0]}
    typed = {name: np.asarray(values, np.float32) for name, values in stats.items()}
    write_run(directory, range(1, 51), typed, loss)


@pytest.mark.parametrize(
    ("worst", "fail_on", "code"),
    [
        ("healthy", "warning", 0),
        ("critical", "warning", 1),
        ("critical", "critical", 1),
        ("critical", "never", 0),
        ("warning", "warning", 1),
        ("warning", "critical", 0),
        ("info", "warning", 0),
    ],
)
def test_the_exit_code_follows_the_worst_finding(tmp_path, worst, fail_on, code):
    write_run_that_is(worst, tmp_path / "a")
    done = adamax_tb("check", tmp_path, "--fail-on", fail_on)
    assert f"a: {worst} (" in done.stdout
    assert done.returncode == code


def test_a_taken_port_is_told_before_anything_is_trained(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = adamax_tb("demo", "--logdir", tmp_path / "runs", "--port", port)
    assert done.returncode == 2
    assert f"PORT={port + 1}" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("absent", ["keras", "tensorflow"])
def test_without_keras_or_tensorflow_it_says_what_to_install(tmp_path, absent):
    code = WITHOUT.format(names=f"{absent!r},")
    code += f"""
import adamax_tb
from adamax_tb import cli

for name in ("AdaMax", "OptimizerHealth", "record"):
    try:
        getattr(adamax_tb, name)
    except ModuleNotFoundError as error:
        print(error.name, type(error.__cause__).__name__, error)
sys.exit(cli.main(["demo", "--no-serve", "--logdir", {str(tmp_path / "runs")!r}]))
"""
    done = python(code)
    assert done.returncode == 2, done.stderr
    remedy = f"Keras and what it runs on, and there is no {absent}: pip install keras tensorflow"
    *names, start = done.stdout.splitlines()
    for line, name in zip(names, ("AdaMax", "OptimizerHealth", "record"), strict=True):
        assert line.startswith(f"{absent} ModuleNotFoundError adamax_tb.{name} needs {remedy}")
    assert start.startswith("Starting Keras")
    assert done.stderr.startswith(f"adamax-tb demo: adamax_tb.AdaMax needs {remedy}")


def test_another_module_that_is_missing_is_told_as_python_does():
    done = python(WITHOUT.format(names="'numpy',") + "import adamax_tb; adamax_tb.read_runs")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'numpy'\n")


def test_a_run_too_short_to_judge_says_so(tmp_path):
    write_run(tmp_path / "a", [1])
    done = adamax_tb("check", tmp_path)
    assert "1 record, steps 1 to 1" in done.stdout
    assert "too few to judge" in done.stdout


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path):
    write_run(tmp_path / "good", [1])
    write_run(tmp_path / "bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    done = adamax_tb("check", tmp_path)
    assert done.returncode == 2
    assert "good: healthy" in done.stdout
    assert "'bad' cannot be read" in done.stderr


def test_check_of_nothing_exits_2_and_names_the_argument(tmp_path):
    for logdir in (tmp_path, tmp_path / "missing"):
        done = adamax_tb("check", logdir)
        assert done.returncode == 2
        assert "`logdir`" in done.stderr
        assert "Traceback" not in done.stderr


def test_beyond_a_memory_limit_the_verdict_is_the_same_and_a_note_says_so(large):
    whole, summarized = (
        adamax_tb("check", large, "--fail-on", "never", "--json", *limit)
        for limit in ((), ("--memory", "8MB"))
    )
    (was,), (now,) = (json.loads(done.stdout)["runs"] for done in (whole, summarized))
    assert was["notes"] == []
    assert "more than --memory=8MB" in now["notes"][0]
    assert now["records"] == was["records"] == LARGE
    before, after = was["findings"][0], now["findings"][0]
    assert before["rule"] == after["rule"] == "nonfinite"
    assert (before["layer"], before["last_step"]) == (after["layer"], after["last_step"])
    assert before["first_step"] == 3001
    assert after["first_step"] == 3072  # the end of a summary of 128
    words = adamax_tb("check", large, "--memory", "8MB").stdout
    assert f"{LARGE} records, steps 1 to {LARGE}" in words
    report = large / "report.html"
    assert adamax_tb("report", large, "--memory", "8MB", "-o", report).returncode == 0
    assert f"{LARGE:,} records" in report.read_text()
    assert "more than --memory=8MB" in report.read_text()


def test_a_memory_limit_is_one(large):
    def peak_bytes(limit):
        code = "import sys; from adamax_tb import cli; cli.main(sys.argv[1:]); print(open('/proc/self/status').read())"
        command = [sys.executable, "-c", code, "check", str(large), "--memory", limit]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", said)[1])

    whole = sum(file.stat().st_size for file in large.glob("a/*"))
    assert whole > 80e6
    assert peak_bytes("0") - peak_bytes("8MB") > whole / 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--port", "0"],
        ["demo", "--port", "x"],
        ["check", "x", "--memory", "y"],
        ["nonsense"],
        [],
    ],
)
def test_bad_usage_exits_2(arguments):
    done = adamax_tb(*arguments)
    assert done.returncode == 2
    assert "usage: adamax-tb" in done.stderr


def test_a_terminals_escape_codes_in_a_name_are_written_out(tmp_path):
    write_run(tmp_path / "a\x1b[31mred", [1])
    done = adamax_tb("check", tmp_path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred" in done.stdout


def test_the_demo_names_the_tensorboard_of_its_own_installation(tmp_path, monkeypatch):
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", scripts)
    assert cli._tensorboard() == "tensorboard"
    other = tmp_path / "tensorboard"
    other.write_text("#!/bin/sh")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{scripts}")
    assert os.path.samefile(cli._tensorboard(), os.path.join(scripts, "tensorboard"))


def strict(schema):
    """The schema, which then refuses fields that it does not describe."""
    schema = copy.deepcopy(schema)
    for part in (schema, *schema["$defs"].values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return schema


def test_the_json_is_what_its_schema_says(demo_logdir, tmp_path):
    schema = json.loads(adamax_tb("check", "--json-schema").stdout)
    validator = jsonschema.Draft202012Validator(strict(schema))
    validator.check_schema(schema)
    demo = json.loads(adamax_tb("check", demo_logdir, "--json").stdout)
    validator.validate(demo)
    assert demo["version"] == 1
    write_run(tmp_path / "good", [1])
    write_run(tmp_path / "bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    some_bad = json.loads(adamax_tb("check", tmp_path, "--json", "--since", 1).stdout)
    validator.validate(some_bad)
    assert "bad" in some_bad["errors"]
    assert some_bad["since"] == 1


def test_the_schema_tells_a_finding_with_consequences_from_one_that_lacks_a_field(a_run):
    validator = jsonschema.Draft202012Validator(strict(json.loads(check.json_schema())))
    nested = finding(consequences=(finding("nonfinite", layer=None, evidence={"loss": np.nan}),))
    document = json.loads(json.dumps(check.document({"a": a_run}, {"a": [nested]}, {})))
    validator.validate(document)
    consequence = document["runs"][0]["findings"][0]["consequences"][0]
    assert consequence["evidence"] == {"loss": "NaN"}
    del consequence["layer"]
    with pytest.raises(jsonschema.ValidationError, match="'layer' is a required property"):
        validator.validate(document)


def test_a_consequence_that_outlived_its_cause_takes_its_place():
    late = finding("skipped-steps", "warning", 20, 90)
    early = finding("spike-stall", "warning", 20, 30)
    cause = finding(last=50, consequences=(early, late))
    assert check.still_held([cause], 51) == [late]
    (kept,) = check.still_held([cause], 31)
    assert (kept.rule, kept.consequences) == ("dead-units", (late,))
    assert check.still_held([cause], 30) == [cause]
    assert check.still_held([cause], 91) == []


def test_a_consequence_that_is_worse_than_its_cause_makes_the_verdict():
    consequence = finding("nonfinite", "critical")
    assert check.worst([finding("dead-units", "info", consequences=(consequence,))]) == "critical"
    assert check.worst([]) == "healthy"


def test_since_counts_only_what_still_held_then(sick, tmp_path):
    assert adamax_tb("check", sick, "--since", 50).returncode == 1
    spiked = np.ones((50, 4), np.float32)
    spiked[20:22, 0] = np.nan  # at steps 21 and 22
    numbers = {"gradient_norm": spiked, "gradient_norm_peak": spiked}
    write_run(tmp_path / "over/a", range(1, 51), numbers)
    assert adamax_tb("check", tmp_path / "over").returncode == 1
    assert adamax_tb("check", tmp_path / "over", "--since", 22).returncode == 1
    done = adamax_tb("check", tmp_path / "over", "--since", 23)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a: healthy" in done.stdout
    assert "nonfinite" not in done.stdout


def test_a_run_that_ended_before_the_step_asked_for_says_so(sick, tmp_path):
    write_run(sick / "b", range(1, 41))
    write_run(sick / "long", range(1, 61))
    done = adamax_tb("check", sick, "--since", 55)
    assert done.returncode == 1  # what held at the end of `a` still does
    notes = [line for line in done.stdout.splitlines() if "note: " in line]
    assert notes == [
        f"  note: Its last record is of step {end}, before step 55; its verdict is on what held then."
        for end in (50, 40)
    ]
    runs = json.loads(adamax_tb("check", sick, "--since", 55, "--json").stdout)["runs"]
    assert [len(run["notes"]) for run in runs] == [1, 1, 0]
    assert adamax_tb("check", sick, "--since", 40).stdout.count("note: ") == 0


def test_a_log_directory_that_is_a_run_is_shown_by_its_name(sick):
    words = adamax_tb("check", sick / "a").stdout
    assert words.startswith("a (.): critical (AdaMax, ")
    assert words == adamax_tb("check", f"{sick}/a/").stdout
    (run,) = json.loads(adamax_tb("check", sick / "a", "--json").stdout)["runs"]
    assert run["name"] == "."
    done = adamax_tb("export", sick / "a", "--format", "csv", "--run", "a")
    assert "There is no run 'a'. There are: '.'" in done.stderr


@pytest.mark.parametrize("step", ["0", "-3", "x", "1.5", ""])
def test_a_step_that_is_none_is_told_by_its_argument(sick, step):
    done = adamax_tb("check", sick, f"--since={step}")
    assert done.returncode == 2
    assert "argument --since: must be a step" in done.stderr


def test_a_step_beyond_every_run_is_no_clean_bill_of_health(sick):
    done = adamax_tb("check", sick, "--since", 51)
    assert done.returncode == 2
    assert "`--since`" in done.stderr
    assert "step 50" in done.stderr


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize(("fail_on", "code"), [("warning", 1), ("never", 0)])
def test_checks_exit_code_is_its_verdict_when_nobody_reads_on(sick, form, fail_on, code):
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "check", str(sick), "--fail-on", fail_on, *form]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, "")


def test_an_export_that_nobody_reads_on_exits_as_by_sigpipe(sick):
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "export", str(sick), "--format", "csv"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_finding_is_told_as_a_story(a_run):
    last = finding("nonfinite", "critical", 40, 50, layer=None)
    middle = finding("dead-units", "warning", 20, 50, consequences=(last,))
    cause = finding(
        "spike-stall", "warning", 5, 30, consequences=(middle,), reference="Kingma 2015"
    )
    told = check.in_words({"a": a_run}, {"a": [cause]}, Style()).splitlines()
    places = [
        next(i for i, line in enumerate(told) if line.startswith(start))
        for start in (
            "a: critical (",
            "  warning: spike-stall in dense_1/kernel from step 5 to 30",
            "    A sentence about spike-stall",
            "      since step 20: warning: dead-units in dense_1/kernel",
            "        A sentence about dead-units",
            "        since step 40: critical: nonfinite in the whole run",
            "    What to do: Do something about spike-stall",
            "    More: Kingma 2015",
        )
    ]
    assert places == sorted(places)
    assert not [line for line in told if "What to do: Do something about dead-units" in line]


def test_lines_fit_the_terminal_and_are_whole_in_a_pipe(sick):
    shown = on_terminal("check", sick, "--color", "never", columns=60)
    too_long = [line for line in shown.splitlines() if len(line) > 60]
    assert all(len(line.split()) == 1 for line in too_long)  # an address is copied whole
    piped = adamax_tb("check", sick).stdout
    assert " ".join(piped.split()) == " ".join(shown.split())
    assert re.search(r"^    What to do: .{60,}$", piped, re.M)


def test_severities_have_colours_on_a_terminal_alone(sick):
    red = "\x1b[1;31mcritical\x1b[0m"
    assert red in on_terminal("check", sick)
    assert red in adamax_tb("check", sick, "--color", "always").stdout
    assert red in on_terminal("check", sick, "--color", "always", NO_COLOR="1")
    for plain in (
        on_terminal("check", sick, NO_COLOR="1"),
        on_terminal("check", sick, TERM="dumb"),
        on_terminal("check", sick, "--color", "never"),
        adamax_tb("check", sick).stdout,
    ):
        assert "critical" in plain
        assert "\x1b" not in plain


def test_what_a_terminal_obeys_is_written_out_wherever_it_stands(a_run):
    hostile = "x\x1b[31m\n\u202e\ue000y"
    everywhere = {name: hostile for name in ("layer", "message", "suggestion", "reference")}
    cause = finding(**everywhere, consequences=(finding(**everywhere),))
    told = check.in_words({"a": a_run}, {"a": [cause]}, Style(width=80))
    assert not [c for c in told if not c.isprintable() and c != "\n"]
    assert "x\\x1b[31m\\n\\u202e\\ue000y" in told


def test_a_terminal_that_cannot_show_an_arrow_ends_nothing(sick, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    write_run(sick / "ü", [1])
    done = adamax_tb("check", sick)
    assert done.returncode == 1
    assert "\\xfc: healthy" in done.stdout
