"""`stenogram stop`, `pause`, `resume`, `steer`, `reroute`: a person interrupts who works."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from ..options import PARTICIPANT, SESSION, Place, examples, json_option
from .gateway import acting, gateway_options, printed
from .values import TARGET, text_of, value_of, whole_target

if TYPE_CHECKING:
    from ...client import Session
    from ...domain.concepts.signals import Signal

Raise = Callable[["Session", str], Awaitable[str]]

_session = click.argument("session", type=SESSION, metavar="SESSION")
_target = click.argument("target", type=TARGET, default="session", metavar="[TARGET]")
_needed_target = click.argument("target", type=TARGET, metavar="TARGET")
_grace = click.option(
    "--grace", type=click.FloatRange(min=0), metavar="SECONDS",
    help="How long they get to stop in good order; then it ends without them. 0 is at once.  [default: 10]",
)  # fmt: skip
_wait = click.option("--wait/--no-wait", default=False, help="Wait until all whom it concerns have answered.")
_no_wait = click.option("--wait/--no-wait", default=True, help="Wait until it is done, or do not.")

TARGETS = "A TARGET is agent:NAME, task:ID or message:ID (the end of an id is enough), or session: all who work in it."


@click.command(
    short_help="Stop a task, an agent, a message, or all.",
    epilog=examples(
        "stenogram stop trip-7                            all who work in it",
        "stenogram stop trip-7 task:4f2a1c",
        "stenogram stop trip-7 agent:hotels --grace 0     at once",
    ),
    help=f"Stop the work on a TARGET of a SESSION, for good. {TARGETS}",
)
@_session
@_target
@_grace
@_no_wait
@json_option
@gateway_options
async def stop(session: str, target: str, grace: float | None, wait: bool, as_json: bool, place: Place) -> None:
    """Raise `cancel`."""
    await _interrupt(place, session, target, wait, as_json, lambda here, at: here.signals.cancel(at, grace=grace))


@click.command(
    short_help="Hold what somebody writes.",
    epilog=examples("stenogram pause trip-7", "stenogram pause trip-7 agent:hotels"),
    help=f"Hold what a TARGET of a SESSION writes, until `stenogram resume`. {TARGETS}",
)
@_session
@_target
@_wait
@json_option
@gateway_options
async def pause(session: str, target: str, wait: bool, as_json: bool, place: Place) -> None:
    """Raise `pause`."""
    await _interrupt(place, session, target, wait, as_json, lambda here, at: here.signals.pause(at))


@click.command(
    short_help="Let go on what was paused.",
    epilog=examples("stenogram resume trip-7", "stenogram resume trip-7 agent:hotels"),
    help=f"Let a TARGET of a SESSION go on; the session as a target lifts every pause. {TARGETS}",
)
@_session
@_target
@_wait
@json_option
@gateway_options
async def resume(session: str, target: str, wait: bool, as_json: bool, place: Place) -> None:
    """Raise `resume`."""
    await _interrupt(place, session, target, wait, as_json, lambda here, at: here.signals.resume(at))


@click.command(
    short_help="Give a new instruction to who works.",
    epilog=examples(
        "stenogram steer trip-7 task:4f2a1c With a view of the river, please.",
        "stenogram steer trip-7 agent:hotels 'At most 140 €.' --wait",
    ),
    help=f"Give those who work on a TARGET of a SESSION a new instruction, and let them go on. {TARGETS}",
)
@_session
@_needed_target
@click.argument("instruction", nargs=-1, required=True, metavar="INSTRUCTION…")
@_wait
@json_option
@gateway_options
async def steer(
    session: str, target: str, instruction: tuple[str, ...], wait: bool, as_json: bool, place: Place
) -> None:
    """Raise `steer`."""
    said = text_of(instruction)
    await _interrupt(place, session, target, wait, as_json, lambda here, at: here.signals.steer(at, said))


@click.command(
    short_help="Give a task to somebody else, or change it.",
    epilog=examples(
        "stenogram reroute trip-7 task:4f2a1c --to rooms",
        'stenogram reroute trip-7 task:4f2a1c --input \'{"kind": "hotel", "city": "Porto"}\'',
        "stenogram reroute trip-7 agent:hotels            all that it holds, for anyone",
    ),
    help="Take a task (task:ID), or all that an agent holds (agent:NAME), from who works on it, and put it back on the "
    "board: for --to, or for anyone; with a new --input, or the same.",
)
@_session
@_needed_target
@click.option("--to", type=PARTICIPANT, metavar="PARTICIPANT", help="Who alone may take it now.")
@click.option("--input", metavar="JSON", help="What is to be done now: JSON, or a text.")
@_grace
@_no_wait
@json_option
@gateway_options
async def reroute(
    session: str,
    target: str,
    to: str | None,
    input: str | None,
    grace: float | None,
    wait: bool,
    as_json: bool,
    place: Place,
) -> None:
    """Raise `reroute`."""
    given = None if input is None else value_of(input)
    await _interrupt(
        place,
        session,
        target,
        wait,
        as_json,
        lambda here, at: here.signals.reroute(at, to=to, input=given, grace=grace),
    )


async def _interrupt(place: Place, session: str, target: str, wait: bool, as_json: bool, raise_: Raise) -> None:
    async with acting(place, session, follow=True) as here:
        id = await raise_(here, await whole_target(here, target))
        signal = await here.signals.settled(id) if wait else await _known(here, id)
    members: dict[str, Any] = {"signal": id, "kind": signal.kind, "target": signal.target, "status": signal.status}
    printed(as_json, _in_words(signal), session=session, **members, waiting=list(signal.waiting))


async def _known(session: "Session", id: str) -> "Signal":
    found = await session.live.until(lambda: session.live.state.signals.known.get(id))
    assert found is not None
    return found


def _in_words(signal: "Signal") -> str:
    what = f"{signal.kind} of {signal.target}"
    waiting = ", ".join(sorted(signal.waiting))
    if signal.status == "expired" and waiting:
        return f"Done: {what}. {waiting} did not answer in time; what they still write is refused."
    if signal.status != "open":
        return f"Done: {what}."
    who = f"{waiting} has yet to answer" if waiting else "it reaches who works on it next"
    return f"Raised: {what}; {who}."
