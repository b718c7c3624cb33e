"""`stenogram watch`: a live session on the whole terminal."""

import asyncio

import click

from .options import SESSION, Place, examples, source_options


@click.command(
    short_help="Watch a session live, on the whole terminal.",
    epilog=examples(
        "stenogram watch trip-7",
        "stenogram watch trip-7 --log http://127.0.0.1:8600 --as maya",
        "stenogram watch trip-7 | cat                    what happens from now on, as lines",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@source_options
def watch(session: str, place: Place) -> None:
    """Watch a SESSION live: who is present, what each says and does, and the shared state as it changes.

    Where there is no terminal, or too small a one, lines of what happens from now on, as `stenogram tail` prints them.
    Ctrl-C ends it; the session goes on.
    """
    from .stdout_pipe import while_stdout_is_read

    asyncio.run(while_stdout_is_read(_watch(place, session)))


async def _watch(place: Place, session: str) -> None:
    from ..domain.envelope import parse
    from .screen.display import can_be_live, open_display
    from .source.open_source import open_source

    async with open_source(place) as source, open_display(session, live=can_be_live()) as here:
        head = await source.version(session)
        async for page in source.read(session, 0, follow=True):
            events = [parse(wire) for wire in page]
            for event in events:
                if event.version <= head:
                    here.model.fold(event, 0.0)
            here.show([event for event in events if event.version > head])
