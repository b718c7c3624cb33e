"""The messages of a chat, as a page has them when it is loaded: what people said, and an assistant's message for each
run that is over. What an agent said under none is a message of its own.

A run's message has the parts that its stream brings: it is made by the same chunks. The last ones are given that are
not too many bytes together; what is of no run is in all that were under way then, and counts in each. A run that
another one has answered again is left out, and one that is under way: its message comes by its stream.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

import orjson

from ....domain.audience import Viewer, visible
from ....domain.concepts.tasks import Task
from ....domain.state import State
from ....projections.runner.time_slices import slices
from ..envelopes import CLIENT_ID, KindOf, Members, kinds_of, message_id, role_of
from ..transcript import Entry, Transcript
from ..turn import OUTCOMES, RUN, is_run
from . import OURS
from .chat_requests import replaced_by
from .chunks import Chunk, page_metadata, ui_parts, whole_message
from .replay import MOST_BYTES, end_of_run, run_parts
from .translation import StreamedRun


class Windows:
    """From which version to which runs went, by their beginnings."""

    def __init__(self, windows: list[tuple[int, int]]) -> None:
        self._since = [since for since, _ in windows]
        self._until = [*accumulate((until for _, until in windows), max)]

    def hold(self, version: int) -> bool:
        """Whether a run was under way."""
        begun = bisect_left(self._since, version)
        return begun > 0 and version <= self._until[begun - 1]


async def history(state: State, transcript: Transcript, viewer: Viewer) -> tuple[list[Members], int]:
    """The messages, and how many messages, calls and runs are left out."""
    runs = _runs(state, viewer)
    windows = Windows([(task.since, end_of_run(task.id, state, transcript)) for task in runs])
    replaced = {replaced_by(task.id) for task in runs}
    found, size, left_out, oldest, kinds = list[tuple[int, Members]](), 0, 0, 0, kinds_of(state)
    async for few in slices([*transcript.newest_first()]):
        for entry in few:
            if not entry.visible(viewer):
                continue
            if size <= MOST_BYTES:
                size += len(orjson.dumps((entry.ended or entry.begun)["data"]))
            if size > MOST_BYTES:
                left_out += 1
                oldest = oldest or entry.begun["version"]  # of runs that began before, something is left out
                continue
            found += [(entry.begun["version"], each) for each in _single(entry, windows, kinds, state)]
    size = 0
    for task in reversed(runs):
        if task.unfinished or task.since < oldest or task.id in replaced:
            continue
        if size > MOST_BYTES:
            left_out += 1
            continue
        chunks, omitted = await run_parts(StreamedRun(task.id, task.since), state, transcript, viewer)
        left_out += omitted
        found.append((task.since, _of_run(task, state, chunks)))
        size += len(orjson.dumps(found[-1][1]))
    return [message for _, message in sorted(found, key=lambda each: each[0])], left_out


def _runs(state: State, viewer: Viewer) -> list[Task]:
    found = [task for task in state.tasks.known.values() if is_run(task.id) and visible(task.audience, viewer)]
    return sorted(found, key=lambda each: each.since)


def _of_run(task: Task, state: State, chunks: list[Chunk]) -> Members:
    about = {OURS: {"chat": state.id, "run": task.id.removeprefix(RUN), "outcome": OUTCOMES[task.status]}}
    return {"id": task.id, "role": "assistant", "metadata": about, "parts": ui_message_parts(chunks)}


def _single(entry: Entry, windows: Windows, kinds: KindOf, state: State) -> Iterable[Members]:
    """A message that is not part of a run's: a person's, or what an agent said under none."""
    begun, ended = entry.begun, entry.ended
    if not entry.subject.startswith("message:") or ended is None:
        return
    data, posted = ended["data"], begun["type"] == "message.posted"
    if posted and role_of(begun["actor"], True, kinds) == "user":
        metadata = page_metadata(data)
        about = {} if metadata is None else {"metadata": metadata}
        yield {"id": _page_id(data, state), "role": "user", **about, "parts": ui_parts(data["parts"])}
        return
    if windows.hold(begun["version"]):
        return
    parts = ui_message_parts([*whole_message({**ended, "actor": begun["actor"]})])
    about = {OURS: {"agent": begun["actor"]}}
    yield {"id": data["message"], "role": "assistant", "metadata": about, "parts": parts}


def _page_id(data: Members, state: State) -> str:
    """The id of a message for its page; one that was edited has the other's. That must be known here, too, lest the
    message is posted once more when it comes back."""
    given = (data.get("metadata") or {}).get(CLIENT_ID)
    return given if isinstance(given, str) and message_id(given) in state.messages.known else str(data["message"])


def ui_message_parts(chunks: Iterable[Chunk]) -> list[Members]:
    """The parts of a message that these chunks make, as the SDK makes them."""
    parts, open = list[Members](), dict[str, Members]()
    for chunk in chunks:
        type, _, step = chunk["type"].rpartition("-")
        if type in ("text", "reasoning"):
            _text(parts, open, chunk, type, step)
        elif chunk["type"].startswith("tool-"):
            _tool(parts, open, chunk)
        elif chunk["type"].startswith("data-"):
            if not chunk.get("transient"):
                _data(parts, open, chunk)
        else:
            parts.append(chunk)
    return parts


def _text(parts: list[Members], open: dict[str, Members], chunk: Chunk, kind: str, step: str) -> None:
    key = f"{kind}/{chunk['id']}"
    if step == "start":
        open[key] = {"type": kind, "text": "", "state": "streaming", "providerMetadata": chunk["providerMetadata"]}
        parts.append(open[key])
    elif step == "delta":
        open[key]["text"] += chunk["delta"]
    else:
        more = ("providerMetadata",) if "providerMetadata" in chunk else ()
        open[key] |= {"state": "done", **{name: chunk[name] for name in more}}


def _tool(parts: list[Members], open: dict[str, Members], chunk: Chunk) -> None:
    key, step = f"call/{chunk['toolCallId']}", chunk["type"].removeprefix("tool-")
    if step == "input-available":
        made = {"type": f"tool-{chunk['toolName']}", "toolCallId": chunk["toolCallId"], "state": step}
        open[key] = {**made, "input": chunk["input"]}
        open[key] |= {name: chunk[name] for name in ("providerExecuted",) if name in chunk}
        if "providerMetadata" in chunk:
            open[key]["callProviderMetadata"] = chunk["providerMetadata"]
        parts.append(open[key])
        return
    part = open[key]
    part["state"] = step
    part |= {name: chunk[name] for name in ("output", "errorText", "providerExecuted") if name in chunk}
    if "providerMetadata" in chunk:
        part["resultProviderMetadata"] = chunk["providerMetadata"]
    if step == "output-denied":
        part["approval"] = {"id": chunk["toolCallId"], "approved": False}


def _data(parts: list[Members], open: dict[str, Members], chunk: Chunk) -> None:
    key = f"{chunk['type']}/{chunk.get('id')}"
    if key in open:
        open[key]["data"] = chunk["data"]
    else:
        open[key] = dict(chunk)
        parts.append(open[key])
