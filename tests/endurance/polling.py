"""What an open panel asks the server for, without a browser: what load.py has many of.

It asks as tb_plugin/frontend/src does (poll.ts, sources.ts, levels.ts): which routes, with which parameters, when,
how many at a time, gzip-encoded; a table that has grown is continued from its last row. It draws nothing.
"""

import asyncio
import gzip
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import numpy as np
from served import ROUTES, Table

#: What a browser opens to a server at a time.
CONNECTIONS = 6
SHOWN = 7
MAP_PIXELS, CURVE_PIXELS, MOST_PIXELS = 1024, 512, 2048
#: A table of so many times the rows wanted is fetched anew.
CROWDED = 2
SOON_S = 1.0
REST_S = 0.08
PATIENCE_S = 60.0
#: How long a browser keeps a connection that nothing goes over.
KEPT_S = 300
#: How long a window is looked at, and how long all of the run in between.
LOOK_S = (10.0, 30.0)


@dataclass(frozen=True)
class Answer:
    """One request: its route, when it went out and how long it took until all of the answer was there, in seconds."""

    route: str
    at: float
    taken: float


@dataclass(frozen=True)
class Seen:
    """From when on a panel knew of a run's records up to a step, by its list of runs or by a table."""

    source: str
    at: float
    step: float


@dataclass(frozen=True)
class Source:
    """Where a table comes from, and how many rows of it are wanted; None where it is only there as a whole."""

    run: str
    route: str
    name: str
    pixels: int | None

    @property
    def key(self) -> str:
        """The beginning of its address."""
        query = {"run": self.run, **({"name": self.name} if self.name else {})}
        return f"{self.route}?{urlencode(query)}"


@dataclass(frozen=True)
class Held:
    """A table, and what it was asked for: of which version and how many records, and of which window."""

    table: Table
    version: tuple[Any, ...]
    records: int
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class Habit:
    """What somebody does with a panel.

    Attributes:
        layers: how many layers are selected: each has a table of all statistics for each run shown.
        zooms: whether now and then a window is looked at.
        delay_s: how long after the others the panel is opened.
    """

    layers: int = 0
    zooms: bool = False
    delay_s: float = 0.0


@dataclass
class Story:
    """What became of a panel.

    Attributes:
        answers, seen, errors: what came of all that it asked.
        afresh: how many answers began elsewhere than what was held ended: detail had become summaries meanwhile.
        tables: what it holds of whole runs.
        last_step: the newest step of the watched run that its list of runs told of.
    """

    answers: list[Answer] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    afresh: int = 0
    tables: dict[Source, Held] = field(default_factory=dict)
    last_step: int = 0


@dataclass
class Panel:
    """One open panel, which looks at the run `watched`."""

    address: str
    watched: str
    habit: Habit
    random: random.Random
    story: Story = field(default_factory=Story)
    _details: dict[Source, Held] = field(default_factory=dict)
    _runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _window: tuple[int, int] | None = None
    _look_until: float = 0.0

    async def follow(self, until: float) -> None:
        """Opens the panel and follows until `until`, by `time.monotonic`."""
        await asyncio.sleep(self.habit.delay_s)
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEPT_S)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        self._slots = asyncio.Semaphore(CONNECTIONS)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as self._session:
            await asyncio.gather(self._get("index.js"), self._get("index.css"))
            since: dict[str, str] = {}
            while time.monotonic() < until:
                body = await self._get("runs?" + urlencode({**since, "wait_s": 0.3}))
                delay = SOON_S
                if body is not None:
                    answer = json.loads(body)
                    since = {"since": answer["revision"]}
                    self._take(answer)
                    delay = answer["reload_interval_s"]
                    pending = any(run["verdict"] is None for run in self._runs.values())
                    if answer["loading"] is not None or pending:
                        delay = SOON_S
                asked = asyncio.create_task(self._fetch())
                await asyncio.sleep(min(delay, max(0.0, until - time.monotonic())))
                await asked

    async def _get(self, address: str) -> bytes | None:
        """Returns what a route answers, None if it answers no success, which is an error."""
        route = address.partition("?")[0]
        async with self._slots:
            at = time.monotonic()
            try:
                async with self._session.get(
                    self.address + ROUTES + address, headers={"Accept-Encoding": "gzip"}
                ) as response:
                    body = await response.read()
                    packed = response.headers.get("Content-Encoding") == "gzip"
                    status = response.status
            except (aiohttp.ClientError, TimeoutError) as error:
                self.story.errors.append(f"{address}: {error!r}")
                return None
            self.story.answers.append(Answer(route, at, time.monotonic() - at))
        if status != 200:
            self.story.errors.append(f"{address}: {status} {body[:200]!r}")
            return None
        return gzip.decompress(body) if packed else body

    def _take(self, answer: Mapping[str, Any]) -> None:
        """Puts what changed into the list of runs."""
        for run in answer["runs"]:
            before = self._runs.get(run["name"])
            if "layers" not in run:
                if before is None:
                    self.story.errors.append(f"runs: layers of {run['name']} are missing")
                    continue
                run = run | {"layers": before["layers"], "origin": before["origin"]}
            else:
                run = run | {"origin": answer["revision"]}
            self._runs[run["name"]] = run
        self._runs = {name: self._runs[name] for name in answer["names"] if name in self._runs}
        if self.watched in self._runs:
            self.story.last_step = self._runs[self.watched]["last_step"]
            self.story.seen.append(Seen("runs", time.monotonic(), self.story.last_step))

    def _sources(self) -> Iterator[Source]:
        """Yields the tables that are on the page."""
        run = self._runs[self.watched]
        for name in ("gradient_norm", "gradient_norm_peak"):
            yield Source(self.watched, "statistic", name, MAP_PIXELS)
        shown = [name for name in self._runs if name != self.watched][: SHOWN - 1]
        for name in (self.watched, *shown):
            for statistic in ("loss", "learning_rate"):
                yield Source(name, "statistic", statistic, CURVE_PIXELS)
            layers = {layer["name"] for layer in self._runs[name]["layers"]}
            for layer in run["layers"][: self.habit.layers]:
                if layer["name"] in layers:
                    yield Source(name, "layer", layer["name"], CURVE_PIXELS)
        if run["flight"] is not None:
            yield Source(self.watched, "flight", "", None)

    async def _fetch(self) -> None:
        """Asks for what the page lacks: of the whole runs at once, of a window when that has rested."""
        if self.watched not in self._runs:
            return
        sources = list(self._sources())
        await asyncio.gather(*map(self._fetch_whole, sources))
        self._move()
        if self._window is not None:
            await asyncio.sleep(REST_S)
            await asyncio.gather(*map(self._fetch_detail, sources))

    async def _fetch_whole(self, source: Source) -> None:
        run, held = self._runs[source.run], self.story.tables.get(source)
        version = run["origin"], run["generation"]
        if source.pixels is None:
            version = (*version, *run["flight"].values())
        part, continues = asked_of_whole(source, held, version, run["records"])
        if part is not None:
            await self._fetch_table(self.story.tables, source, version, part, continues, None)

    async def _fetch_detail(self, source: Source) -> None:
        run, whole = self._runs[source.run], self.story.tables.get(source)
        assert self._window is not None
        version = run["origin"], run["generation"]
        first, last = self._window
        more = -(-(last - first + 1) // 2)
        first, last = max(1, first - more), last + more
        if source.pixels is None or whole is None or whole.version != version:
            return
        pixels = min(MOST_PIXELS, 2 * source.pixels)
        rows = whole.table.row(last) - whole.table.row(first) + 1
        if whole.table.per <= 1 or 2 * rows > pixels:
            return
        held = self._details.get(source)
        if held is None or held.version != version or held.window != (first, last):
            part = {"first": first, "last": last, "pixels": pixels}
            await self._fetch_table(
                self._details, source, version, part, False, window=(first, last)
            )
        elif held.records != run["records"] and held.table.last[-1] < min(last, run["last_step"]):
            part = tail_of(held.table) | {"last": last}
            await self._fetch_table(
                self._details, source, version, part, True, window=(first, last)
            )

    async def _fetch_table(
        self,
        shelf: dict[Source, Held],
        source: Source,
        version: tuple[Any, ...],
        part: Mapping[str, int],
        continues: bool,
        window: tuple[float, float] | None,
    ) -> None:
        records = self._runs[source.run]["records"]
        parameters = "".join(f"&{name}={value}" for name, value in part.items())
        body = await self._get(source.key + parameters)
        if body is None:
            return
        table = Table.decoded(body)
        if continues:
            joined = continued(shelf[source].table, table)
            if joined is None:  # the panel drops what it holds, and asks for all of it
                self.story.afresh += 1
                del shelf[source]
                return
            table = joined
        shelf[source] = Held(table, version, records, window)
        if shelf is self.story.tables and source.run == self.watched and source.pixels is not None:
            self.story.seen.append(Seen(source.key, time.monotonic(), float(table.last[-1])))

    def _move(self) -> None:
        """Looks at another window now and then, half of the time at the newest steps."""
        now = time.monotonic()
        if not self.habit.zooms or now < self._look_until:
            return
        self._look_until = now + self.random.uniform(*LOOK_S)
        self._details.clear()
        if self._window is not None:
            self._window = None
            return
        width = max(1, int(self.story.last_step * self.random.uniform(0.02, 0.2)))
        newest = self.random.random() < 0.5
        start = (
            self.story.last_step - width if newest else self.random.randrange(self.story.last_step)
        )
        self._window = max(1, start), max(1, start) + width


def asked_of_whole(
    source: Source, held: Held | None, version: tuple[Any, ...], records: int
) -> tuple[dict[str, int] | None, bool]:
    """Returns what of a table to ask for, None if nothing, and whether the answer continues what is held."""
    anew = {} if source.pixels is None else {"pixels": source.pixels}
    if held is None or held.version != version:
        return anew, False
    if source.pixels is None or held.records == records:
        return None, False
    rows = len(held.table.last)
    more = (records - held.records) / max(1, held.table.per)
    if rows == 0 or rows + more > CROWDED * source.pixels:
        return anew, False
    return tail_of(held.table), True


def tail_of(table: Table) -> dict[str, int]:
    """Returns what asks for a table from its last row on, which may stand for more records since."""
    return {"first": int(table.first[-1])} | ({"per": table.per} if table.per else {})


def continued(table: Table, tail: Table) -> Table | None:
    """Returns a table with `tail` in the place of its last row; None where they do not belong together."""
    if table.per != tail.per or not len(tail.first) or tail.first[0] != table.first[-1]:
        return None
    pairs = [(table.first, tail.first), (table.last, tail.last), (table.high, tail.high)]
    return Table(table.per, *(np.concatenate([one[:-1], other]) for one, other in pairs), None)


def habits(count: int) -> list[Habit]:
    """Returns what `count` people do: every third zooms, every third has layers selected, opened over 10 s."""
    return [
        Habit(layers=2 if i % 3 == 1 else 0, zooms=i % 3 == 2, delay_s=10 * i / max(1, count))
        for i in range(count)
    ]


async def follow_all(panels: Sequence[Panel], until: float) -> None:
    """Has all panels follow until `until`."""
    await asyncio.gather(*(panel.follow(until) for panel in panels))
