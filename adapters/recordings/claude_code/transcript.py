"""A transcript of Claude Code as a session, entry by entry."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from ....domain.model import Actor, Command
from ..session_lines import slug
from .entries import USAGE, Entry, Rests, blocks_of, is_interrupt, is_prompt, part_of, text_of
from .files import ABOUT
from .meanwhile import Meanwhile
from .notes import Note
from .questions import answer, ask
from .writing import CLAUDE, PERSON, TEAM, SessionWriter, first_of, says_all

TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}
"""Entries that name the session, and the member that holds the name."""
SETTINGS = {
    "permission-mode": "permissionMode",
    "mode": "mode",
    "agent-name": "agentName",
    "pr-link": "prUrl",
    "last-prompt": "lastPrompt",
}
"""Entries that say how the session is set up."""
ERROR_CHARACTERS = 100_000
PEEKED_ENTRIES = 100
MAX_BESIDE_BYTES = 3_000
"""Beside the rest of what reported a call's output, the metadata of its return has room for so much."""


class Transcript:
    """Writes a session. Every entry leaves events that have all of it, but for the `repeats`: entries of a sub-agent
    that stand in its own file, and in its parent's as progress."""

    def __init__(self, session: str, on_command: Callable[[Command], None] | None = None) -> None:
        self.entries = self.repeats = 0
        self._write = SessionWriter(session, on_command)
        self._peeked: list[Entry] | None = []
        self.kept_raw = self._write.kept_raw
        self._meanwhile = Meanwhile(self._write)
        self._said: dict[str, tuple[str, Entry, Rests]] = {}
        """By agent, the message that it is writing, its last entry, and what is left of all but the first."""
        self._agents: dict[str, str] = {}
        """By the id of an entry without an agent's id: the sub-agent that it is of."""
        self._seen: dict[str, int] = {}
        """By the id of an entry of a sub-agent: the hash of its message."""
        self._number = 0

    @property
    def present(self) -> list[Actor]:
        """Those who are in the session now, in the order in which they came."""
        return [Actor(each.id, each.kind) for each in self._write.state.presence.in_order()]

    def lines(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The events of the session, in order, to its end."""
        for entry in entries:
            yield from self.take(entry)
        yield from self.end()

    def take(self, entry: Entry) -> Iterator[bytes]:
        """Go on by an entry; the events that come of it. Those of the first entries come together, once one of them
        says what the session is."""
        if self._peeked is None:
            yield from self._write_entry(entry)
            return
        self._peeked.append(entry)
        if says_all(entry) or len(self._peeked) >= PEEKED_ENTRIES:
            yield from self._begin()

    def end(self) -> Iterator[bytes]:
        """End the session where its entries end; the events of that."""
        yield from self._begin()
        if self.entries == 0:
            return
        for agent in list(self._said):
            self._finish(Actor(agent, "agent"))
        self._meanwhile.end()
        self._write.close()
        yield from self._write.flush()

    def note(self, note: Note) -> Iterator[bytes]:
        """What is known besides its entries; nothing before the first."""
        if self._peeked is None:
            self._write.note(note)
            yield from self._write.flush()

    def _begin(self) -> Iterator[bytes]:
        peeked, self._peeked = self._peeked, None
        if peeked:
            first = first_of(peeked)
            self._write.advance(first)
            self._write.open(first)
            for entry in peeked:
                yield from self._write_entry(entry)

    def _write_entry(self, entry: Entry) -> Iterator[bytes]:
        self.entries += 1
        if self._write.state.session.status == "closed":  # it has ended before, and was gone on with
            self._write.do(PERSON, "session.reopen")
        if is_prompt(entry):  # the turn before was over when its last entry was written
            self._finish(CLAUDE)
            self._meanwhile.finish()
        self._write.advance(entry)
        yield from self._write.flush()
        self._account(entry)
        yield from self._write.flush()

    def _account(self, entry: Entry) -> None:
        """Take an entry; if that is refused, or nothing comes of it, keep it as it is."""
        kind, held = str(entry.get("type")), self._meanwhile.held
        actor = self._actor(entry)
        self._write.join(PERSON, {})
        before = self._write.state.version
        self._write.refusal()
        try:
            self._take(kind, entry, actor)
            refused = self._write.refusal()
        except (AttributeError, KeyError, TypeError, ValueError):
            refused = f"{kind}: malformed"
        nothing = self._write.state.version == before and self._meanwhile.held == held
        if refused is not None or nothing:
            if refused is not None:
                self.kept_raw[refused] += 1
            self._write.record(actor, kind, entry)

    def _actor(self, entry: Entry) -> Actor:
        """Who an agent's entry comes from; each comes in when it first says something."""
        id = self._sub_agent(entry)
        actor = CLAUDE if id is None else Actor(f"agent-{slug(id)}", "agent")
        message, meta = entry.get("message"), entry.get(ABOUT)
        model = message.get("model") if isinstance(message, dict) else None
        about = {"model": model, "agent": id, "call": entry.get("sourceToolUseID")}
        about |= meta if isinstance(meta, dict) else {}
        self._write.join(actor, {name: value for name, value in about.items() if isinstance(value, str)})
        return actor

    def _sub_agent(self, entry: Entry) -> str | None:
        """The sub-agent's id; older versions have none, and it is that of the entry that it began with."""
        if entry.get("agentId"):
            return str(entry["agentId"])
        if not entry.get("isSidechain"):
            return None
        uuid, parent = str(entry.get("uuid")), str(entry.get("parentUuid"))
        self._agents[uuid] = agent = self._agents.get(parent, uuid[:8])
        return agent

    def _take(self, kind: str, entry: Entry, actor: Actor) -> None:
        if actor is not CLAUDE and self._is_said(entry, actor):
            return
        if not all(isinstance(entry.get(name, {}), dict) for name in ("message", "data", "attachment", "snapshot")):
            raise TypeError(kind)
        if kind in TITLES:
            title, rest = str(entry[TITLES[kind]]), self._write.rest(entry, TITLES[kind])
            about = {**rest, "title": title} if len(title) > 500 else rest
            self._write.do(PERSON, "session.describe", title=title[:500], metadata={kind: about} if about else None)
        elif kind in SETTINGS:
            rest = self._write.rest(entry, SETTINGS[kind])
            about = {SETTINGS[kind]: entry[SETTINGS[kind]], **({kind: rest} if rest else {})}
            self._write.do(PERSON, "session.describe", metadata=about)
        elif take := _TAKERS.get(kind):
            take(self, entry, actor)
        elif kind == "progress":
            self._progress(entry, actor)
        else:
            self._meanwhile.take(kind, entry, actor)

    def _is_said(self, entry: Entry, actor: Actor) -> bool:
        """Whether an entry of a sub-agent was there before; what it says else is kept."""
        uuid, says = str(entry.get("uuid")), hash(orjson.dumps(entry.get("message"), option=orjson.OPT_SORT_KEYS))
        if "uuid" not in entry or uuid not in self._seen:
            self._seen[uuid] = says
            return False
        self.repeats += 1
        is_same = self._seen[uuid] == says
        self._write.record(actor, "repeat", self._rest(entry, "message", "sourceToolUseID") if is_same else entry)
        return True

    # -- what was said

    def _person(self, entry: Entry, actor: Actor) -> None:
        """What a person typed, and what tools returned. To a sub-agent, it is the agent that speaks."""
        if is_interrupt(entry):
            self._interrupt(entry, actor)
            return
        blocks = blocks_of(entry.get("message", {}).get("content"))
        results = [block for block in blocks if block.get("type") == "tool_result"]
        for block in results:
            self._returned(block, entry, actor)
        parts = [part_of(block) for block in blocks if block.get("type") != "tool_result"]
        if not parts:
            return
        notes = bool(entry.get("isMeta") or entry.get("isCompactSummary") or results)
        for_team = notes or actor is not CLAUDE
        rest = self._rest(entry, "message", "toolUseResult") if not results else {}
        self._write.do(
            CLAUDE if for_team else PERSON,
            "message.post",
            message=self._id(entry, "-also" if results else ""),
            parts=parts,
            kind="progress" if notes else None,
            audience=TEAM if for_team else None,
            metadata=self._write.fit(actor, rest),
        )

    def _rest(self, entry: Entry, *shown: str) -> Entry:
        """What is left of a person's entry, whose blocks are parts."""
        message = entry.get("message", {})
        left = {name: value for name, value in message.items() if name not in ("role", "content") and value is not None}
        rest = self._write.rest({**entry, "message": None}, *shown)
        return {**rest, "message": left} if left else rest

    def _interrupt(self, entry: Entry, actor: Actor) -> None:
        """The person stopped the agent: what it was saying and calling ends there."""
        self._number += 1
        signal = f"interrupt-{self._number}"
        body = {"text": text_of(entry["message"]["content"]), **self._write.fit(actor, self._rest(entry))}
        raised = {"signal": signal, "kind": "cancel", "target": f"agent:{actor.id}", "body": body}
        is_raised = self._write.do(PERSON, "signal.raise", **raised)
        self._end(actor, "message.abort", reason="The person interrupted it.")
        if is_raised:
            self._write.do(actor, "signal.honour", signal=signal)

    def _assistant(self, entry: Entry, actor: Actor) -> None:
        """A piece of an answer: entries of one message's id are one message."""
        message, said = entry.get("message", {}), self._said.get(actor.id)
        id, rest = str(message.get("id") or self._id(entry)), self._write.rest(entry)
        if said is None or said[0] != id:
            self._finish(actor)
            how = {"audience": _audience(actor), "metadata": self._write.fit(actor, rest)}
            if not self._write.do(actor, "message.start", message=id, **how):
                return
            self._said[actor.id] = (id, entry, Rests())
        else:
            self._said[actor.id] = (id, entry, said[2])
            if not said[2].add(rest):
                self._write.record(actor, "rest", rest)
        for block in blocks_of(message.get("content")):
            self._said_or_called(block, id, actor)

    def _said_or_called(self, block: Entry, message: str, actor: Actor) -> None:
        kind, text = block.get("type"), block.get("text") or block.get("thinking")
        known = self._write.state.messages.known[message]
        if kind in ("text", "thinking") and text:
            part = "reasoning" if kind == "thinking" else None
            self._write.do(actor, "message.delta", message=message, index=known.index, text=text, part=part)
        elif kind == "tool_use" and block.get("name") == "AskUserQuestion":
            ask(self._write, block, actor)
        elif kind == "tool_use":
            called = {"call": block["id"], "tool": slug(str(block["name"])), "arguments": block.get("input")}
            how = {"audience": _audience(actor), "metadata": {"name": block["name"]}}
            self._write.do(actor, "tool.call", **called, message=message, **how)

    def _finish(self, actor: Actor) -> None:
        self._end(actor, "message.complete")

    def _end(self, actor: Actor, how: str, **why: str) -> None:
        """End the message that an agent is writing, if it is."""
        id, entry, rests = self._said.pop(actor.id, (None, {}, Rests()))
        if id is None or self._write.state.messages.known[id].status != "open":
            return
        message = entry.get("message", {})
        took = message.get("usage")
        usage = {name: took[name] for name in USAGE if name in took} if isinstance(took, dict) else {}
        if message.get("model"):
            usage = {"model": message["model"], **usage}
        metadata: Entry = {"stop": message.get("stop_reason")}
        if rests.entries:
            metadata["entries"] = rests.entries
        if not self._write.do(actor, how, message=id, usage=usage or None, metadata=metadata, **why):
            self._write.record(actor, "rest", {"message": id, "usage": usage, "metadata": metadata})
            self._write.do(actor, how, message=id, **why)

    # -- tools and sub-agents

    def _returned(self, block: Entry, entry: Entry, actor: Actor) -> None:
        """What a tool returned is kept beside the error, where it failed."""
        id, content = str(block.get("tool_use_id")), block.get("content")
        rest = self._rest(entry, "message", "toolUseResult")
        if id in self._write.state.approvals.known:
            answer(self._write, id, entry)
            self._write.record(actor, "answer", {**rest, "content": content, "result": entry.get("toolUseResult")})
            return
        text = content if isinstance(content, str) else text_of(content)
        error = (text or "It failed.")[:ERROR_CHARACTERS] if block.get("is_error") else None
        result = entry.get("toolUseResult", content)
        if error != content and "toolUseResult" in entry and not _repeats(content, result):
            rest["content"] = content
        metadata, rests = self._write.fit(actor, rest), self._meanwhile.returned(id)
        takes_along = bool(rests) and len(orjson.dumps(metadata)) < MAX_BESIDE_BYTES
        about = {**metadata, "progress": rests} if takes_along else metadata
        is_returned = self._write.do(actor, "tool.return", call=id, error=error, result=result, metadata=about)
        if rests and not (is_returned and takes_along):
            self._write.record(actor, "rest", {"call": id, "progress": rests})
        if isinstance(result, dict) and isinstance(agent := result.get("agentId"), str):
            self._leave(Actor(f"agent-{slug(agent)}", "agent"), result)

    def _leave(self, sub_agent: Actor, result: Entry) -> None:
        """A sub-agent whose result is there has finished; one that works in the background has not."""
        if sub_agent.id in self._write.state.presence and result.get("status", "completed") == "completed":
            self._finish(sub_agent)
            self._write.do(sub_agent, "presence.leave", reason="It returned.")

    def _progress(self, entry: Entry, actor: Actor) -> None:
        """What a sub-agent says, in its parent's transcript; or what goes on meanwhile."""
        data = entry.get("data", {})
        if data.get("type") != "agent_progress" or not isinstance(data.get("message"), dict):
            self._meanwhile.take("progress", entry, actor)
            return
        about = {name: value for name, value in data.items() if name not in ("type", "message", "agentId") and value}
        via = {**self._write.rest(entry, "data"), **({"data": about} if about else {})}
        call = str(entry.get("parentToolUseID"))
        inner = {**data["message"], "agentId": data.get("agentId") or call, "sourceToolUseID": call, "progress": via}
        sub_agent = self._actor(inner)
        before = self._write.state.version, self._meanwhile.held
        self._take(str(inner.get("type")), inner, sub_agent)
        if (self._write.state.version, self._meanwhile.held) == before:
            raise ValueError("Nothing comes of it.")

    def _id(self, entry: Entry, ending: str = "") -> str:
        self._number += 1
        return f"{entry.get('uuid') or f'entry-{self._number}'}{ending}"


def _audience(actor: Actor) -> list[str] | None:
    """Who sees what an agent says and calls: what a sub-agent does is between agents."""
    return None if actor is CLAUDE else TEAM


_TAKERS: dict[str, Callable[[Transcript, Entry, Actor], None]] = {
    "user": Transcript._person,
    "assistant": Transcript._assistant,
}
"""By type: what an entry becomes. The other types are `Meanwhile`'s."""


def _repeats(content: Any, result: Any) -> bool:
    """Whether what the model was told is in the result, too."""
    if content == result:
        return True
    text = content if isinstance(content, str) else None
    return text is not None and isinstance(result, dict) and text in result.values()
