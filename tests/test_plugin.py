"""The plugin inside a real TensorBoard application, under both loaders, without a port."""

import argparse
import gzip
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from board import BASE, get_json, get_reduced, get_table, wait_for
from synthetic import LAYERS, healthy_stats, table, write_run

from adamax_tb import read_runs
from adamax_tb.memory import memory_size
from adamax_tb.rules import RULE_NAMES
from adamax_tb.writer import EventWriter
from tb_plugin.plugin import OptimizerHealthLoader, _run_named


def test_every_one_of_3000_recorded_steps_comes_back(tmp_path, open_logdir):
    values = np.random.default_rng(0).normal(size=(3000, len(LAYERS))).astype(np.float32)
    write_run(tmp_path / "long", range(1, 3001), {"u_mean": values})
    client = open_logdir(tmp_path)
    (run,) = get_json(client, "runs")["runs"]
    assert (run["records"], run["first_step"], run["last_step"]) == (3000, 1, 3000)
    steps, served = get_table(client, "statistic", run="long", name="u_mean")
    np.testing.assert_array_equal(steps, np.arange(1, 3001))
    np.testing.assert_array_equal(served, values)


def test_tensorboard_itself_holds_one_sample_or_what_the_user_says():
    flags = argparse.Namespace(samples_per_plugin={"images": 3})
    OptimizerHealthLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {"images": 3, "optimizer_health": 1}
    flags.samples_per_plugin = {"optimizer_health": 50}
    OptimizerHealthLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {"optimizer_health": 50}


@pytest.mark.parametrize(("said", "taken"), [(None, True), (True, True), (False, False)])
def test_every_file_of_a_directory_is_followed_unless_the_user_says_no(said, taken):
    flags = argparse.Namespace(reload_multifile=said)
    OptimizerHealthLoader().fix_flags(flags)
    assert flags.reload_multifile is taken


def test_runs_is_json_even_when_the_run_ended_in_nan(tmp_path, open_logdir):
    loss = np.full(30, np.nan)
    loss[0] = 2
    counts = np.ones((30, len(LAYERS)), np.float32)
    write_run(tmp_path / "a", range(1, 31), {"nonfinite": counts}, loss)
    response = open_logdir(tmp_path).get(f"{BASE}/runs")
    (run,) = json.loads(response.data, parse_constant=pytest.fail)["runs"]
    assert run["verdict"] == "critical"
    assert (run["first_loss"], run["last_loss"]) == (2.0, "NaN")


def test_a_loss_curve_loses_no_spike_and_tells_what_was_not_finite(tmp_path, open_logdir):
    loss = np.linspace(2, 1, 1000)
    loss[[499, 640, 641]] = 3.04e31, np.nan, np.inf
    loss[704:720] = np.nan  # all of a row
    write_run(tmp_path / "long", range(1, 1001), loss=loss)
    write_run(tmp_path / "short", [7, 9], loss=[-0.123456, 0])
    write_run(tmp_path / "unknown", range(1, 9), loss=np.full(8, np.nan))
    client = open_logdir(tmp_path)
    long, short, unknown = (run["loss_curve"] for run in get_json(client, "runs")["runs"])
    assert {len(values) for values in long.values()} == {63}
    assert long["high"][499 // 16] == 3.04e31
    assert (long["high"][0], long["low"][0]) == (2.0, 1.985)
    assert {row: marks for row, marks in enumerate(long["marks"]) if marks} == {40: 3, 44: 1}
    assert (long["high"][40], long["high"][44], long["low"][44]) == (1.357, None, None)
    assert short == {"high": [-0.1235, 0], "low": [-0.1235, 0], "marks": [0, 0]}
    assert unknown == {"high": [], "low": [], "marks": []}


def test_the_loss_curve_has_the_spikes_between_two_records(tmp_path, open_logdir):
    peaks = np.full(200, 1.0, np.float32)
    peaks[80], peaks[120] = 50.0, np.inf
    numbers = {"loss_peak": peaks}
    write_run(tmp_path / "a", range(10, 2001, 10), loss=np.ones(200), step_stats=numbers)
    (run,) = get_json(open_logdir(tmp_path), "runs")["runs"]
    curve = run["loss_curve"]
    assert {row: high for row, high in enumerate(curve["high"]) if high != 1} == {20: 50}
    assert {row: marks for row, marks in enumerate(curve["marks"]) if marks} == {30: 2}
    assert set(curve["low"]) == {1}


def test_when_a_run_began_and_how_long_it_took_is_told(tmp_path, open_logdir):
    writer = EventWriter(str(tmp_path / "a"), table())
    for step, now in ((1, 1000.5), (2, 1001.25), (3, 1062)):
        loss = {"loss": np.ones(1)}
        writer.write(np.array([step]), healthy_stats([step]), loss, wall_time=now)
    writer.close()
    (run,) = get_json(open_logdir(tmp_path), "runs")["runs"]
    assert (run["started"], run["elapsed_s"]) == (1000.5, 61.5)


def test_a_run_of_few_records_is_not_called_healthy(tmp_path, open_logdir):
    write_run(tmp_path / "long", range(1, 41))
    write_run(tmp_path / "short", range(1, 4))
    long, short = get_json(open_logdir(tmp_path), "runs")["runs"]
    assert (long["verdict"], short["verdict"]) == ("healthy", "early")
    assert "too few to judge" in short["notes"][0]


def test_a_flight_record_is_announced_and_served(tmp_path, open_logdir):
    steps = np.r_[3:6, 8:11]
    norms = np.arange(24, dtype=np.float32).reshape(6, len(LAYERS))
    norms[5, 1], norms[5, 2] = np.nan, np.inf
    loss = np.array([5, 4, 3, 2, 1, np.nan], np.float32)
    flight = {"steps": steps, "gradient_norm": norms, "loss": loss, "reason": "exception"}
    write_run(tmp_path / "a", range(1, 11), flight=flight)
    write_run(tmp_path / "b", range(1, 11))
    client = open_logdir(tmp_path)
    a, b = get_json(client, "runs")["runs"]
    assert a["flight"] == {"first_step": 3, "last_step": 10, "updates": 6, "reason": "exception"}
    assert b["flight"] is None
    served_steps, served = get_table(client, "flight", run="a")
    np.testing.assert_array_equal(served_steps, steps)
    np.testing.assert_array_equal(served, np.column_stack([norms, loss]))


def test_what_recording_took_and_loss_scaling_did_is_told(tmp_path, open_logdir):
    numbers = {
        "overhead": [np.nan, 0.5, 0.25, np.nan],
        "loss_scale": [8, 4, 1, 1],
        "skipped_steps": [0, 1, 2, np.nan],
        "nonfinite_steps": [0, 1, 0, 0],
    }
    write_run(tmp_path / "a", range(1, 5), step_stats=numbers)
    write_run(tmp_path / "b", range(1, 5))
    write_run(tmp_path / "c", range(1, 5), step_stats={"loss_scale": np.ones(4)})
    client = open_logdir(tmp_path)
    names = ("overhead", "loss_scale", "loss_scaled", "skipped_steps")
    told = [[run[name] for name in names] for run in get_json(client, "runs")["runs"]]
    assert told == [[0.25, 1.0, True, 3], [None, None, False, 0], [None, 1.0, False, 0]]
    for name, values in numbers.items():
        _, served = get_table(client, "statistic", run="a", name=name)
        np.testing.assert_array_equal(served[:, 0], np.float32(values))


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("statistic", 400),
        ("statistic?run=a", 400),
        ("statistic?run=b&name=u_mean", 404),
        ("statistic?run=a&name=nonsense", 404),
        ("statistic?run=../a&name=u_mean", 404),
        ("layer?run=a&name=nonsense", 404),
        ("layer?run=a", 400),
        ("flight", 400),
        ("flight?run=a", 404),
        ("flight?run=b", 404),
        ("export?run=a", 400),
        ("export?run=a&format=xls", 400),
        ("export?run=b&format=csv", 404),
        ("rule", 400),
        ("rule?name=", 400),
        ("rule?name=nonsense", 404),
        ("rule?name=nonfinite.md", 404),
        ("rule?name=../pages/nonfinite", 404),
        ("rule?name=%3Cscript%3Ealert(1)%3C/script%3E", 404),
        ("rule?name=nonfinite%00", 404),
        ("rule?name=nonfinite&theme=pink", 400),
        ("runs?wait_s=soon", 400),
        ("runs?wait_s=nan", 400),
        ("statistic?run=a&name=loss&pixels=0", 400),
        ("statistic?run=a&name=loss&pixels=1.5", 400),
        ("statistic?run=a&name=loss&pixels=99999999999", 400),
        ("statistic?run=a&name=loss&per=3", 400),
        ("statistic?run=a&name=loss&per=2&pixels=2", 400),
        ("statistic?run=a&name=loss&first=x", 400),
        ("layer?run=a&name=dense_1/kernel&last=nan", 400),
    ],
)
def test_a_bad_request_gets_an_error_in_words(tmp_path, open_logdir, route, status):
    write_run(tmp_path / "a", [1])
    response = open_logdir(tmp_path).get(f"{BASE}/{route}")
    assert response.status_code == status
    assert len(response.json["error"]) > 10


def test_only_reading_is_answered(tmp_path, open_logdir):
    write_run(tmp_path / "a", [1])
    client = open_logdir(tmp_path)
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(f"{BASE}/runs").status_code == 405
    head = client.head(f"{BASE}/runs")
    assert (head.status_code, head.data) == (200, b"")


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\x00" * 1000])
def test_a_foreign_logdir_keeps_nothing_from_starting(tmp_path, open_logdir, content):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "events.out.tfevents.1.host").write_bytes(content)
    client = open_logdir(tmp_path)
    assert get_json(client, "runs")["runs"] == []
    listing = client.get("/data/plugins_listing").json
    assert listing["optimizer_health"]["enabled"] is False


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path, open_logdir, monkeypatch):
    from adamax_tb import schema

    write_run(tmp_path / "good", [1])
    monkeypatch.setattr(schema, "VERSION", 99)
    write_run(tmp_path / "newer", [1])
    monkeypatch.undo()
    document = get_json(open_logdir(tmp_path), "runs")
    assert [run["name"] for run in document["runs"]] == ["good"]
    assert [error["run"] for error in document["errors"]] == ["newer"]
    assert "newer adamax-tb" in document["errors"][0]["error"]


def test_the_tab_is_listed_with_our_data_and_its_page_is_served(tmp_path, open_logdir):
    write_run(tmp_path / "a", [1])
    client = open_logdir(tmp_path)
    listing = client.get("/data/plugins_listing").json["optimizer_health"]
    assert (listing["enabled"], listing["tab_name"]) == (True, "Optimizer health")
    script = client.get(f"{BASE}/index.js")
    assert script.status_code == 200
    assert "javascript" in script.content_type
    assert client.get(f"{BASE}/index.css").status_code == 200


def test_a_file_of_the_page_is_packed_once_for_all_who_take_it_packed(
    tmp_path, open_logdir, monkeypatch
):
    from tb_plugin import plugin

    monkeypatch.setattr(plugin, "_STATIC", tmp_path)
    packed_files = []
    compress = gzip.compress
    monkeypatch.setattr(
        gzip, "compress", lambda *a, **k: packed_files.append(a) or compress(*a, **k)
    )
    script, client = tmp_path / "index.js", open_logdir(tmp_path)
    for content in (b"let one = 1;" * 50, b"let two = 2;" * 50):
        script.write_bytes(content)
        for _ in range(3):
            packed = client.get(f"{BASE}/index.js", headers={"Accept-Encoding": "gzip"})
            assert packed.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(packed.data) == content
            plain = client.get(f"{BASE}/index.js")
            assert "Content-Encoding" not in plain.headers
            assert plain.data == content
    assert len(packed_files) == 2


def test_a_loader_that_cannot_load_lets_tensorboard_go_on():
    loader = OptimizerHealthLoader()
    loader.fix_flags(object())
    assert loader.load(None) is None


def test_windows_and_levels_of_detail_are_answered(tmp_path, open_logdir):
    values = np.random.default_rng(0).normal(size=(1000, len(LAYERS))).astype(np.float32)
    values[500, 2], values[700, 1] = 1e6, np.nan
    write_run(tmp_path / "a", range(10, 10_001, 10), {"u_mean": values})
    client = open_logdir(tmp_path)
    steps, window = get_table(client, "statistic", run="a", name="u_mean", first=95, last=200)
    np.testing.assert_array_equal(steps, np.arange(100, 201, 10))
    np.testing.assert_array_equal(window, values[9:20])
    row = get_reduced(client, "statistic", run="a", name="u_mean", pixels=100)
    assert (row.per, len(row.first), row.mean) == (16, 63, None)
    assert (row.first[0], row.last[0], row.first[1], row.last[-1]) == (10, 160, 170, 10_000)
    np.testing.assert_array_equal(row.high[500 // 16], values[496:512].max(axis=0))
    np.testing.assert_array_equal(row.low[500 // 16], values[496:512].min(axis=0))
    assert np.argwhere(row.marks).tolist() == [[700 // 16, 1]]
    assert row.marks.max() == 1
    layer = get_reduced(client, "layer", run="a", name="dense_2/kernel", per=512)
    at = list(read_runs(tmp_path)["a"].statistics).index("u_mean")
    assert layer.high[0, at] == values[:512, 2].max()
    assert layer.mean[0, at] == pytest.approx(values[:512, 2].mean(dtype=float))
    loss = get_reduced(client, "statistic", run="a", name="loss", pixels=1)
    assert (loss.high[0, 0], loss.low[0, 0]) == (2.0, np.float32(0.1))
    tail = get_reduced(client, "statistic", run="a", name="u_mean", per=16, first=row.first[-1])
    np.testing.assert_array_equal(tail.high, row.high[-1:])


def test_a_later_answer_has_only_what_changed(tmp_path, open_logdir):
    write_run(tmp_path / "a", [1, 2])
    writer = EventWriter(str(tmp_path / "live"), table())
    writer.write(np.arange(1, 11), healthy_stats(range(10)), {"loss": np.ones(10)})
    writer.flush()
    client = open_logdir(tmp_path, reload_interval=1)
    first = get_json(client, "runs")
    assert first["names"] == ["a", "live"]
    assert (first["loading"], first["reload_interval_s"]) == (None, 1.0)
    assert all("layers" in run for run in first["runs"])
    again = get_json(client, f"runs?since={first['revision']}")
    assert (again["runs"], again["revision"]) == ([], first["revision"])
    writer.write(np.arange(11, 31), healthy_stats(range(20)), {"loss": np.ones(20)})
    writer.close()
    later = wait_for(client, first["revision"], lambda run: run["judged_step"] == 30)
    assert later["names"] == ["a", "live"]
    (run,) = later["runs"]
    before = first["runs"][1]["generation"]
    assert (run["name"], run["records"], run["generation"]) == ("live", 30, before)
    assert "layers" not in run
    write_run(tmp_path / "live", [6, 7], layers=(*LAYERS, ("head/kernel", (3, 2))))
    latest = wait_for(client, later["revision"], lambda run: run["judged_step"] == 7)
    (run,) = latest["runs"]
    assert run["generation"] > before
    assert len(run["layers"]) == 5
    unknown = get_json(client, "runs?since=another-7")
    assert [run["name"] for run in unknown["runs"]] == ["a", "live"]


def noisy(count, layers):
    """Statistics of which none is the same number throughout, which would take no memory."""
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(1, 2, values.shape).astype(np.float32)
        for name, values in healthy_stats(range(count), layers).items()
    }


def test_beyond_the_memory_limit_older_steps_are_summaries_that_hide_nothing(tmp_path, open_logdir):
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(60))
    stats = noisy(2000, layers)
    norms = stats["gradient_norm"]
    norms[37, 5], norms[38, 6] = 1e9, np.inf
    write_run(tmp_path / "large", range(1, 2001), stats, layers=layers)
    write_run(tmp_path / "small", range(1, 101))
    client = open_logdir(tmp_path, "--optimizer_health_memory=4MB")
    large, small = get_json(client, "runs")["runs"]
    assert (small["summarized_until"], large["records"]) == (None, 2000)
    assert 1000 < large["summarized_until"] < 2000
    assert any("--optimizer_health_memory=4MB" in note for note in large["notes"])
    row = get_reduced(client, "statistic", run="large", name="gradient_norm")
    assert row.per == 1
    assert row.last[-1] - row.first[-1] == 0  # the latest records are whole
    spiked = (row.first <= 38) & (row.last >= 38)
    assert row.high[spiked, 5] == np.float32(1e9)
    assert row.marks[(row.first <= 39) & (row.last >= 39), 6] == 2
    coarse = get_reduced(client, "statistic", run="large", name="gradient_norm", pixels=10)
    assert len(coarse.first) <= 10
    assert coarse.high[:, 5].max() == np.float32(1e9)
    recent = get_table(client, "statistic", run="large", name="gradient_norm", first=1999)
    np.testing.assert_array_equal(recent[1], norms[1998:])
    refused = client.get(f"{BASE}/export?run=large&format=csv")
    assert refused.status_code == 409
    assert "adamax-tb export" in refused.json["error"]


def test_summaries_keep_the_loss_curve_and_when_a_run_began(tmp_path, open_logdir):
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(60))
    loss = np.linspace(2, 1, 2000)
    loss[37], loss[38] = 1e9, np.inf
    writer = EventWriter(str(tmp_path / "a"), table(layers))
    stats = noisy(2000, layers)
    for at in range(0, 2000, 10):
        part = slice(at, at + 10)
        numbers = {name: values[part] for name, values in stats.items()}
        steps = np.arange(at + 1, at + 11)
        writer.write(steps, numbers, {"loss": loss[part]}, wall_time=1e9 + at / 10)
    writer.close()
    (whole,) = get_json(open_logdir(tmp_path), "runs")["runs"]
    (rows,) = get_json(open_logdir(tmp_path, "--optimizer_health_memory=1MB"), "runs")["runs"]
    assert (whole["summarized_until"], rows["summarized_until"] > 1000) == (None, True)
    assert (rows["started"], rows["elapsed_s"]) == (1e9, 199.9 - 0.9)
    for curve in (rows["loss_curve"], whole["loss_curve"]):
        assert {len(values) for values in curve.values()} == {63}
        assert max(curve["high"]) == 1e9
        assert (curve["high"][1], curve["marks"][1], curve["high"][-1]) == (1e9, 2, 1.008)
    assert rows["loss_curve"]["low"] != whole["loss_curve"]["low"]  # coarser, yet as long


def test_runs_that_were_read_before_make_room_for_others(tmp_path, open_logdir):
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(60))
    for name in ("a", "b"):
        write_run(tmp_path / name, range(1, 2001), noisy(2000, layers), layers=layers)
    client = open_logdir(tmp_path, "--optimizer_health_memory=12MB")
    until = [run["summarized_until"] for run in get_json(client, "runs")["runs"]]
    assert None not in until


@pytest.mark.parametrize(
    ("text", "size"),
    [("400MB", 4e8), ("2GiB", 2**31), ("1.5 kb", 1500), ("7", 7), ("0", float("inf"))],
)
def test_memory_sizes_are_understood(text, size):
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "4XB", "1e9", "GB"])
def test_what_is_no_memory_size_is_refused_in_words(text):
    with pytest.raises(argparse.ArgumentTypeError, match="such as 400MB"):
        memory_size(text)


def test_an_export_is_what_the_command_writes(tmp_path, open_logdir):
    from adamax_tb.export import FORMATS

    write_run(tmp_path / "a b", range(1, 51))
    client = open_logdir(tmp_path)
    for name, form in FORMATS.items():
        answer = client.get(f"{BASE}/export", query_string={"run": "a b", "format": name})
        assert answer.status_code == 200
        assert (
            answer.headers["Content-Disposition"] == f'attachment; filename="a_b{form.extension}"'
        )
        assert answer.data == b"".join(form.chunks([read_runs(tmp_path)["a b"]]))
        assert client.head(f"{BASE}/export?run=a+b&format={name}").status_code == 200


class Elements(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, attribute):
        return [attrs[attribute] for _, attrs in self.found if attribute in attrs]


def test_a_run_whose_directory_is_no_utf8_is_known_by_what_a_browser_sends():
    runs = {os.fsdecode(b"caf\xe9"): 1, "caf\ufffd\ufffd": 2}
    assert _run_named("caf\ufffd", runs) == 1
    assert _run_named("caf\ufffd\ufffd", runs) == 2
    assert _run_named("caf", runs) is None


def test_every_rule_has_a_page_that_loads_and_runs_nothing(tmp_path, open_logdir, caplog):
    client = open_logdir(tmp_path)
    for rule in RULE_NAMES:
        answer = client.get(f"{BASE}/rule?name={rule}")
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert f"<title>{rule} · " in answer.text
        page = Elements(answer.text)
        assert not {"script", "img", "link", "iframe", "form"} & {tag for tag, _ in page.found}
        attributes = {name for _, attrs in page.found for name in attrs}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not page.of("src")
        links = page.of("href")
        assert links
        for link in links:
            inside = re.fullmatch(r"rule\?name=([a-z-]+)", link)
            assert link.startswith("https://") or inside[1] in RULE_NAMES
        assert next(attrs["role"] for tag, attrs in page.found if tag == "svg") == "img"
    assert "Content-Security-Policy" not in caplog.text  # TensorBoard looks at what plugins send


def test_the_page_of_a_rule_forbids_all_but_its_own_style_sheet(tmp_path, open_logdir):
    import base64
    import hashlib

    answer = open_logdir(tmp_path).get(f"{BASE}/rule?name=nonfinite")
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert rules.pop("style-src") == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_of_a_rule_keeps_its_theme_and_its_prefix(tmp_path, open_logdir):
    client = open_logdir(tmp_path, "--path_prefix=/tb")
    answer = client.get(f"/tb{BASE}/rule?name=nonfinite&theme=dark")
    assert answer.status_code == 200
    assert '<html lang="en" class="dark">' in answer.text
    inside = [a for a in Elements(answer.text).of("href") if not a.startswith("https://")]
    assert "rule?name=exploding-gradient&theme=dark" in inside
    assert all(a.startswith("rule?name=") and a.endswith("&theme=dark") for a in inside)
    assert 'class="any"' in client.get(f"/tb{BASE}/rule?name=nonfinite").text
    assert client.get(f"{BASE}/rule?name=nonfinite").status_code == 404


def test_the_page_of_a_rule_is_only_read(tmp_path, open_logdir):
    client = open_logdir(tmp_path)
    assert client.post(f"{BASE}/rule?name=nonfinite").status_code == 405
    head = client.head(f"{BASE}/rule?name=nonfinite")
    assert (head.status_code, head.mimetype, head.data) == (200, "text/html", b"")


def test_an_unknown_rule_is_answered_with_those_there_are(tmp_path, open_logdir):
    answer = open_logdir(tmp_path).get(f"{BASE}/rule?name=%3Cb%3E")
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    for rule in RULE_NAMES:
        assert rule in answer.json["error"]


def test_a_story_is_served_with_the_cause_first(tmp_path, open_logdir):
    steps = np.arange(1, 41)
    norms = np.ones((40, len(LAYERS)), np.float32)
    norms[20:30] = np.logspace(0, 8, 10)[:, np.newaxis]
    norms[30:] = np.nan
    counts = np.where(np.isnan(norms), 5, 0).astype(np.float32)
    loss = np.where(steps <= 20, 2 - steps / 40, np.where(steps <= 30, 1e3, np.nan))
    stats = {"gradient_norm": norms, "gradient_norm_peak": norms, "nonfinite": counts}
    write_run(tmp_path / "a", steps, stats, loss)
    (run,) = get_json(open_logdir(tmp_path), "runs")["runs"]
    (cause,) = run["findings"]
    assert cause["rule"] == "exploding-gradient"
    assert cause["reference"].partition("https://")[1]
    assert ["nonfinite", 31] in [[f["rule"], f["first_step"]] for f in cause["consequences"]]
