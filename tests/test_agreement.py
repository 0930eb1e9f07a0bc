"""Processes that end together: each a thread here, that makes no update before all others come to it."""

import random
import threading
import time

import pytest
from test_replicas import Gone, Texts

from adamax_tb import agreement
from adamax_tb.agreement import Agreement

UPDATES = 250


class Job:
    """Threads that train together; each update waits for all, as a reduction does."""

    def __init__(self, count, store, seed=0):
        self.count = count
        self.store = store
        self.agreements = [Agreement(store, "0/adam", count, i) for i in range(count)]
        self.ended = []
        self._together = threading.Barrier(count)
        self._random = random.Random(seed)

    def train(self, wanted_at, updates=UPDATES):
        """Returns after which update each ended; the chief wants an end from `wanted_at` on."""
        self.ended = [None] * self.count
        threads = [
            threading.Thread(target=self._one, args=(i, wanted_at, updates), daemon=True)
            for i in range(self.count)
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
            time.sleep(self._random.uniform(0, 0.002))
            if agreed.ends(index == 0 and made >= wanted_at, lambda: made):  # noqa: B023
                break
        self.ended[index] = made


@pytest.fixture
def attentive(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.02)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_all_end_at_the_same_update(count, seed, attentive):
    ended = Job(count, Texts(), seed).train(wanted_at=50)
    assert len({*ended}) == 1
    assert 50 + agreement.FIRST_MARGIN <= ended[0] < UPDATES


def test_who_hears_of_it_too_late_is_waited_for_and_the_next_update_is_further_away(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.0)
    store = Texts()
    named = []
    put = store.put

    def taken_down(key, value):
        if key.endswith("/end"):
            named.append(int(value.split(" ")[1]))
        put(key, value)

    store.put = taken_down
    job = Job(2, store)
    listen = job.agreements[1]._listen
    job.agreements[1]._listen = lambda made: listen(made) if made() % 90 == 0 else None
    assert job.train(wanted_at=20) == [162, 162]
    assert named == [20 + 20, 41 + 40, 82 + 80]


def test_nobody_ends_while_somebody_does_not_ask(monkeypatch):
    monkeypatch.setattr(agreement, "LOOK_S", 0.02)
    job = Job(3, Texts())
    job.agreements[2]._listen = lambda made: None
    assert job.train(wanted_at=10) == [UPDATES] * 3


def test_nobody_ends_and_the_store_is_hardly_asked_while_nobody_wants_to(attentive):
    store = Texts()
    assert Job(2, store).train(wanted_at=UPDATES + 1) == [UPDATES] * 2
    assert not store
    assert store.asked < UPDATES / 4


def test_the_next_training_is_not_ended_by_the_word_on_the_last(attentive):
    job = Job(2, Texts())
    assert job.train(wanted_at=50)[0] < UPDATES
    assert job.train(wanted_at=UPDATES + 1) == [UPDATES] * 2
    ended = job.train(wanted_at=80)
    assert ended[0] == ended[1] >= 100


def test_at_the_end_the_store_keeps_nothing(attentive):
    job = Job(3, Texts())
    job.train(wanted_at=50)
    assert job.store
    job.agreements[1].end()
    assert job.store
    job.agreements[0].end()
    assert not job.store


def test_a_store_that_is_gone_is_an_error_before_anybody_waits():
    with pytest.raises(ConnectionError):
        Agreement(Gone(), "0/adam", 2, 0).ends(True, lambda: 1)
    with pytest.raises(ConnectionError):
        Agreement(Gone(), "0/adam", 2, 1).ends(False, lambda: 1)
