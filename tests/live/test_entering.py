"""Entering a session that exists: one that was closed, and one that nobody has given a title."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Client, Session
from stenogram.domain.errors import SessionClosed

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    """The agent `hotels`."""
    async with Client(gateway.url, participant="hotels") as client:
        yield client


@pytest.fixture
async def ann(gateway: Gateway) -> AsyncIterator[Session]:
    """The user `ann`, who has opened the session `trip` without a title."""
    async with Client(gateway.url, participant="ann", kind="user") as client, client.session("trip") as session:
        yield session


async def described(ann: Session) -> list[str]:
    """The titles that the session was given after it was opened."""
    return [event.data.title async for event in ann.events(types=["session.described"], follow=False)]  # type: ignore[attr-defined]


def entered(client: Client, **options: Any) -> list[Any]:
    """The ways to enter the session."""
    return [client.session("trip", **options), client.agent(session="trip", **options)]


@pytest.mark.parametrize("way", [0, 1])
async def test_a_closed_session_says_what_to_do(client: Client, ann: Session, way: int) -> None:
    await ann.close()
    with pytest.raises(SessionClosed, match=r"'trip' is closed. Enter it with `reopen=True` .* another id .*watch"):
        await entered(client)[way].__aenter__()
    assert (await client.show("trip"))["status"] == "closed"


@pytest.mark.parametrize("way", [0, 1])
async def test_a_closed_session_is_reopened_by_those_who_say_so(client: Client, ann: Session, way: int) -> None:
    await ann.close()
    async with entered(client, reopen=True)[way]:
        assert (await client.show("trip"))["status"] == "open"
        async with asyncio.timeout(30):
            await ann.live.until(lambda: "hotels" in ann.present)


async def test_reopening_needs_no_joining_and_an_open_session_stays_as_it_is(client: Client, ann: Session) -> None:
    for _ in range(2):
        async with client.session("trip", join=False, reopen=True) as session:
            assert session.info.status == "open"
    assert [event.type async for event in ann.events(types=["session.*"], follow=False)] == ["session.opened"]
    await ann.close()
    async with client.session("trip", join=False, reopen=True) as session:
        assert session.info.status == "open"


@pytest.mark.parametrize("way", [0, 1])
async def test_a_title_given_later_describes_a_session_without_one(client: Client, ann: Session, way: int) -> None:
    async with entered(client, title="Lisbon in May")[way] as one:
        assert getattr(one, "session", one).info.title == "Lisbon in May"
    async with entered(client, title="Porto in June")[way]:
        pass
    assert await described(ann) == ["Lisbon in May"]


async def test_of_several_titles_at_once_one_is_taken(gateway: Gateway, ann: Session) -> None:
    async def enter(number: int) -> None:
        async with (
            Client(gateway.url, participant=f"agent-{number}") as client,
            client.session("trip", title=f"Title {number}"),
        ):
            pass

    await asyncio.gather(*map(enter, range(8)))
    assert len(await described(ann)) == 1


async def test_a_fork_without_a_title_gets_one(client: Client, ann: Session) -> None:
    await ann.fork(id="what-if")
    async with client.session("what-if", title="What if?") as session:
        assert session.info.title == "What if?"


async def test_who_may_not_say_a_title_enters_all_the_same(client: Client, ann: Session) -> None:
    await ann.floor.give("planner")
    async with client.session("trip", title="Lisbon in May") as session:
        assert session.info.title is None
    assert await described(ann) == []
