"""What a run's stream begins with: the assistant's message so far, from its start.

    start → shared state, who is here → each message, call and question of the run, in the order in which they began

What is over is said whole, and what is being said with all of it so far. It is made of the session as it was at a
version, and of a transcript that may go on behind that: so a beginning that was cut is made again, the same. Each chunk
has an id that says how many came before it. Of what is over, the last is said that is not too many bytes together.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from ....domain.audience import Viewer, visible
from ....domain.concepts.approvals import Approval
from ....domain.concepts.document import seen_by
from ....domain.ids import ApprovalId, MessageId, TaskId
from ....domain.parts import assemble
from ....domain.state import State
from ....projections.runner.time_slices import slices
from ...http.session_answers import participants
from ..envelopes import KindOf, Members, kinds_of, members_of_open, role_of, text_in
from ..placed import Placed
from ..speech_fold import OpenSpeech, speeches
from ..transcript import Entry, Transcript
from ..turn import NO, Turn, is_run, open_messages, root_of
from . import OURS
from .chunks import (
    Chunk,
    agent_answer,
    agent_message,
    agent_question,
    agent_tool,
    agent_tool_ended,
    approval_request,
    asking_tool,
    asking_tool_ended,
    denied,
    ended_agent_message,
    part_delta,
    part_ended,
    part_started,
    tool_called,
    tool_ended,
    transient,
    user_message,
    whole_message,
)
from .encoder import place_in
from .translation import StreamedRun

MOST_BYTES = 4 * 2**20
"""Of what is over in one message, and of all messages of a history."""


class Piece(NamedTuple):
    """A message, a call or a question of a run, and the version with which it began. Chunks that follow are about what
    is `open`."""

    since: int
    chunks: list[Chunk]
    open: bool = False


class Answered(NamedTuple):
    """What a page has answered, and in which message of its own: the stream goes on with that."""

    message: str | None
    approvals: tuple[ApprovalId, ...]
    tools: tuple[str, ...] = ()
    """Those of them that are calls of tools in the message."""


def start(turn: Turn, run: StreamedRun, state: State, message: str | None = None, omitted: int = 0) -> Chunk:
    """The first chunk of every stream; with how much of the message is left out."""
    id = message or run.task or f"turn.{turn.run}"
    about = {"chat": state.id, "run": turn.run, **({"omitted": omitted} if omitted else {})}
    return {"type": "start", "messageId": id, "messageMetadata": {OURS: about}}


def placed(chunks: Iterable[Chunk], run: StreamedRun, resume: str, begun: int) -> list[Placed]:
    """A beginning whose first `begun - 1` chunks have come: with ids that say so."""
    made = [*chunks]
    ids = [place_in(run, f"{resume}~{number}") for number in range(2, len(made) + 1)]
    return [Placed(*each) for each in zip(made, [*ids, place_in(run, resume)], strict=True)][max(0, begun - 1) :]


async def beginning(turn: Turn, run: StreamedRun, state: State, transcript: Transcript, viewer: Viewer) -> list[Chunk]:
    """All of a replay."""
    parts, omitted = await run_parts(run, state, transcript, viewer)
    return [start(turn, run, state, omitted=omitted), *_here(state, viewer), *parts]


def continuation(
    turn: Turn, run: StreamedRun, state: State, now: State, viewer: Viewer, answered: Answered
) -> list[Chunk]:
    """What a stream begins with that goes on with a message which the page has: what became of the questions, and the
    texts that are open again."""
    said, made = dict(speeches(state)), [start(turn, run, state, answered.message)]
    for id in answered.approvals:
        asked = now.approvals.known.get(id)
        if asked is not None and asked.status != "open" and visible(asked.audience, viewer):
            if id not in answered.tools:
                made.append(asking_tool_ended(asked))
            elif asked.option == NO and asked.status == "answered":
                made.append(denied(asked))
    for message in open_messages(state, viewer):
        speech, members = said[message.id], members_of_open(message)
        if not run.speaks(members):
            continue
        made += [part_started(members, "reasoning")] if speech.reasoning else []
        made += [part_started(members, "text")] if speech.text else []
    return made


def _here(state: State, viewer: Viewer) -> Iterator[Chunk]:
    """The shared state, and who is here: for `onData`."""
    yield transient("state", seen_by(state.document, viewer)[0])
    for who in participants(state, viewer):
        about = {"step": "here", "participant": who["id"], **{name: who[name] for name in who if name != "id"}}
        yield transient("agent-status", about, who["id"])


async def run_parts(run: StreamedRun, state: State, transcript: Transcript, viewer: Viewer) -> tuple[list[Chunk], int]:
    """The parts of a run's message, as chunks, and how many pieces are left out; made a little at a time, since other
    clients wait."""
    until = end_of_run(run.task, state, transcript)
    found = [*_questions(run, state, transcript, viewer, until)]
    task = None if run.task is None else state.tasks.known.get(run.task)
    over = task is not None and not task.unfinished  # then nothing of it is open
    said, kinds = {} if over else dict(speeches(state)), kinds_of(state)
    async for few in slices(transcript.between(run.since, until)):
        for entry in few:
            if entry.visible(viewer):
                chunks = [*_entry(entry, run, state, said, kinds)]
                found.append(Piece(entry.begun["version"], chunks, _ended(entry, state) is None))
    return await _newest(found)


async def _newest(pieces: list[Piece]) -> tuple[list[Chunk], int]:
    kept, size, left_out = list[list[Chunk]](), 0, 0
    async for few in slices(sorted(pieces, key=lambda each: each.since, reverse=True)):
        for piece in few:
            if piece.chunks and not piece.open and size <= MOST_BYTES:
                size += len(orjson.dumps(piece.chunks))
            if piece.open or size <= MOST_BYTES:
                kept.append(piece.chunks)
            elif piece.chunks:
                left_out += 1
    return [chunk for chunks in reversed(kept) for chunk in chunks], left_out


def _ended(entry: Entry, state: State) -> Members | None:
    """The end of a message or call, if it is over in this state."""
    return entry.ended if entry.ended is not None and entry.ended["version"] <= state.version else None


def end_of_run(task: TaskId | None, state: State, transcript: Transcript) -> int:
    """The version with which a run was over; the newest one, as long as it is not."""
    known = None if task is None else state.tasks.known.get(task)
    if known is None or known.unfinished:
        return state.version
    return transcript.runs.get(known.id, state.version)


def _entry(
    entry: Entry, run: StreamedRun, state: State, said: dict[MessageId, OpenSpeech], kinds: KindOf
) -> Iterator[Chunk]:
    begun, ended = entry.begun, _ended(entry, state)
    root = root_of(state, begun.get("task"))
    if not run.speaks(begun) and not run.shows(root if is_run(root) else None):
        return
    if entry.subject.startswith("message:"):
        yield from _message(begun, ended, run, state, said, kinds)
    elif begun["type"] == "tool.called":
        if run.speaks(begun):
            yield from [tool_called(begun), *([tool_ended(ended)] if ended else [])]
        else:
            yield from [agent_tool(begun), *([agent_tool_ended(ended)] if ended else [])]


def _message(
    begun: Members,
    ended: Members | None,
    run: StreamedRun,
    state: State,
    said: dict[MessageId, OpenSpeech],
    kinds: KindOf,
) -> Iterator[Chunk]:
    id, speaks = begun["data"]["message"], run.speaks(begun)
    if ended is not None:
        if begun["type"] == "message.posted" and not speaks and role_of(begun["actor"], True, kinds) == "user":
            yield user_message(ended)
            return
        whole = {**ended, "actor": begun["actor"]}
        yield from whole_message(whole) if speaks else [ended_agent_message(whole)]
        return
    message = state.messages.known[id]
    parts = [{"kind": part.kind, "text": part.text} for part in assemble(message.streamed)]
    if speaks:
        yield from _being_said(members_of_open(message), parts, said.get(id, OpenSpeech(text=True)))
    elif parts:
        yield agent_message(members_of_open(message), parts, "streaming")


def _being_said(members: Members, parts: list[Members], speech: OpenSpeech) -> Iterator[Chunk]:
    if thought := text_in(parts, "reasoning"):
        yield from [part_started(members, "reasoning"), part_delta(members, "reasoning", thought)]
        yield from [] if speech.reasoning else [part_ended(members, "reasoning")]
    if speech.text:
        yield part_started(members, "text")
        said = text_in(parts, "text")
        yield from [part_delta(members, "text", said)] if said else []


def _questions(run: StreamedRun, state: State, transcript: Transcript, viewer: Viewer, until: int) -> Iterator[Piece]:
    """Questions, and the calls of tools that they are for those who could answer; of an open one, that is at the
    stream's end."""
    for entry in transcript.asked_between(run.since, until):
        since, asked = entry.begun["version"], state.approvals.known.get(entry.begun["data"]["approval"])
        root = root_of(state, entry.begun.get("task"))
        shown = run.shows(root if is_run(root) else None)
        if asked is None or not shown or not entry.visible(viewer):
            continue
        over = entry.ended is not None and entry.ended["version"] <= state.version
        made = [agent_question(entry.begun), *([agent_answer(entry.ended)] if over and entry.ended else [])]
        if (
            root == run.task
            and asked.status != "open"
            and visible(asked.of, viewer)
            and not is_linked(asked, run, state)
        ):
            made += [asking_tool(asked), asking_tool_ended(asked)]
        yield Piece(since, made)


def is_linked(asked: Approval, run: StreamedRun, state: State) -> bool:
    """Whether a question is about a call of a tool by the assistant: it has the call's id."""
    call = state.tools.known.get(asked.id)
    return call is not None and run.task is not None and call.task == run.task


def questions(asked: Iterable[Approval], run: StreamedRun, state: State, behind: int) -> Iterator[Chunk]:
    """What a stream that ends with questions says of them: those that the page has not got are calls of tools, which
    want an approval. They are a step of their own where other calls are still open, or the SDK would wait for those."""
    new = [each for each in asked if each.since > behind]
    linked = [each for each in new if is_linked(each, run, state)]
    if new and not linked and run.task is not None and any(state.tools.open.under(run.task)):
        yield {"type": "start-step"}
    for each in new:
        yield from [] if each in linked else [asking_tool(each)]
        yield approval_request(each)
