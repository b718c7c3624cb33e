"""Where a session's events become chunks, as bytes that all streams of a run share.

Each chunk has as its id the run, and the place behind it in the session: who goes on need not say what they followed.
The SDK's own clients read no ids: they begin again, with a replay.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from ....domain.ids import MessageId
from ....domain.parts import assemble
from ....domain.state import State
from ..envelopes import Members
from ..followed_log import FollowedLog
from ..placed import Placed, epoch_of, places_behind, sse_group
from ..session_facts import SessionFacts
from .chunks import transient
from .translation import SoFar, StreamedRun, chunks_of


class AiSdkEncoder(NamedTuple):
    """Groups of one run."""

    followed: FollowedLog
    run: StreamedRun
    max_part_bytes: int | None = None

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One group. Raises NotReady where what came before is not known."""
        assert session is not None
        known = self.followed.facts.of(session)
        said = so_far(self.followed.log.cached_state(session))
        epoch = epoch_of(resume)
        made = joined(each for wire in wires for each in translated(known, orjson.loads(wire), epoch, self.run, said))
        return sse_group(made or [Placed({}, place_in(self.run, resume))])

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """A gap is transient data; where a stream has caught up is no chunk."""
        place = place_in(self.run, resume)
        if frame["frame"] != "gap":
            return sse_group([Placed({}, place)])
        return sse_group([Placed(transient("gap", {"from": frame["from"], "to": frame["to"]}), place)])


def place_in(run: StreamedRun, place: str) -> str:
    """The id of a chunk: ids of tasks have no slash."""
    return place if run.task is None else f"{run.task}/{place}"


def so_far(state: State | None) -> SoFar:
    """What is said so far in the session's open messages. It may be more than up to the event which is told of: that
    comes to the same a moment later."""

    def said(id: MessageId) -> list[Members] | None:
        message = None if state is None else state.messages.known.get(id)
        if message is None or message.status != "open":
            return None
        return [{"kind": part.kind, "text": part.text} for part in assemble(message.streamed)]

    return said


def translated(known: SessionFacts, members: Members, epoch: str, run: StreamedRun, said: SoFar) -> Iterator[Placed]:
    """One event of a session."""
    version = members["version"]
    made = chunks_of(members, known.of(version), run, known, said)
    for chunk, place in zip(made, places_behind(epoch, version, len(made)), strict=True):
        yield Placed(chunk, place_in(run, place))


def joined(chunks: Iterable[Placed]) -> list[Placed]:
    """The same, with pieces of one text that follow on each other made one, and of what is said so far the last."""
    made = list[Placed]()
    for chunk, id in chunks:
        last = made[-1].event if made else {}
        same = (last.get("type"), last.get("id")) == (chunk["type"], chunk.get("id"))
        if same and chunk["type"] in ("text-delta", "reasoning-delta"):
            made[-1] = Placed({**last, "delta": last["delta"] + chunk["delta"]}, id)
        elif same and chunk["type"] == "data-agent-message":
            made[-1] = Placed(chunk, id)
        else:
            made.append(Placed(chunk, id))
    return made
