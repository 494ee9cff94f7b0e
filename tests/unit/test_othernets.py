"""Another net than the daemon's own: found in a thread, started when it is needed, ended when nobody wants it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from colorwatch import log
from colorwatch.errors import ModelError
from colorwatch.modelstore import Model
from colorwatch.pool import Answered, Event, Started, StartFailed
from colorwatch.protocol import Failure, ProbeRequest, Request, WorkerSetup
from colorwatch.work.othernets import IDLE_SECONDS, OtherNets
from waiting import eventually

MODELS = {name: Model(name, f"/{name}.onnx", "aa" * 32, small=True) for name in ("red", "blue")}
REQUEST = ProbeRequest(7, "/in", "a.jpg")
ANSWER = Answered(7, Failure("damaged", "it ends early", False), 1)


@dataclass
class Workers:
    """A pool that says what it is told to say."""

    size: int
    setup: WorkerSetup
    events: list[Event] = field(default_factory=list)
    submitted: list[tuple[Request, float]] = field(default_factory=list)
    ready: bool = False
    stopped: bool = False

    def idle(self) -> int:
        return int(self.ready)

    def submit(self, request: Request, deadline: float) -> int:
        self.submitted.append((request, deadline))
        return 1

    def poll(self, now: float) -> list[Event]:
        events, self.events = self.events, []
        return events

    def descriptors(self) -> list[int]:
        return [3]

    def stop(self) -> None:
        self.stopped = True


class Nets:
    """The rooms under test, and the pools that they made."""

    def __init__(self) -> None:
        self.pools: list[Workers] = []
        self.nudged = threading.Event()
        self.known = dict(MODELS)
        self.nets = OtherNets(self.find, self.make, "net:load", self.nudged.set, log.get("othernets"))

    def find(self, name: str) -> Model:
        if name not in self.known:
            raise ModelError(f"{name} is not here")
        return self.known[name]

    def make(self, size: int, setup: WorkerSetup) -> Workers:
        self.pools.append(Workers(size, setup))
        return self.pools[-1]

    def found(self, name: str) -> Model | str:
        eventually(lambda: self.nets.model(name) is not None)
        found = self.nets.model(name)
        assert found is not None
        return found


@pytest.fixture
def room() -> Nets:
    return Nets()


def test_a_model_is_found_aside_and_the_service_is_woken(room: Nets) -> None:
    assert room.found("red") == MODELS["red"]
    assert room.nudged.wait(10)


def test_why_there_is_none_is_kept_until_somebody_asks_anew(room: Nets) -> None:
    room.known.clear()
    assert room.found("red") == "red is not here"
    room.known |= MODELS
    assert room.found("red") == "red is not here"
    room.nets.forget("red")
    assert room.found("red") == MODELS["red"]


def test_its_deadline_begins_when_its_worker_is_ready(room: Nets) -> None:
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    (pool,) = room.pools
    assert (pool.size, pool.setup.model, pool.setup.small) == (1, "/red.onnx", True)
    room.nets.poll(100.0)
    assert pool.submitted == []
    pool.ready = True
    room.nets.poll(500.0)
    room.nets.poll(501.0)
    assert pool.submitted == [(REQUEST, 560.0)]
    assert room.nets.busy


def test_its_answer_is_told_and_its_starts_are_not(room: Nets) -> None:
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    room.pools[0].events = [Started(1), ANSWER]
    assert room.nets.poll(0.0) == [ANSWER]
    assert not room.nets.busy


def test_a_net_that_cannot_start_fails_the_request_alone(room: Nets) -> None:
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    room.pools[0].events = [StartFailed("it is damaged", 1)]
    (event,) = room.nets.poll(0.0)
    assert isinstance(event, Answered)
    assert event.answer == Failure("model", "its net could not be started: it is damaged", False)
    assert room.pools[0].stopped
    assert room.nets.descriptors() == []


def test_its_worker_stays_a_while_for_the_next_scan_and_ends_then(room: Nets) -> None:
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    room.pools[0].events = [ANSWER]
    room.nets.poll(0.0)
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    assert len(room.pools) == 1
    room.pools[0].events = [ANSWER]
    room.nets.poll(1000.0)
    room.nets.poll(1000.0 + IDLE_SECONDS)
    assert not room.pools[0].stopped
    room.nets.poll(1001.0 + IDLE_SECONDS)
    assert room.pools[0].stopped


def test_a_third_net_takes_the_place_of_the_second(room: Nets) -> None:
    room.nets.take(REQUEST, MODELS["red"], 60.0)
    room.pools[0].events = [ANSWER]
    room.nets.poll(0.0)
    room.nets.take(REQUEST, MODELS["blue"], 60.0)
    assert (room.pools[0].stopped, room.pools[1].setup.model) == (True, "/blue.onnx")
