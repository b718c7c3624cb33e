"""Plays in a log, as they were played."""

from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.testing.rehearsal import Rehearsal
from support.random_play import Play


async def write_play(log: Log, play: Play) -> None:
    """Write the sessions of a play, one after the other."""
    for session in play.sessions:
        start, drafts = own_drafts(session)
        await log.append(Append(session.state.id, tuple(drafts), first_version=start + 1))


def own_drafts(session: Rehearsal) -> tuple[int, list[Draft]]:
    """Where the session's own events begin, and these."""
    begins = [at for at, event in enumerate(session.events) if event.type == "session.forked"]
    start = begins[-1] if begins else 0
    own = zip(session.events[start:], session.stored[start:], strict=True)
    return start, [
        Draft(event.type, event.data.subject(), stored, event.version, None, event.data.also()) for event, stored in own
    ]
