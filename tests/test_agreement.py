"""Processes that end together: each a thread here, that makes no update before all others come to it."""

import random
import threading
import time

import pytest
from test_replicas import Gone, Texts, drained, processes

from adamax_tb import agreement
from adamax_tb.agreement import Agreement

#: Of a training that nobody ends, and of one that is to be ended long before.
UPDATES, MANY = 250, 5000


class Job:
    """Threads that train together; each update waits for all, as a reduction does.

    Args:
        stores: of each process, what it sees of the store.
        lag: (process, update) → seconds that it takes between the update and its question.
    """

    def __init__(self, *stores, lag=None, seed=0):
        self.agreements = [
            Agreement(store, "0/adam", len(stores), i) for i, store in enumerate(stores)
        ]
        self.ended = []
        self._lag = lag or {}
        self._together = threading.Barrier(len(stores))
        self._random = random.Random(seed)

    def train(self, wanted_at, updates=MANY):
        """Returns after which update each ended; the chief wants an end from `wanted_at` on."""
        self.ended = [None] * len(self.agreements)
        threads = [
            threading.Thread(target=self._one, args=(i, wanted_at, updates), daemon=True)
            for i in range(len(self.ended))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return self.ended

    def _one(self, index, wanted_at, updates):
        agreed = self.agreements[index]
        agreed.begin()
        made = 0
        while made < updates:
            self._together.wait(30)  # a process that ended alone breaks it
            made += 1
            time.sleep(self._lag.get((index, made), self._random.uniform(0, 0.002)))
            if agreed.ends(index == 0 and made >= wanted_at, lambda: made):  # noqa: B023
                break
        self.ended[index] = made


@pytest.fixture
def attentive(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.02)
    monkeypatch.setattr(agreement, "RETRY_S", 0.0)


def named_in(store):
    """The updates that the chief names in `store`, in a list that grows."""
    named, put = [], store.put

    def taken_down(key, value):
        if key.endswith("/end") and value != "0":
            named.append(int(value))
        put(key, value)

    store.put = taken_down
    return named


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_all_end_at_the_same_update(count, seed, attentive):
    ended = Job(*[Texts()] * count, seed=seed).train(wanted_at=50)
    assert len({*ended}) == 1
    assert 50 < ended[0] < MANY


def test_who_hears_of_it_too_late_is_waited_for_and_the_next_update_is_further_away(
    attentive, monkeypatch
):
    monkeypatch.setattr(agreement, "ANSWER_S", 0.005)
    store = Texts()
    named = named_in(store)
    job = Job(store, store)
    listen = job.agreements[1]._listen
    job.agreements[1]._listen = lambda made: listen(made) if made() > 170 else None
    assert job.train(wanted_at=20) == [named[-1]] * 2
    assert len(named) > 1
    assert named[-1] - named[-2] > named[1] - named[0] or len(named) == 2


@pytest.mark.parametrize("slow", [0, 1])
def test_a_process_that_is_slow_to_ask_ends_with_the_others(slow, attentive, monkeypatch):
    """The others wait for its word, or it for theirs, which is still there when they have left."""
    monkeypatch.setattr(agreement, "WORD_S", 0.1)
    lag = {(slow, update): 0.3 for update in range(50, 80)}
    ended = Job(*[Texts()] * 2, lag=lag).train(wanted_at=50)
    assert ended[0] == ended[1] < MANY


class Flaky(Texts):
    """A view of the store `whole`, in which the first `times` questions for keys of `depth` fail."""

    def __init__(self, whole, depth, times):
        super().__init__()
        self.whole, self.depth, self.times = whole, depth, times

    def get(self, key, wait_s=0.0):
        if key.count("/") == self.depth and not key.endswith("/end") and self.times:
            self.times -= 1
            raise ConnectionError
        return self.whole.get(key, wait_s)

    def put(self, key, value):
        self.whole.put(key, value)


@pytest.mark.parametrize(("process", "depth"), [(0, 6), (1, 5)])
def test_a_question_that_fails_ends_nobody_alone(process, depth, attentive):
    """The chief's, whether the other has heard; the other's, for the chief's word."""
    store = Texts()
    stores = [store, store]
    stores[process] = Flaky(store, depth, times=3)
    ended = Job(*stores).train(wanted_at=50)
    assert ended[0] == ended[1] < MANY
    assert stores[process].times == 0


class Forgetful(Texts):
    """A view of the store `whole`, in which what is put for keys that end in `end` is there, and yet an error."""

    def __init__(self, whole, end):
        super().__init__()
        self.whole, self.end = whole, end

    def get(self, key, wait_s=0.0):
        return self.whole.get(key, wait_s)

    def put(self, key, value):
        self.whole.put(key, value)
        if key.endswith(self.end) and value != "0":
            raise ConnectionError


@pytest.mark.parametrize(("process", "end"), [(0, "/end"), (1, "/1")])
def test_a_word_whose_answer_is_lost_ends_nobody_alone(process, end, attentive):
    """The chief's, of when to end; the other's, that it has heard."""
    store = Texts()
    stores = [store, store]
    stores[process] = Forgetful(store, end)
    ended = Job(*stores).train(wanted_at=50)
    assert ended[0] == ended[1] < MANY


def test_nobody_ends_while_somebody_does_not_ask(attentive, monkeypatch):
    monkeypatch.setattr(agreement, "ANSWER_S", 0.005)
    monkeypatch.setattr(agreement, "IGNORED", 1)
    monkeypatch.setattr(agreement, "IGNORED_S", 0.0)
    job = Job(*[Texts()] * 3)
    job.agreements[2]._listen = lambda made: None
    assert job.train(wanted_at=10, updates=UPDATES) == [UPDATES] * 3
    assert job.agreements[0].is_ignored


def test_nobody_ends_and_the_store_is_hardly_asked_while_nobody_wants_to(attentive):
    store, began = Texts(), time.monotonic()
    job = Job(store, store)
    assert job.train(wanted_at=MANY, updates=UPDATES) == [UPDATES] * 2
    assert store.asked <= 2 + (time.monotonic() - began) / agreement.LOOK_S
    assert not job.agreements[0].is_ignored


def test_a_chief_that_was_not_told_to_end_is_asked_no_more(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.0)
    monkeypatch.setattr(agreement, "ANSWER_S", 0.0)
    store = Texts()
    other = Agreement(store, "0/adam", 2, 1)
    other.begin()
    for made in range(50):
        assert not other.ends(False, lambda: made)  # noqa: B023
    assert store.asked == agreement.MISSED


def test_a_process_that_has_run_ahead_of_the_named_update_has_not_heard_in_time(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.0)
    monkeypatch.setattr(agreement, "ANSWER_S", 0.0)
    store = Texts()
    named = named_in(store)
    chief, other = (Agreement(store, "0/adam", 2, i) for i in range(2))
    for each in (chief, other):
        each.begin()
    assert not chief.ends(True, lambda: 20)
    assert not chief.ends(True, lambda: 21)
    (update,) = named
    assert not other.ends(False, lambda: update + 1)
    assert not chief.ends(True, lambda: update)


def test_what_processes_tell_of_their_records_takes_nothing_away():
    store = Texts()
    chief, other = processes(2, store)
    ends = [each.agreement() for each in (chief, other)]
    for each in ends:
        each.begin()
    other.tell(drained([10]))
    assert not ends[1].ends(False, lambda: 10)
    assert not ends[1]._missed


def test_the_next_training_is_not_ended_by_the_word_on_the_last(attentive):
    job = Job(*[Texts()] * 2)
    assert job.train(wanted_at=50)[0] < MANY
    assert job.train(wanted_at=MANY, updates=UPDATES) == [UPDATES] * 2
    ended = job.train(wanted_at=80)
    assert ended[0] == ended[1] > 80


def test_a_store_that_is_gone_is_an_error_of_whoever_must_say_something(monkeypatch):
    monkeypatch.setattr(agreement, "GONE_S", 0.0)
    monkeypatch.setattr(agreement, "LOOK_S", 0.0)
    chief, other = (Agreement(Gone(), "0/adam", 2, i) for i in range(2))
    for made in (1, 2):
        assert not chief.ends(True, lambda: made)  # noqa: B023
        assert not other.ends(False, lambda: made)  # noqa: B023
    with pytest.raises(ConnectionError):
        chief.ends(True, lambda: 1000)
