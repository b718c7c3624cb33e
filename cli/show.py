"""`stenogram show`: a session as it is, or as it was at a version."""

from typing import TYPE_CHECKING

import click

from .options import SESSION, Place, examples, json_option, source_options
from .results import result_of

if TYPE_CHECKING:
    from ..projections.views.transcript import TranscriptRow
    from .source.port import Source
    from .text.session_views import SessionViews


@click.command(
    short_help="Show a session, now or at any version.",
    epilog=examples(
        "stenogram show trip-7",
        "stenogram show trip-7 --at 120      what the team knew after version 120",
        "stenogram show trip-7 --json | jq .state",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.option("--at", type=click.IntRange(min=1), metavar="VERSION", help="As it was after this version.")
@json_option
@source_options
def show(session: str, at: int | None, as_json: bool, place: Place) -> None:
    """Show a session: what it is, who takes part, what was said, and the shared state.

    It is what the views hold: as a gateway keeps them, or folded from the log.
    """
    views = result_of(_read(place, session, at))
    if as_json:
        import orjson

        from .text.session_views import for_programs

        click.echo(orjson.dumps(for_programs(views), option=orjson.OPT_UTC_Z).decode())
    else:
        from .text.session_page import print_session

        print_session(views)


async def _read(place: Place, session: str, at: int | None) -> "SessionViews":
    from ..projections import views
    from .source.open_source import open_source
    from .source.port import reached_version
    from .text.session_views import session_views

    async with open_source(place) as source:
        version = await reached_version(source, session, at)
        projections = (views.sessions, views.metadata, views.agents, views.tasks, views.transcript, views.state)
        values = await source.views(session, projections, at)
        shown = session_views(session, version if at is None else at, *values)
        return shown._replace(transcript=await _with_open_text(source, session, shown.transcript, at))


async def _with_open_text(
    source: "Source", session: str, entries: "list[TranscriptRow]", at: int | None
) -> "list[TranscriptRow]":
    """The entries, those of open messages and calls with what was streamed; it is read from the first of them on."""
    from ..domain.concepts.messages import MessageDelta, MessageStarted
    from ..domain.concepts.tools import ToolCalled, ToolOutput
    from .source.folding import events_until
    from .text.session_views import OpenStreams

    begun = {each.entry: each.since for each in entries if each.status == "open" and each.kind != "approval"}
    if not begun:
        return entries
    streaming = {each.type for each in (MessageStarted, MessageDelta, ToolCalled, ToolOutput)}
    texts = OpenStreams()
    async for events in events_until(source.read(session, min(begun.values()) - 1), at, streaming.__contains__):
        for event in events:
            if event.data.subject() in begun:
                texts.fold(event)
    return [texts.with_text(each) for each in entries]
