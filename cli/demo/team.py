"""Who does what in the demo, each as one coroutine that reacts to the session as a real agent would.

    maya      says what she wants, and changes the hotel by hand while the agents work
    planner   fixes the dates, briefs the team, waits for all parts, writes the plan
    flights, hotels, visas   work side by side; all write to the same shared state

They meet in the session only: each waits for the shared state to say what it needs. The one cue outside the session
(`Cues.maya_has_chosen`) stands for the time that a hotel takes to answer: the answer comes after Maya's change, so that
the conflict which the demo shows happens in every run, at any speed.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ...domain.errors import Conflict
from . import script
from .member import Member


@dataclass
class Cues:
    """Stage directions: what the world outside the session waits for."""

    maya_has_chosen: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


async def maya(me: Member, cues: Cues) -> None:
    """The person."""
    await me.session.post(script.WISH)
    await me.status("idle", "reads along")
    await me.state.wait(lambda state: "hotel" in state)
    await me.pace.take(2.2)
    await me.status("working", "looks at hotels herself")
    await me.pace.take(1.0)
    await me.state.patch([{"op": "replace", "path": "/hotel", "value": script.HANARE}])
    cues.maya_has_chosen.set()
    await me.session.post(script.CHANGE_OF_MIND)
    await me.status("idle", "reads along")
    await me.state.wait(lambda state: "plan" in state)
    await me.pace.take(1.5)
    await me.session.post(script.THANKS)
    await me.pace.take(1.0)
    cues.done.set()


async def planner(me: Member, cues: Cues) -> None:
    """Plans, and puts the parts together."""
    await me.status("thinking", "takes the wish apart")
    await me.pace.take(0.8)
    await me.say(script.PLANNER_ANSWERS, thought=script.PLANNER_THINKS, tempo=1.6)
    await me.state.merge({"trip": script.TRIP, "budget": {"limit": script.BUDGET, "spent": 0}})
    await me.session.post(script.PLANNER_BRIEFS, to=["agents"])
    await me.status("waiting-for-tool", "waits for flights, hotels and visas")
    await me.state.wait(_all_parts_are_there)
    await me.status("working", "writes the plan")
    await me.pace.take(0.6)
    await me.say(script.PLANNER_ENDS, tempo=1.5)
    await me.state.patch([{"op": "add", "path": "/plan", "value": "ready"}])
    await me.status("idle", "done")
    await cues.done.wait()


async def flights(me: Member, cues: Cues) -> None:
    """Finds and holds two seats."""
    await me.state.wait(_is_briefed)
    await me.status("working", "Munich to Osaka, 12 November")
    await me.progress(script.FLIGHTS_LOOKS)
    await me.use("search_flights", {"from": "MUC", "to": "KIX", "seats": 2}, {"found": 23, "best": 1720}, 1.6)
    await me.state.increment("/searches", 23)
    await me.say(script.FLIGHTS_SAYS)
    await me.state.merge({"flight": script.FLIGHT})
    await _spend(me, script.FLIGHT["price"], script.TRAIN)
    await me.status("waiting-for-tool", "the airline confirms")
    await me.use("confirm_seats", {"seats": ["31A", "31B"]}, {"ticket": "K7R2QX"}, 2.0)
    await me.state.patch([{"op": "replace", "path": "/flight/status", "value": "booked"}])
    await me.status("idle", "done")
    await cues.done.wait()


async def hotels(me: Member, cues: Cues) -> None:
    """Proposes a room; when Maya chooses another one meanwhile, finds that out and books hers."""
    await me.state.wait(_is_briefed)
    await me.status("working", "quiet rooms near the river")
    await me.progress(script.HOTELS_LOOKS)
    await me.use("search_rooms", {"city": "Kyoto", "nights": 5, "quiet": True}, {"found": 9, "quiet": 3}, 1.0)
    await me.state.increment("/searches", 9)
    proposed = await me.state.merge({"hotel": script.KAMO})
    await me.say(script.HOTELS_SAYS, tempo=1.4)
    await me.status("waiting-for-tool", "the Kamo Riverside Inn holds the room")
    async with me.session.tool("hold_room", {"hotel": script.KAMO["name"], "nights": 5}) as hold:
        await cues.maya_has_chosen.wait()
        await me.pace.take(1.2)
        hold.result = {"held": True, "until": "18:00"}
    try:
        await _book(me, since=proposed.versions[-1])
    except Conflict as conflict:
        await _adapt(me, conflict)
    await me.status("idle", "done")
    await cues.done.wait()


async def _adapt(me: Member, conflict: Conflict) -> None:
    """The hotel is no longer the one that was proposed: take the one that is there now."""
    chosen: dict[str, Any] = conflict.extra["value"]
    await me.status("thinking", f"{chosen['name']} instead?")
    await me.progress(f"{script.HOTELS_NOTICES} ({conflict.detail})")
    await me.pace.take(1.0)
    await me.status("working", f"books {chosen['name']}")
    await me.use("release_room", {"hotel": script.KAMO["name"]}, {"released": True}, 0.6)
    await me.use("book_room", {"hotel": chosen["name"], "nights": 5}, {"confirmation": "HN-2207"}, 1.0)
    await me.say(script.HOTELS_ADAPTS, tempo=1.3)
    await _book(me, since=conflict.extra["version"])
    await _spend(me, chosen["price"])


async def _book(me: Member, *, since: int) -> None:
    """Mark the hotel as booked, if it is still the one of version `since`. Raises Conflict when it is not."""
    booked = [{"op": "replace", "path": "/hotel/status", "value": "booked"}]
    await me.state.patch(booked, if_unchanged={"/hotel": since})


async def visas(me: Member, cues: Cues) -> None:
    """Finds out who needs one."""
    await me.state.wait(_is_briefed)
    await me.status("working", "two passports")
    await me.progress(script.VISAS_LOOKS)
    await me.use("entry_rules", {"country": "JP", "passports": ["DE", "IN"]}, {"DE": "none", "IN": "eVisa"}, 2.2)
    await me.state.increment("/searches", 2)
    await me.say(script.VISAS_SAYS, tempo=0.9)
    await me.state.merge({"visas": {"Maya": "none needed", "Arun": "eVisa, form filled in"}})
    await _spend(me, script.EVISA)
    await me.status("waiting-for-human", "Arun's photo")
    await me.state.wait(lambda state: state.get("hotel", {}).get("status") == "booked")
    await me.progress(script.VISAS_ADDS)
    await me.state.patch([{"op": "replace", "path": "/visas/Arun", "value": "eVisa, handed in"}])
    await me.status("idle", "done")
    await cues.done.wait()


async def _spend(me: Member, *amounts: Any) -> None:
    for amount in amounts:
        await me.state.increment("/budget/spent", amount)


def _is_briefed(state: dict[str, Any]) -> bool:
    return "trip" in state


def _all_parts_are_there(state: dict[str, Any]) -> bool:
    booked = all(state.get(part, {}).get("status") == "booked" for part in ("flight", "hotel"))
    return booked and "handed in" in str(state.get("visas", {}).get("Arun"))
