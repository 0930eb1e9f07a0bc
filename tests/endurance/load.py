"""The server under load: many open panels follow a run that is being written, beside many others, for a while.

    python tests/endurance/load.py [--minutes 10] [--browsers 20] [--runs 50] [--rate 100] [--memory SIZE]

A real `tensorboard` at its default flags serves a log directory of `--runs` runs, in which a process of its own
writes one through `EventWriter`, `--rate` records a second of 40 variables. Of the `--browsers` panels two are real,
in Chromium (`chromium` on PATH, or what CHROMIUM names): two cores have no room for twenty. The others are what
polling.py says: the same requests, at the same times; a third of them zooms now and then, a third has layers
selected. `--minutes` is how long records are written.

Prints a table at the end, behind a cross what misses its target, and leaves a picture of a real panel where it says.
Exit code 1 when a target was missed.

What is measured, and how:
- Requests: from sending one until all of its answer is there, by the client's clock, of each route, the opening of the
  panels included. They are opened when the server has read and judged what there is. The clients share the cores with
  the server.
- Memory: what is resident of all processes of the server, once a second, and the slope of a straight line through the
  last half of the time. The live run's records grow by right, until `--memory` (`--optimizer_health_memory`) is
  reached; without that limit the target is about what grows beside them, by the reader's own count.
- Lost updates: in the end every panel's tables of the live run are compared with `read_runs`: no gap from the first
  record to the last, and the largest number of each row to the bit. Meanwhile, how long ago a record had been flushed
  at most that a panel did not know of yet: the panel and the server look once every `--reload_interval` each, and
  `LATE_S` is for what they then do.
- The writer: whether it kept the rate, with nothing thinned.
"""

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import browsed
from large import Figure, table
from logdirs import HAS, LEARNING_RATE, Size, Training, write_run
from polling import Answer, Panel, Seen, Story, follow_all, habits
from served import Server, Table

import adamax_tb
from adamax_tb import schema
from adamax_tb.reader import LogDirReader
from adamax_tb.writer import EventWriter

LIVE = "live"
BLOCKS, STILL_RECORDS = 2, 1_000
REAL = 2
#: The writer hands records on so often, as the callback's drains do, and flushes so often.
BATCH_S, FLUSH_S = 0.1, 1.0
FLIGHT_S, FLIGHT_UPDATES = 60.0, 128
#: After the last record, everybody has so long to learn of it.
END_S = 30.0
# the targets
P99_MS = 200.0
SLOPE_MB_MIN = 1.0
#: Beyond the two intervals: reading, judging, and answering.
LATE_S = 2.0
#: Runs in each of Chromium's frames: notes of each request when it went out and when its answer was there.
NOTE = """(() => {
    window.asked = [];
    new PerformanceObserver(list => {
        for (const {name, requestStart, responseEnd, responseStatus} of list.getEntries())
            if (name.includes('/optimizer_health/'))
                window.asked.push([name, requestStart, responseEnd, responseStatus]);
    }).observe({type: 'resource', buffered: true});
})()"""


@dataclass(frozen=True)
class Load:
    """What the command line says."""

    minutes: float
    browsers: int
    runs: int
    rate: float
    memory: str | None
    logdir: Path


@dataclass
class Outcome:
    """What one run of all that came to.

    Attributes:
        memory: (seconds, bytes) of the server.
        stories: of the panels of polling.py.
        answers, errors, afresh: of all panels.
        shown: (seconds, step) that the first real panel told of the live run.
        flushed: (seconds, step) of the writer, after each flush.
        records, written_s: how many it wrote, and in what time.
        reload_s: how often the server looks.
        cpu_share: what the server's own process used of a core.
    """

    memory: list[tuple[float, float]] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    afresh: int = 0
    shown: list[tuple[float, int]] = field(default_factory=list)
    flushed: list[tuple[float, int]] = field(default_factory=list)
    records: int = 0
    written_s: float = 0.0
    reload_s: float = 5.0
    cpu_share: float = 0.0


def make_runs(load: Load) -> None:
    """Writes the runs that stand still, all but one."""
    size = Size(load.runs, BLOCKS, STILL_RECORDS)
    for seed in range(load.runs - 1):
        write_run(load.logdir / f"run_{seed:02d}", size, seed)
        if seed % 10 == 9 or seed == load.runs - 2:
            print(f"\r{seed + 1} of {load.runs - 1} runs written", end="", flush=True)
    print()


def write_live(logdir: str, rate: float, seconds: float, results: Any, newest: Any) -> None:
    """Writes the live run, in a process of its own: `rate` records a second for `seconds`.

    Args:
        logdir: where its directory is made.
        rate, seconds: as above.
        results: a queue that gets (flushed, records, written_s) at the end.
        newest: a shared number: the newest step that was flushed; negative when it is the last.
    """
    total = max(1, int(rate * seconds))
    # ten times as many records as there will be: what the generator hides lies behind the end
    size = Size(2, BLOCKS, 13 * total)
    training = Training.seeded(size, 1_000)
    layers = [schema.Layer(name=n, shape=shape, dtype="float32") for n, shape in size.layers]
    writer = EventWriter(
        str(Path(logdir) / LIVE),
        schema.LayerTable(
            version=schema.VERSION,
            layers=layers,
            statistics=schema.recorded_statistics(HAS),
            step_statistics=schema.STEP_STATS,
            optimizer="AdaMax",
            hyperparameters={"learning_rate": LEARNING_RATE, "beta_1": 0.9, "beta_2": 0.999},
            every=1,
        ),
    )
    flushed, written, began = [], 0, time.monotonic()
    flush_at, fly_at = began + FLUSH_S, began + FLIGHT_S
    while written < total:
        due = min(total, int(rate * (time.monotonic() - began)) + 1)
        if due > written:
            records = np.arange(written, due)
            writer.write(records + 1, training.stats(records), training.step_stats(records))
            written = due
        now = time.monotonic()
        if now >= fly_at and written > FLIGHT_UPDATES:
            fly(writer, written, training)
            fly_at += FLIGHT_S
        if now >= flush_at:
            writer.flush()
            flushed.append((time.monotonic(), written))
            newest.value = written
            flush_at += FLUSH_S
        time.sleep(BATCH_S)
    writer.close()
    flushed.append((time.monotonic(), written))
    newest.value = -written
    results.put((flushed, written, time.monotonic() - began))


def fly(writer: EventWriter, newest: int, training: Training) -> None:
    """Writes a flight record, of the last updates: as if a rule had found something critical."""
    steps = np.arange(newest - FLIGHT_UPDATES, newest) + 1
    reason = schema.FLIGHT_REASONS.index("critical finding")
    numbers = {"loss": np.ones(len(steps)), "reason": np.full(len(steps), reason)}
    writer.write_flight(steps, np.exp(np.tile(training.level, (len(steps), 1))), numbers)


def follow(address: str, count: int, seconds: float, results: Any) -> None:
    """Has `count` panels of polling.py follow the live run for `seconds`, in a process of their own."""
    panels = [
        Panel(address, LIVE, habit, random.Random(i)) for i, habit in enumerate(habits(count))
    ]
    asyncio.run(follow_all(panels, time.monotonic() + seconds))
    results.put([panel.story for panel in panels])


def run(load: Load) -> Outcome:
    """Has it all run; returns what came of it."""
    outcome = Outcome()
    spawn = multiprocessing.get_context("spawn")
    newest = spawn.Value("q", 0)
    seconds = 60 * load.minutes
    flags = [] if load.memory is None else [f"--optimizer_health_memory={load.memory}"]
    written, followed = spawn.Queue(), spawn.Queue()
    arguments = str(load.logdir), load.rate, seconds, written, newest
    writer = spawn.Process(target=write_live, args=arguments)
    with Server(load.logdir, "rustboard", *flags) as server:
        writer.start()
        server.wait(lambda: loaded(server, load.runs), every_s=0.5)
        panels = max(0, load.browsers - REAL)
        ends = seconds - (time.monotonic() - server.started - server.up_s) + END_S
        clients = spawn.Process(target=follow, args=(server.address, panels, ends, followed))
        clients.start()
        stopped = threading.Event()
        watching = threading.Thread(target=watch, args=(server, outcome, newest, stopped))
        watching.start()
        try:
            look(server.address, min(REAL, load.browsers), ends, outcome)
            outcome.flushed, outcome.records, outcome.written_s = written.get(timeout=END_S)
            outcome.stories = followed.get(timeout=4 * END_S)
            outcome.reload_s = server.runs()["reload_interval_s"]
        finally:
            stopped.set()
            watching.join()
            for process in (writer, clients):
                process.join(END_S)
                process.kill()
    for story in outcome.stories:
        outcome.answers += story.answers
        outcome.errors += story.errors
        outcome.afresh += story.afresh
    return outcome


def loaded(server: Server, runs: int) -> bool:
    """Tells whether the server has read and judged all runs, the live one among them."""
    answer = server.runs(wait_s=0)
    judged = [run["verdict"] is not None for run in answer["runs"]]
    return answer["loading"] is None and len(judged) == runs and all(judged)


def watch(server: Server, outcome: Outcome, newest: Any, stopped: threading.Event) -> None:
    """Notes the server's memory once a second, and says how things go."""
    began = told = time.monotonic()
    process = psutil.Process(server._process.pid)
    cpu = cpu_s(process)
    while not stopped.wait(1.0):
        now = time.monotonic()
        outcome.memory.append((now, server.memory_bytes()))
        outcome.cpu_share = (cpu_s(process) - cpu) / (now - began)
        if now - told >= 10:
            told = now
            print(
                f"{now - began:5.0f} s: {abs(newest.value):,} records flushed, the server holds "
                f"{outcome.memory[-1][1] / 1e6:,.0f} MB and takes {outcome.cpu_share:.0%} of a core",
                flush=True,
            )


def cpu_s(process: psutil.Process) -> float:
    """Returns the seconds of a core that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def look(address: str, count: int, seconds: float, outcome: Outcome) -> None:
    """Has `count` real panels follow the live run for `seconds`, and takes a picture of the first at the end."""
    until = time.monotonic() + seconds
    if count == 0:
        time.sleep(seconds)
        return
    with browsed.browser() as chromium:
        frames = [opened(chromium, address, outcome) for _ in range(count)]
        page = frames[0].page
        cell = f'tr[data-run="{LIVE}"] .col-steps'
        while time.monotonic() < until:
            page.wait_for_timeout(1_000)
            words = frames[0].text_content(cell) or ""
            step = int("".join(filter(str.isdigit, words.partition("step")[0])) or 0)
            outcome.shown.append((time.monotonic(), step))
            for frame in frames:
                for name, start, end, status in frame.evaluate("window.asked.splice(0)"):
                    route = name.partition("?")[0].rpartition("/")[2]
                    outcome.answers.append(Answer(route, start / 1e3, (end - start) / 1e3))
                    if status != 200:
                        outcome.errors.append(f"Chromium: {name}: {status}")
        page.screenshot(path=picture())


def opened(chromium: Any, address: str, outcome: Outcome) -> Any:
    """Opens the tab and selects the live run; returns the plugin's frame."""
    page = chromium.new_context(viewport=browsed.VIEWPORT).new_page()
    page.add_init_script(NOTE)
    page.on("pageerror", lambda error: outcome.errors.append(f"Chromium: {error}"))
    page.goto(f"{address}/#optimizer_health", wait_until="commit")
    element = page.wait_for_selector("iframe", state="attached", timeout=60_000)
    frame = element.content_frame()
    frame.wait_for_selector(f"{browsed.HEATMAP}[data-drawn=true]", timeout=60_000)
    frame.check(f'tr[data-run="{LIVE}"] input[type=radio]')
    frame.wait_for_selector(f'{browsed.HEATMAP}[data-drawn=true][data-run="{LIVE}"]')
    return frame


def picture() -> Path:
    """Returns where the picture of the panel is left."""
    return Path(tempfile.gettempdir()) / "adamax-tb-load.png"


def requests(outcome: Outcome) -> Iterator[Figure]:
    """Says how long answers took."""
    by_route = defaultdict(list)
    for answer in outcome.answers:
        by_route[answer.route].append(1e3 * answer.taken)
    for route in sorted(by_route):
        taken = by_route[route]
        middle, late, last = np.percentile(taken, (50, 95, 99))
        text = f"{middle:.0f} / {late:.0f} / {last:.0f} / {max(taken):.0f} ms of {len(taken):,}"
        name = f"`{route}`, p50 / p95 / p99 (≤ {P99_MS:.0f} ms) / max"
        yield Figure(name, text, bool(last > P99_MS))
    first = "; ".join(outcome.errors[:3])
    yield Figure("requests that failed", f"{len(outcome.errors)} {first}", bool(outcome.errors))
    yield Figure("tables asked for afresh, as detail had become summaries", f"{outcome.afresh}")
    yield Figure("the server's own process", f"{outcome.cpu_share:.0%} of a core")


def memory(load: Load, outcome: Outcome) -> Iterator[Figure]:
    """Says how the server's memory grew over the last half."""
    end = outcome.flushed[-1][0]
    half = end - outcome.written_s / 2
    seconds, held = np.array([m for m in outcome.memory if half <= m[0] <= end]).T
    slope = 60 * np.polyfit(seconds - seconds[0], held / 1e6, 1)[0]
    own = 60 * load.rate * record_bytes(load) / 1e6
    yield Figure("memory, at half and at the end", f"{held[0] / 1e6:.0f}, {held[-1] / 1e6:.0f} MB")
    limited = load.memory is not None
    target = f" (< {SLOPE_MB_MIN:g} MB/min)"
    yield Figure(
        f"its slope over the last half{target * limited}",
        f"{slope:+.2f} MB/min",
        bool(limited and slope >= SLOPE_MB_MIN),
    )
    if not limited:
        beside = slope - own
        yield Figure("… what the live run's records take", f"{own:.2f} MB/min")
        yield Figure(
            f"… beside them{target}", f"{beside:+.2f} MB/min", bool(beside >= SLOPE_MB_MIN)
        )


def record_bytes(load: Load) -> float:
    """Returns what a record of the live run takes in memory, by the reader's own count."""
    reader = LogDirReader({str(load.logdir / LIVE): None})
    for _ in reader.read():
        pass
    (source,) = reader.sources.values()
    return source.assembly.size_bytes / sum(block.records for block in source.assembly.blocks())


def updates(load: Load, outcome: Outcome) -> Iterator[Figure]:
    """Says whether every record came to every panel, and how late."""
    live = adamax_tb.read_runs(load.logdir)[LIVE]
    rate = outcome.records / outcome.written_s
    thinned = int(np.nansum(live.step_stat("thinned")))
    complete = len(live.steps) == outcome.records and thinned == 0
    text = f"{outcome.records:,}, {rate:.1f} a second; {thinned} thinned"
    yield Figure("records written", text, not complete or rate < 0.98 * load.rate)
    behind = [story.last_step for story in outcome.stories if story.last_step != outcome.records]
    shown = outcome.shown[-1][1] if outcome.shown else outcome.records
    late = len(behind) + (shown != outcome.records)
    yield Figure("panels that lack the last record at the end", f"{late}", late > 0)
    wrong = [w for story in outcome.stories for w in differences(story, live)]
    count = sum(s.run == LIVE for story in outcome.stories for s in story.tables)
    text = f"{len(wrong)} of {count}" + "".join(f"; {w}" for w in wrong[:3])
    yield Figure("tables that differ from the files", text, bool(wrong))
    limit = outcome.reload_s + outcome.reload_s + LATE_S
    for source, seen in sources(outcome).items():
        lags = [lag for series in seen for lag in lags_of(series, outcome.flushed)]
        if lags:
            middle, last = np.percentile(lags, (50, 99))
            name = f"oldest flushed record unknown to {source}, p50 / p99 / max (≤ {limit:g} s)"
            text = f"{middle:.1f} / {last:.1f} / {max(lags):.1f} s of {len(lags):,}"
            yield Figure(name, text, max(lags) > limit)


def sources(outcome: Outcome) -> Mapping[str, list[list[Seen]]]:
    """Returns, of each kind of place that tells of the live run, the series of each panel."""
    kinds: dict[str, list[list[Seen]]] = {"`runs`": [], "`statistic`": [], "`layer`": []}
    for story in outcome.stories:
        by_source = defaultdict(list)
        for seen in story.seen:
            by_source[seen.source].append(seen)
        for source, series in by_source.items():
            kinds[f"`{source.partition('?')[0]}`"].append(series)
    kinds["the page in Chromium"] = [[Seen("page", at, step) for at, step in outcome.shown]]
    return kinds


def lags_of(series: Sequence[Seen], flushed: Sequence[tuple[float, int]]) -> Iterator[float]:
    """Yields, each time that a source told something, how old the oldest record was that it had not told of before."""
    times, steps = np.array(flushed).T
    for before, now in itertools.pairwise(series):
        at = int(np.searchsorted(steps, before.step, side="right"))
        if at < len(times) and times[at] < now.at:
            yield float(now.at - times[at])


def differences(story: Story, live: adamax_tb.schema.Run) -> Iterator[str]:
    """Yields what of a panel's tables of the live run is not as in the files."""
    for source, held in story.tables.items():
        if source.run != LIVE or source.pixels is None:
            continue
        if source.route == "layer":
            at = live.layers.index(source.name)
            values = np.stack([live.stat(name)[:, at] for name in live.statistics], axis=1)
        elif source.name in schema.STEP_STATS:
            values = live.step_stat(source.name)[:, np.newaxis]
        else:
            values = live.stat(source.name)
        wrong = difference(held.table, live.steps, values)
        if wrong:
            yield f"{source.key}: {wrong}"


def difference(held: Table, steps: np.ndarray, values: np.ndarray) -> str:
    """Returns in words how a table differs from a run's records, "" if it has them all and their largest numbers."""
    first, last = np.searchsorted(steps, held.first), np.searchsorted(steps, held.last)
    if first[0] != 0 or last[-1] != len(steps) - 1:
        return f"it has records {first[0]} to {last[-1]} of {len(steps)}"
    there = np.array_equal(steps[first], held.first) and np.array_equal(steps[last], held.last)
    if not there or not np.array_equal(first[1:], last[:-1] + 1):
        return "its rows leave gaps, or overlap"
    largest = np.maximum.reduceat(values, first, axis=0)
    same = largest.view(np.uint32) == held.high.view(np.uint32)
    known = schema.recorded(largest) | schema.recorded(held.high)  # any NaN will do
    return "" if np.all(same | ~known) else f"{np.sum(~same & known)} numbers differ"


def measure(load: Load) -> bool:
    """Measures, prints the table, and returns whether all targets were met."""
    make_runs(load)
    outcome = run(load)
    figures = [*requests(outcome), *memory(load, outcome), *updates(load, outcome)]
    title = (
        f"{load.browsers} panels, {load.runs} runs, {load.rate:g} records/s, {load.minutes:g} min"
    )
    print(f"\n{table({title: {figure.name: figure for figure in figures}})}\n")
    print(f"The first of the real panels, at the end: {picture()}")
    return not any(figure.missed for figure in figures)


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--memory", help="--optimizer_health_memory of the server, such as 200MB")
    options = parser.parse_args()
    logdir = Path(tempfile.mkdtemp(prefix="load-"))
    try:
        met = measure(Load(logdir=logdir, **vars(options)))
    finally:
        shutil.rmtree(logdir, ignore_errors=True)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
