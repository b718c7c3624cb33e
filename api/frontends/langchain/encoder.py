"""Where a session's events become the protocol's, as bytes that streams of one filter share.

Each event has the place behind it as its id, and as a number in its `seq`: the version, and how many of the protocol's
events came of what follows it. What a filter leaves out has places all the same.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from ....domain.audience import Viewer
from ....domain.envelope import timestamp
from ....domain.errors import NotReady
from ...delivery.sse_encoder import http_chunk
from ..envelopes import Members
from ..placed import epoch_of, places_behind
from ..session_facts import FactsOfLog, SessionFacts
from ..snapshot_steps import STATE, THREAD
from ..turn_stream import StreamPlace
from . import OURS
from .requests import EventStreamRequest
from .translation import DEPENDS, Context, Shown, shown_events, wire
from .values import state_values, values, values_of_agent

SEQ_BITS = 12
"""Of a `seq`, those that count what comes of one event of the session."""
MOST_SHARED = 64
"""Encodings of a session that are kept for other groups."""


class ChannelFilter(NamedTuple):
    """Which events a stream has: of these channels, below these namespaces, and not too deep below."""

    channels: frozenset[str]
    namespaces: tuple[tuple[str, ...], ...] | None = None
    depth: int | None = None

    def wants(self, shown: Shown) -> bool:
        """Whether an event passes."""
        channel = shown.channel
        if channel not in self.channels and not (channel.startswith("custom:") and "custom" in self.channels):
            return False
        if not self.namespaces:
            return True
        there = shown.namespace
        return any(
            there[: len(prefix)] == prefix and (self.depth is None or len(there) - len(prefix) <= self.depth)
            for prefix in self.namespaces
        )


def filter_of(asked: EventStreamRequest) -> ChannelFilter:
    """The filter that a page asks for."""
    return ChannelFilter(frozenset(asked.channels), asked.namespaces, asked.depth)


def place_of_seq(seq: int) -> StreamPlace:
    """The place that a `seq` means."""
    return StreamPlace(seq >> SEQ_BITS, seq & (1 << SEQ_BITS) - 1)


class LangChainEncoder(NamedTuple):
    """Blocks of server-sent events for one viewer and filter. Where all viewers get the same, the bytes are too."""

    facts: FactsOfLog
    filter: ChannelFilter
    viewer: Viewer
    max_part_bytes: int | None = None

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One group. Raises NotReady where what came before is not known."""
        assert session is not None
        known, epoch = self.facts.of(session), epoch_of(resume)
        events = [orjson.loads(each) for each in wires]
        if any(depends_on_viewer(known, each) for each in events):
            # Not kept: others get something else, and it may be long.
            return self._group(events, known, epoch, resume)
        key = (self.filter, tuple(wires), resume)
        made = known.encoded.get(key)
        if made is None:
            made = known.encoded[key] = self._group(events, known, epoch, resume)
            if len(known.encoded) > MOST_SHARED:
                del known.encoded[next(iter(known.encoded))]
        return made

    def _group(self, events: list[Members], known: SessionFacts, epoch: str, resume: str) -> bytes:
        blocks = [block for each in events for block in blocks_of(each, known, self, epoch)]
        if not blocks or not blocks[-1].startswith(_head(resume)):
            blocks.append(_head(resume) + b"\n")
        return http_chunk(b"".join(blocks))

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """The protocol has no word for where a stream has caught up. A gap is an event of ours."""
        if frame["frame"] != "gap":
            return http_chunk(_head(resume) + b"\n")
        gap = {"name": f"{OURS}.gap", "payload": {"from": frame["from"], "to": frame["to"]}}
        shown = Shown("custom", (), gap, "gap")
        if not self.filter.wants(shown):
            return http_chunk(_head(resume) + b"\n")
        members = {"version": frame["to"], "time": timestamp(datetime.now(UTC))}
        return http_chunk(block_of(shown, members, epoch_of(resume), resume, frame["to"] << SEQ_BITS))


def depends_on_viewer(known: SessionFacts, members: Members) -> bool:
    """Whether those who see an event may be shown different things."""
    return members["type"].partition(".")[0] in DEPENDS or known.of(members["version"]).run is not None


def blocks_of(
    members: Members, known: SessionFacts, encoder: LangChainEncoder, epoch: str, behind: int = 0
) -> list[bytes]:
    """What one event of the session comes to, behind so many of the protocol's events."""
    version = members["version"]
    shown = shown_events(members, context_of(known, encoder.viewer, version))
    blocks = []
    for number, (each, place) in enumerate(zip(shown, places_behind(epoch, version, len(shown)), strict=True), 1):
        seq = version << SEQ_BITS if number == len(shown) else (version - 1 << SEQ_BITS) + number
        if number > behind and each.data is not None and encoder.filter.wants(each):
            blocks.append(block_of(each, members, epoch, place, seq))
    return blocks


def context_of(known: SessionFacts, viewer: Viewer, version: int) -> Context:
    """What a translation needs. Raises NotReady."""
    transcript, document = known.transcript, known.document
    if transcript is None:  # the session has become a fork, and is followed by others alone
        raise NotReady("What was said is not at hand any more; connect again.", retry_after=0.1)

    def snapshot(what: str) -> dict[str, Any]:
        if what == THREAD:
            return values(document, transcript, viewer, known.kind, version)
        if what == STATE:
            return state_values(document, viewer)
        return values_of_agent(transcript, viewer, known.kind, version, what)

    return Context(known, viewer, version, snapshot)


def block_of(shown: Shown, members: Members, epoch: str, place: str | None, seq: int) -> bytes:
    """An event as a block; without a place where one cannot go on behind it."""
    head = b"" if place is None else _head(place)
    return b"%sdata: %s\n\n" % (head, wire(shown, epoch, members, seq))


def _head(place: str) -> bytes:
    return b"id: %s\n" % place.encode()
