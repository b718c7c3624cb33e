"""How a stream ends: what is open is closed, the message's metadata says how the run is, then it is over.

A question that waits for the reader is a call of a tool that wants an approval; the answer goes on with the message,
from the place that its metadata has.
"""

from collections.abc import Iterator
from typing import Any

from ....domain.audience import Viewer
from ....domain.state import State
from ...delivery.sse_encoder import http_chunk
from ..envelopes import members_of_open
from ..speech_fold import speeches
from ..turn import Ending, Turn, open_messages
from . import OURS
from .chunks import Chunk, part_ended
from .encoder import place_in
from .replay import questions
from .translation import StreamedRun


def end_of_stream(
    turn: Turn, run: StreamedRun, state: State, ending: Ending, output: Any, viewer: Viewer, resume: str, behind: int
) -> list[Chunk]:
    """A stream's last chunks, for a page that has what came up to the version `behind`."""
    closed = _closed(run, state, viewer)
    return [*closed, *questions(ending.asked, run, state, behind), *_last(turn, ending, output, resume)]


def done(run: StreamedRun, resume: str) -> bytes:
    """What is behind them. It alone has an id: who goes on from before it gets all of the end again."""
    return http_chunk(b"id: %s\ndata: [DONE]\n\n" % place_in(run, resume).encode())


def _closed(run: StreamedRun, state: State, viewer: Viewer) -> Iterator[Chunk]:
    said = dict(speeches(state))
    for message in open_messages(state, viewer):
        members, speech = members_of_open(message), said[message.id]
        if run.speaks(members):
            yield from [part_ended(members, "reasoning")] if speech.reasoning else []
            yield from [part_ended(members, "text")] if speech.text else []


def _last(turn: Turn, ending: Ending, output: Any, resume: str) -> Iterator[Chunk]:
    about = {"run": turn.run, "outcome": ending.outcome, "resume": resume}
    about |= {"output": output} if output is not None else {}
    told = {"messageMetadata": {OURS: about}}
    if ending.outcome == "failed":
        error = None if ending.task is None else ending.task.last_error
        yield {"type": "message-metadata", **told}
        yield {"type": "error", "errorText": error or "The run failed."}
    elif ending.outcome == "cancelled":
        yield {"type": "message-metadata", **told}
        yield {"type": "abort", "reason": "cancelled"}
    else:
        yield {"type": "finish", "finishReason": "tool-calls" if ending.outcome == "asks" else "stop", **told}
