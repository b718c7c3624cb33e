"""Who is next: senders take turns, and what one of them sends stays in order."""

from collections.abc import Iterable

import pytest

from stenogram.domain.errors import Busy
from stenogram.log.commit.queue import RequestQueue
from stenogram.log.commit.requests import Execute, Request
from stenogram.testing.command import command


def request(sender: str | None, session: str = "s") -> Request:
    made = Execute(lambda *_: None, 1, command("session.open", session))
    made.sender = sender
    return made


def queue_of(requests: Iterable[Request]) -> RequestQueue:
    queue = RequestQueue(1_000, 1_000)
    for each in requests:
        queue.put(each)
    return queue


def popped(queue: RequestQueue, passed_over: Iterable[str] = ()) -> list[Request]:
    return list(iter(lambda: queue.pop({*passed_over}), None))


def test_senders_take_turns_and_each_ones_requests_keep_their_order() -> None:
    many, few, one = [request("a") for _ in range(4)], [request("b") for _ in range(2)], [request("c")]
    queue = queue_of([*many, *few, *one])
    assert popped(queue) == [many[0], few[0], one[0], many[1], few[1], many[2], many[3]]
    assert not queue


def test_a_sender_that_comes_later_waits_for_one_request_of_each() -> None:
    many = [request("a") for _ in range(3)]
    queue = queue_of(many)
    assert queue.pop() is many[0]
    queue.put(late := request("b"))
    assert popped(queue) == [many[1], late, many[2]]


def test_what_is_put_back_is_next() -> None:
    first, second, other, third = request("a"), request("a"), request("b"), request("a")
    queue = queue_of([first, second, other, third])
    taken = [queue.pop(), queue.pop(), queue.pop()]
    assert taken == [first, other, second]
    queue.put_back([each for each in taken if each is not None])
    assert popped(queue) == [first, other, second, third]


def test_a_sender_that_is_passed_over_keeps_its_turn() -> None:
    first, second, other = request("a"), request("a"), request("b")
    queue = queue_of([first, second, other])
    assert popped(queue, "a") == [other]
    assert queue
    assert popped(queue) == [first, second]


def test_behind_one_that_is_set_aside_wait_those_of_its_session_only() -> None:
    first, second = request("a", "s"), request("b", "s")
    other = request("a", "t")
    queue = queue_of([first, second, other])
    parked = queue.pop()
    assert parked is first
    queue.park("s", first)
    assert popped(queue) == [other]
    queue.put_back(queue.unpark("s"))
    assert popped(queue) == [first, second]


def test_the_bounds_are_everybodys() -> None:
    queue = RequestQueue(2, 1_000)
    queue.put(request("a"))
    queue.put(request("b"))
    with pytest.raises(Busy):
        queue.put(request("c"))


def test_withdrawn_requests_make_room() -> None:
    queue = RequestQueue(3, 1_000)
    for _ in range(10):
        queue.put(each := request("a"))
        each.withdraw()
    kept = request("b")
    queue.put(kept)
    assert popped(queue) == [kept]
