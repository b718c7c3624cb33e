"""What goes on beside the talk: hooks, output of commands, queued prompts, snapshots of files."""

from collections import deque
from collections.abc import Callable

from ....domain.model import Actor
from .entries import Entry, Rests, blocks_of, part_of
from .writing import CLAUDE, PERSON, TEAM, SessionWriter

WORDS = ("hookName", "serverName", "toolName", "status", "query", "command")
NOTIFICATION = "<task-notification>"


class Meanwhile:
    """Writes these entries. `held` counts those that a later event takes along."""

    def __init__(self, write: SessionWriter) -> None:
        self.held = 0
        self._write = write
        self._notes: str | None = None
        self._note_rests = Rests()
        self._number = 0
        self._queue: deque[tuple[str | None, str]] = deque()
        """Signals of queued prompts that are open, and their texts; what is no prompt has none."""
        self._output: dict[str, str] = {}
        self._output_rests: dict[str, Rests] = {}

    def take(self, kind: str, entry: Entry, actor: Actor) -> None:
        """An entry of any type that is neither a user's nor an assistant's."""
        if taker := _TAKERS.get(kind):
            taker(self, entry, actor)
        else:
            self._write.record(actor, kind, entry)

    def finish(self) -> None:
        """End the message of notes. An interrupt may have ended it: what it was to take along is kept then, too."""
        if self._notes is None:
            return
        metadata = {"entries": self._note_rests.entries}
        if not self._is_noting() or not self._write.do(
            CLAUDE, "message.complete", message=self._notes, metadata=metadata
        ):
            self._write.record(CLAUDE, "rest", {"message": self._notes, **metadata})
        self._notes, self._note_rests = None, Rests()

    def end(self) -> None:
        """End the notes, and keep what is left of the output of calls that have not returned."""
        self.finish()
        for call in list(self._output_rests):
            self._write.record(CLAUDE, "rest", {"call": call, "progress": self.returned(call)})

    def _is_noting(self) -> bool:
        return self._notes is not None and self._write.state.messages.known[self._notes].status == "open"

    def returned(self, call: str) -> list[Entry]:
        """What is left of the entries that reported a call's output; they are over."""
        self._output.pop(call, None)
        return self._output_rests.pop(call, Rests()).entries

    def _progress(self, entry: Entry, actor: Actor) -> None:
        """A command's output, or a line."""
        data = entry.get("data", {})
        if data.get("type") == "bash_progress":
            self._put_out(entry, actor)
        else:
            words = [str(data[name]) for name in WORDS if data.get(name)]
            self._note(" ".join([str(data.get("type")), *words]), entry)

    def _put_out(self, entry: Entry, actor: Actor) -> None:
        """Each of these entries has all of the output so far, or its end."""
        data, call = entry["data"], str(entry.get("parentToolUseID"))
        whole = str(data.get("fullOutput") or data.get("output") or "")
        before, known = self._output.get(call, ""), self._write.state.tools.known.get(call)
        if known is None:
            self._write.record(actor, "progress", entry)
            return
        text = whole[len(before) :] if whole.startswith(before) else whole
        self._output[call] = whole
        if text:
            self._write.do(actor, "tool.output", call=call, index=known.index, text=text)
        about = {name: value for name, value in data.items() if name not in ("type", "output", "fullOutput")}
        rest = {**self._write.rest(entry, "data", "parentToolUseID"), "data": about}
        if self._output_rests.setdefault(call, Rests()).add(rest):
            self.held += 1
        else:
            self._write.record(actor, "rest", rest)

    def _note(self, line: str, entry: Entry) -> None:
        """One line of a progress message that goes on until a person speaks: in the transcript it is one entry."""
        of = {"agentId": entry["agentId"]} if "agentId" in entry else {}
        rest = {**self._write.rest(entry), **of}
        if not self._is_noting() or not self._note_rests.add(rest):
            self.finish()
            self._number += 1
            self._notes = f"progress-{self._number}"
            self._write.do(CLAUDE, "message.start", message=self._notes, kind="progress", audience=TEAM)
            if not self._note_rests.add(rest):
                self._write.record(CLAUDE, "rest", rest)
        notes = str(self._notes)
        index = self._write.state.messages.known[notes].index
        self._write.do(CLAUDE, "message.delta", message=notes, index=index, text=f"{line}\n")

    def _system(self, entry: Entry, actor: Actor) -> None:
        words = (str(entry[name]) for name in ("subtype", "content", "durationMs") if entry.get(name))
        self._note(" ".join(words), entry)

    def _attachment(self, entry: Entry, actor: Actor) -> None:
        """What was put into the context of the model."""
        data = entry.get("attachment", {})
        kind = str(data.get("type"))
        if kind.startswith("hook_"):
            words = (str(data[name]) for name in ("type", "hookName", "content", "stdout") if data.get(name))
            self._note(" ".join(words), entry)
            return
        if kind == "queued_command":
            self._read(data)
        part = {"kind": "data", "name": kind, "data": data}
        metadata = self._write.fit(actor, self._write.rest(entry, "attachment"))
        self._number += 1
        message = str(entry.get("uuid") or f"attachment-{self._number}")
        self._write.do(
            actor, "message.post", message=message, parts=[part], kind="progress", audience=TEAM, metadata=metadata
        )

    def _read(self, command: Entry) -> None:
        """The agent read a queued prompt in the middle of its turn. Some versions say so here alone."""
        text = _text(command.get("prompt"))
        if command.get("commandMode", "prompt") == "prompt" and any(body == text for _, body in self._queue):
            self._settle(text, "queued_command")

    def _queued(self, entry: Entry, actor: Actor) -> None:
        """What a person typed while the agent worked: an instruction, which is read at once (`remove`) or in the next
        turn (`dequeue`), or taken back to be edited (`popAll`)."""
        operation, content = entry.get("operation"), _text(entry.get("content"))
        if operation == "enqueue":
            self._enqueue(content, entry, actor)
        elif operation == "popAll":
            for signal, body in [each for each in self._queue if content in ("", each[1])]:
                if signal is not None:
                    self._write.do(PERSON, "signal.withdraw", signal=signal)
                self._queue.remove((signal, body))
        else:
            self._settle(content, str(operation))

    def _enqueue(self, content: str, entry: Entry, actor: Actor) -> None:
        if content.startswith(NOTIFICATION) or not content:
            self._queue.append((None, content))
            self._write.record(actor, "queue-operation", entry)
            return
        self._number += 1
        signal = f"queued-{self._number}"
        steer = {"signal": signal, "kind": "steer", "target": f"agent:{CLAUDE.id}", "body": entry["content"]}
        is_raised = self._write.do(PERSON, "signal.raise", **steer)
        self._queue.append((signal if is_raised else None, content))

    def _settle(self, content: str, how: str) -> None:
        """The agent reads what waits: this text, or the first."""
        waiting = next((each for each in self._queue if content in ("", each[1])), None)
        if waiting is not None:
            self._queue.remove(waiting)
            if waiting[0] is not None:
                self._write.do(CLAUDE, "signal.honour", signal=waiting[0], reason=how)

    def _snapshot(self, entry: Entry, actor: Actor) -> None:
        """Which files have backups: in the shared state, and in an event, since a merge leaves null members out."""
        files = entry.get("snapshot", {}).get("trackedFileBackups") or {}
        if files:
            self._write.do(actor, "state.merge", patch={"files": files}, audience=TEAM)
        self._write.record(actor, "file-history-snapshot", entry)


_TAKERS: dict[str, Callable[[Meanwhile, Entry, Actor], None]] = {
    "progress": Meanwhile._progress,
    "system": Meanwhile._system,
    "attachment": Meanwhile._attachment,
    "queue-operation": Meanwhile._queued,
    "file-history-snapshot": Meanwhile._snapshot,
}


def _text(content: object) -> str:
    return (
        content
        if isinstance(content, str)
        else "\n".join(str(part_of(block).get("text", "")) for block in blocks_of(content))
    )
