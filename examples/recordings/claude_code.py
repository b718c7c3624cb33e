"""Turns a transcript of Claude Code into the events of a session, as JSONL that `stenogram import` takes.

    python examples/recordings/claude_code.py ~/.claude/projects/-app/5555….jsonl --session app | stenogram import -

Which entry becomes which event, docs/how-to/record-a-coding-agent.md says. Several files (a session's, and its
sub-agents') are read in the order of their times. What the rules refuse (a result of a call that there is not) is
counted on stderr, and left out.
"""

import argparse
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from session_lines import SessionLines
from who_and_when import slug

from stenogram.domain.commands import parse_command
from stenogram.domain.errors import Refused
from stenogram.domain.model import Actor

Entry = dict[str, Any]
PERSON, CLAUDE = Actor("person", "user"), Actor("claude", "agent")
TEAM = ["agents"]
TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}
"""Entries that name the session, and the member that holds the name."""
SETTINGS = {"permission-mode": "permissionMode", "mode": "mode", "agent-name": "agentName", "pr-link": "prUrl"}
"""Entries that say how the session is set up."""
REPEATS = ("last-prompt",)
"""Entries that say again what another one says."""
USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
ERROR_CHARACTERS = 10_000


class Transcript:
    """Writes a session, entry by entry. `left_out` counts what was refused, by its code."""

    def __init__(self, session: str) -> None:
        self.left_out: Counter[str] = Counter()
        self._written = SessionLines(session)
        self._made: list[bytes] = []
        self._time = datetime.fromtimestamp(0, UTC)
        self._said: dict[str, tuple[str, Entry]] = {}
        """By agent, the message that it is writing, and the last entry of it."""
        self._notes: str | None = None
        self._number = 0
        self._queue: deque[tuple[str, str]] = deque()
        self._output: dict[str, str] = {}

    def lines(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The events of the session, in order."""
        entries = list(entries)
        self._at(next((entry for entry in entries if entry.get("timestamp")), {}))
        for entry in entries:
            self._at(entry)
            if self._written.state.version == 0:
                about = {name: entry[name] for name in ("cwd", "gitBranch", "version") if entry.get(name)}
                self._do(PERSON, "session.open", labels={"source": "claude-code"}, metadata=about)
                self._do(PERSON, "presence.join")
            self._take(entry, self._actor(entry))
            yield from self._flush()
        for agent in list(self._said):
            self._finish(Actor(agent, "agent"))
        self._finish_notes()
        self._do(PERSON, "session.close", reason="The transcript ends.")
        yield from self._flush()

    def _flush(self) -> list[bytes]:
        made, self._made = self._made, []
        return made

    def _at(self, entry: Entry) -> None:
        if isinstance(said := entry.get("timestamp"), str):
            self._time = max(self._time, datetime.fromisoformat(said).astimezone(UTC))

    def _do(self, actor: Actor, do: str, **data: Any) -> bool:
        """Carry out a command, as it would be sent; whether the rules took it."""
        given = {name: value for name, value in data.items() if value is not None}
        try:
            self._made += self._written.lines(actor, self._time, parse_command(do, given))
        except Refused as refusal:
            self.left_out[f"{do}: {refusal.code}"] += 1
            return False
        return True

    def _actor(self, entry: Entry) -> Actor:
        """Who an agent's entry comes from; each comes in when it first says something."""
        actor = Actor(f"agent-{entry['agentId']}", "agent") if entry.get("agentId") else CLAUDE
        if actor.id not in self._written.state.presence:
            message = entry.get("message")
            self._do(
                actor, "presence.join", about={"model": message.get("model")} if isinstance(message, dict) else None
            )
        return actor

    def _take(self, entry: Entry, actor: Actor) -> None:
        kind = str(entry.get("type"))
        if kind in TITLES:
            self._do(PERSON, "session.describe", title=str(entry.get(TITLES[kind]))[:500])
        elif kind in SETTINGS:
            self._do(PERSON, "session.describe", metadata={SETTINGS[kind]: entry.get(SETTINGS[kind])})
        elif not all(isinstance(entry.get(name, {}), dict) for name in ("message", "data", "attachment", "snapshot")):
            self.left_out[f"{kind}: malformed"] += 1
        elif take := _TAKERS.get(kind):
            take(self, entry, actor)
        elif kind not in REPEATS:
            self._do(actor, "custom.record", type=f"x.claude_code.{slug(kind).replace('-', '_')}", data=entry)

    # -- what was said

    def _person(self, entry: Entry, actor: Actor) -> None:
        """What a person typed, and what tools returned. To a sub-agent, it is the agent that speaks."""
        blocks = _blocks(entry.get("message", {}).get("content"))
        results = [block for block in blocks if block.get("type") == "tool_result"]
        for block in results:
            self._returned(block, entry, actor)
        parts = [_part(block) for block in blocks if block.get("type") != "tool_result"]
        if parts and not results:
            if actor is CLAUDE:
                self._finish_notes()
            for_team = entry.get("isMeta") or actor is not CLAUDE
            how = {"kind": "progress" if entry.get("isMeta") else None, "audience": TEAM if for_team else None}
            speaker = CLAUDE if actor is not CLAUDE else PERSON
            self._do(speaker, "message.post", message=self._id(entry), parts=parts, metadata=_metadata(entry), **how)

    def _assistant(self, entry: Entry, actor: Actor) -> None:
        """A piece of an answer: entries of one message's id are one message."""
        message, said = entry.get("message", {}), self._said.get(actor.id)
        id = str(message.get("id") or self._id(entry))
        if said is None or said[0] != id:
            self._finish(actor)
            audience = None if actor is CLAUDE else TEAM
            self._do(actor, "message.start", message=id, audience=audience, metadata=_metadata(entry))
        self._said[actor.id] = (id, entry)
        for block in _blocks(message.get("content")):
            kind, text = block.get("type"), block.get("text") or block.get("thinking")
            if kind in ("text", "thinking") and text:
                index = self._written.state.messages.known[id].index
                part = "reasoning" if kind == "thinking" else None
                self._do(actor, "message.delta", message=id, index=index, text=text, part=part)
            elif kind == "tool_use":
                self._called(block, id, actor)

    def _finish(self, actor: Actor) -> None:
        id, entry = self._said.pop(actor.id, (None, {}))
        if id is not None:
            message = entry.get("message", {})
            usage = {name: message["usage"][name] for name in USAGE if name in message.get("usage", {})}
            reports = {
                "usage": {"model": message.get("model"), **usage},
                "metadata": {"stop": message.get("stop_reason")},
            }
            self._do(actor, "message.complete", message=id, **reports)

    # -- tools

    def _called(self, block: Entry, message: str, actor: Actor) -> None:
        if block.get("name") == "AskUserQuestion":
            self._ask(block, actor)
        else:
            called = {"call": block["id"], "tool": slug(str(block.get("name"))), "arguments": block.get("input")}
            self._do(actor, "tool.call", **called, message=message, metadata={"name": block.get("name")})

    def _returned(self, block: Entry, entry: Entry, actor: Actor) -> None:
        """What a tool returned is kept beside the error, where it failed."""
        id, content = str(block.get("tool_use_id")), block.get("content")
        if id in self._written.state.approvals.known:
            self._answer(id, entry, actor)
            return
        text = content if isinstance(content, str) else _text(content or [])
        error = (text or "It failed.")[:ERROR_CHARACTERS] if block.get("is_error") else None
        result = entry.get("toolUseResult", content)
        self._do(actor, "tool.return", call=id, error=error, result=result, metadata=_metadata(entry))

    def _ask(self, block: Entry, actor: Actor) -> None:
        asked = block.get("input", {}).get("questions") or []
        questions = [
            {
                "name": f"q{number}",
                "question": each["question"][:2_000],
                "options": [option["label"][:200] for option in each.get("options", [])],
                "several": bool(each.get("multiSelect")),
                "own_words": True,
            }
            for number, each in enumerate(asked, 1)
        ]
        about = " · ".join(str(each.get("header") or each["question"]) for each in asked)[:2_000]
        self._do(actor, "approval.request", approval=block["id"], question=about or "?", questions=questions)

    def _answer(self, id: str, entry: Entry, actor: Actor) -> None:
        result = entry.get("toolUseResult")
        said = result.get("answers") if isinstance(result, dict) else None
        asked = self._written.state.approvals.known[id].questions
        if not said:
            self._do(actor, "approval.withdraw", approval=id, reason="The person did not answer.")
            return
        answers = {each.name: _choice(str(said.get(each.question, "")), each.options) for each in asked}
        self._do(PERSON, "approval.answer", approval=id, answers=answers)

    # -- what goes on meanwhile

    def _progress(self, entry: Entry, actor: Actor) -> None:
        """A command's output, a sub-agent's entry, or a line."""
        data, call = entry.get("data", {}), str(entry.get("parentToolUseID"))
        kind = data.get("type")
        if kind == "agent_progress" and isinstance(data.get("message"), dict):
            inner = {**data["message"], "agentId": data.get("agentId", call)}
            self._take(inner, self._actor(inner))
        elif kind == "bash_progress":
            self._put_out(call, str(data.get("fullOutput") or data.get("output") or ""), actor)
        else:
            words = [data.get(name) for name in ("hookName", "serverName", "toolName", "status", "query", "command")]
            self._note(" ".join([str(kind), *[str(word) for word in words if word]]))

    def _put_out(self, call: str, whole: str, actor: Actor) -> None:
        """Each of these entries has all of the output so far, or its end."""
        before, known = self._output.get(call, ""), self._written.state.tools.known.get(call)
        text = whole[len(before) :] if whole.startswith(before) else whole
        self._output[call] = whole
        if text and known is not None:
            self._do(actor, "tool.output", call=call, index=known.index, text=text)

    def _note(self, line: str) -> None:
        """One line of a progress message that goes on until a person speaks: in the transcript it is one entry."""
        if self._notes is None:
            self._number += 1
            self._notes = f"progress-{self._number}"
            self._do(CLAUDE, "message.start", message=self._notes, kind="progress", audience=TEAM)
        index = self._written.state.messages.known[self._notes].index
        self._do(CLAUDE, "message.delta", message=self._notes, index=index, text=f"{line}\n")

    def _finish_notes(self) -> None:
        if self._notes is not None:
            self._do(CLAUDE, "message.complete", message=self._notes)
            self._notes = None

    def _system(self, entry: Entry, actor: Actor) -> None:
        self._note(" ".join(str(entry[name]) for name in ("subtype", "content", "durationMs") if entry.get(name)))

    def _attachment(self, entry: Entry, actor: Actor) -> None:
        """What was put into the context of the model."""
        data = entry.get("attachment", {})
        if str(data.get("type")).startswith("hook_"):
            self._note(
                " ".join(str(data[name]) for name in ("type", "hookName", "content", "stdout") if data.get(name))
            )
            return
        part = {"kind": "data", "name": str(data.get("type")), "data": data}
        self._do(actor, "message.post", message=self._id(entry), parts=[part], kind="progress", audience=TEAM)

    def _queued(self, entry: Entry, actor: Actor) -> None:
        """What a person typed while the agent worked: an instruction, which is read at once (`remove`) or in the next
        turn (`dequeue`), or taken back to be edited (`popAll`)."""
        operation, content = entry.get("operation"), entry.get("content")
        if operation == "enqueue":
            self._number += 1
            signal = f"queued-{self._number}"
            steer = {"signal": signal, "kind": "steer", "target": f"agent:{CLAUDE.id}", "body": content}
            if self._do(PERSON, "signal.raise", **steer):
                self._queue.append((signal, str(content)))
            return
        waiting = [signal for signal, body in self._queue if content in (None, body)]
        for signal in waiting if operation == "popAll" else waiting[:1]:
            taken = (PERSON, "signal.withdraw") if operation == "popAll" else (CLAUDE, "signal.honour")
            self._do(*taken, signal=signal)
            self._queue = deque(each for each in self._queue if each[0] != signal)

    def _snapshot(self, entry: Entry, actor: Actor) -> None:
        files = entry.get("snapshot", {}).get("trackedFileBackups") or {}
        if files:
            self._do(actor, "state.merge", patch={"files": files}, audience=TEAM)

    def _id(self, entry: Entry) -> str:
        self._number += 1
        return str(entry.get("uuid") or f"entry-{self._number}")


_TAKERS: dict[str, Callable[[Transcript, Entry, Actor], None]] = {
    "user": Transcript._person,
    "assistant": Transcript._assistant,
    "progress": Transcript._progress,
    "system": Transcript._system,
    "attachment": Transcript._attachment,
    "queue-operation": Transcript._queued,
    "file-history-snapshot": Transcript._snapshot,
}
"""By type: what an entry becomes."""


def _blocks(content: Any) -> list[Entry]:
    """What is said, which may be a text alone."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _part(block: Entry) -> Entry:
    if block.get("type") == "text":
        return {"kind": "text", "text": block.get("text", "")}
    return {"kind": "data", "name": str(block.get("type")), "data": block}


def _text(blocks: list[Entry]) -> str:
    return "\n".join(str(block.get("text")) for block in blocks if block.get("type") == "text")


def _metadata(entry: Entry) -> Entry:
    kept = {name: entry.get(name) for name in ("uuid", "parentUuid", "requestId") if entry.get(name)}
    return {"entry": kept} if kept else {}


def _choice(said: str, options: tuple[str, ...]) -> Entry:
    """The options that were chosen; or what was said instead."""
    chosen = [each for each in said.split(", ") if each]
    if chosen and {*chosen} <= {*options}:
        return {"options": chosen}
    return {"words": said[:10_000] or "(nothing)"}


def read(files: Iterable[Path]) -> list[Entry]:
    """The entries of all files, in the order of their times; what has no time stays behind what was before it."""
    timed, last = [], ""
    for file in files:
        for line in file.read_bytes().splitlines():
            if isinstance(entry := orjson.loads(line), dict):
                last = str(entry.get("timestamp") or last)
                timed.append((last, entry))
    return [entry for _, entry in sorted(timed, key=lambda each: each[0])]


def main() -> None:
    """Write the JSONL of one session to stdout."""
    parser = argparse.ArgumentParser(description="Turn a transcript of Claude Code into JSONL for `stenogram import`.")
    parser.add_argument("files", type=Path, nargs="+", help="the session's transcript, and those of its sub-agents")
    parser.add_argument("--session", help="the session's id; by default claude-<file name>")
    given = parser.parse_args()
    transcript = Transcript(given.session or f"claude-{slug(given.files[0].stem)}")
    for line in transcript.lines(read(given.files)):
        sys.stdout.buffer.write(line + b"\n")
    for refused, number in transcript.left_out.most_common():
        print(f"left out {number} × {refused}", file=sys.stderr)


if __name__ == "__main__":
    main()
