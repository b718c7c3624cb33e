"""What begins and ends with an event of a session, beyond what the event itself says. Pure.

Foreign protocols bracket: a text is opened before its first piece and closed behind its last, and so is each thought;
a change of state is a JSON Patch. A delta says neither, and a merge patch means something only to the document that it
meets. The fold knows, since it has seen what came before. What it finds out about an event is true wherever one looks
from: so those who read the same events from different places share it, and what is encoded with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import orjson

from ...domain.concepts import document
from ...domain.concepts.document import Document
from ...domain.envelope import decode
from ...domain.ids import MessageId, ParticipantId, TaskId
from ...domain.json.diff import difference
from ...domain.model import Kind
from ...domain.parts import StreamedKind, assemble
from ...domain.state import State
from ...log.records import Record
from .run_fold import RunFold, RunStep

BEGINNINGS = ("message.posted", "message.started", "tool.called", "approval.requested")
STREAMED_KINDS: tuple[StreamedKind, ...] = get_args(StreamedKind)


class EventFact(NamedTuple):
    """What else happens with one event. `closes` is what of its message ends before it, `opens` what begins then, and
    `ends` what is over behind it; `rest` is what a message's end adds to what was streamed. `patch` is a change of
    state as a JSON Patch. `serves` says of a tool call that it can be shown in its message: it is by and for the same,
    and under the same task. `due` says of a piece that all so far has grown enough since it was
    last due to be said again, for protocols that have no pieces."""

    closes: tuple[StreamedKind, ...] = ()
    opens: tuple[StreamedKind, ...] = ()
    rest: tuple[tuple[StreamedKind, str], ...] = ()
    ends: tuple[StreamedKind, ...] = ()
    patch: tuple[dict[str, Any], ...] = ()
    serves: bool = False
    again: bool = False
    thought: str = ""
    run: RunStep | None = None
    due: bool = False


NOTHING = EventFact()
DUE = EventFact(due=True)
DUE_SHARE = 32
"""All so far is due when it has grown by one part in so many: it is said in so many times its length at most."""


class OpenSpeech(NamedTuple):
    """A message that is being streamed: what is open of it, how many characters there were of each kind, and how many
    when all was last due."""

    text: bool = False
    reasoning: bool = False
    chars: tuple[int, int] = (0, 0)
    said: int = 0

    def opened(self, kind: StreamedKind) -> tuple["OpenSpeech", EventFact]:
        """With the next piece of this kind; a thought ends where words begin, a text goes on behind a thought."""
        if kind == "reasoning":
            if self.reasoning:
                return self, NOTHING
            return self._replace(reasoning=True), EventFact(opens=("reasoning",), again=self.chars[1] > 0)
        closes: tuple[StreamedKind, ...] = ("reasoning",) if self.reasoning else ()
        opens: tuple[StreamedKind, ...] = () if self.text else ("text",)
        fact = EventFact(closes=closes, opens=opens) if closes or opens else NOTHING
        return self._replace(text=True, reasoning=False), fact

    def longer(self, kind: StreamedKind, chars: int) -> "OpenSpeech":
        """With so many characters more."""
        text, reasoning = self.chars
        return self._replace(chars=(text + chars, reasoning) if kind == "text" else (text, reasoning + chars))

    @property
    def due(self) -> bool:
        """Whether it has grown enough."""
        return sum(self.chars) > self.said + self.said // DUE_SHARE


class Whose(NamedTuple):
    """By whom something is, under which task, and for whom."""

    actor: ParticipantId
    task: TaskId | None
    audience: tuple[str, ...] | None


def whose_is(members: dict[str, Any]) -> Whose:
    """Of an envelope."""
    audience = members.get("audience")
    return Whose(members["actor"], members.get("task"), None if audience is None else tuple(audience))


def speeches(state: State) -> Iterator[tuple[MessageId, OpenSpeech]]:
    """What is open of each open message, from the session's state."""
    messages = [state.messages.known[id] for id in state.messages.open.of(None)]
    if not messages:
        return
    called = {(each.message, Whose(each.caller, each.task, each.audience)) for each in state.tools.known.values()}
    for message in messages:
        speech = OpenSpeech()
        for part in assemble(message.streamed):
            speech = speech.opened(part.kind)[0].longer(part.kind, len(part.text))
        if (message.id, Whose(message.author, message.task, message.audience)) in called:
            speech = speech._replace(text=True)
        yield message.id, speech


def _thought_first(state: State) -> Iterator[MessageId]:
    for id in state.messages.open.of(None):
        parts = assemble(state.messages.known[id].streamed)
        if parts and parts[0].kind == "reasoning":
            yield id


class SpeechFold:
    """Folds the events of one session, in order, from a state on."""

    def __init__(self, state: State) -> None:
        self.version: int = state.version
        self.kinds: dict[ParticipantId, Kind] = {id: each.kind for id, each in state.presence.items()}
        """What each participant is who has ever joined."""
        known = state.messages.known
        self._document: Document = state.document
        self._before: dict[str, Mapping[str, Any]] = {
            "message": known,
            "tool": state.tools.known,
            "approval": state.approvals.known,
        }
        self._since: dict[str, int] = {}
        self._whose: dict[MessageId, Whose] = {
            id: Whose(each.author, each.task, each.audience) for id, each in known.items()
        }
        self._open = dict(speeches(state))
        self.thought_first: set[MessageId] = {*_thought_first(state)}
        """The messages that began with a thought, as far as they were streamed."""
        self._thoughts: dict[MessageId, list[str]] = {}
        for id in self._open:
            parts = assemble(known[id].streamed)
            if parts and parts[-1].kind == "reasoning":
                self._thoughts[id] = [parts[-1].text]
        self.runs = RunFold(state)

    def run_of(self, task: TaskId | None) -> TaskId | None:
        """The run that a task is a part of."""
        return self.runs.run_of(task)

    def author(self, message: MessageId) -> ParticipantId | None:
        """Whose a message is: somebody else may end it."""
        whose = self._whose.get(message)
        return None if whose is None else whose.actor

    def since(self, subject: str) -> int:
        """The version with which a message, a call or an approval began, by its subject."""
        if subject in self._since:
            return self._since[subject]
        kind, _, id = subject.partition(":")
        known = self._before[kind].get(id)
        return self.version if known is None else known.since

    def add(self, record: Record) -> EventFact:
        """The next event, and what else happens with it."""
        self.version = record.version
        if record.type in BEGINNINGS:
            self._since[record.subject] = record.version
        fact, step = self._speech(record), self.runs.add(record)
        return fact if step is None else fact._replace(run=step)

    @property
    def document(self) -> Document:
        """The shared state as it is now."""
        return self._document

    def _speech(self, record: Record) -> EventFact:
        kind, _, step = record.type.partition(".")
        if kind == "message":
            return self._of_message(step, orjson.loads(record.data))
        if kind == "state":
            return self._of_state(record)
        if record.type == "tool.called":
            return self._of_call(orjson.loads(record.data))
        if record.type == "presence.joined":
            data = orjson.loads(record.data)["data"]
            self.kinds[data["participant"]] = data["kind"]
        return NOTHING

    def _of_message(self, step: str, members: dict[str, Any]) -> EventFact:
        data = members["data"]
        id = data["message"]
        if step == "delta":
            kind: StreamedKind = data.get("part") or "text"
            before = self._open.get(id, OpenSpeech())
            if kind == "reasoning" and before.chars == (0, 0):
                self.thought_first.add(id)
            speech, fact = before.opened(kind)
            if kind == "reasoning":
                self._thoughts.setdefault(id, []).append(data["text"])
            elif "reasoning" in fact.closes:
                fact = fact._replace(thought="".join(self._thoughts.pop(id, ())))
            speech = speech.longer(kind, len(data["text"]))
            if speech.due:
                speech = speech._replace(said=sum(speech.chars))
                fact = DUE if fact is NOTHING else fact._replace(due=True)
            self._open[id] = speech
            return fact
        if step in ("posted", "started"):
            self._whose[id] = whose_is(members)
        if step == "started":
            self._open[id] = OpenSpeech()
        if step in ("completed", "aborted"):
            fact, thought = _end(self._open.pop(id, OpenSpeech()), data["parts"]), self._thoughts.pop(id, [])
            return fact._replace(
                thought="".join([*thought, *[more for kind, more in fact.rest if kind == "reasoning"]])
            )
        return NOTHING

    def _of_call(self, members: dict[str, Any]) -> EventFact:
        id = members["data"].get("message")
        if self._whose.get(id) != whose_is(members):
            return NOTHING
        speech = self._open.get(id)
        if speech is None or speech.text:
            return EventFact(serves=True)
        self._open[id] = speech._replace(text=True)
        return EventFact(opens=("text",), serves=True, thought="".join(self._thoughts.pop(id, ())))

    def _of_state(self, record: Record) -> EventFact:
        event = decode(record.data, record.position, record.session, record.version)
        before, self._document = self._document.value, document.evolve(self._document, event)
        if record.type == "state.patched":
            return NOTHING
        return EventFact(patch=tuple(difference(before, self._document.value)))


def _end(speech: OpenSpeech, parts: list[dict[str, Any]]) -> EventFact:
    """The end of a message whose `parts` are all of it. One of which nothing was said yet, not even in thought, is said
    all the same, if it is empty."""
    whole = {kind: "".join([part["text"] for part in parts if part["kind"] == kind]) for kind in STREAMED_KINDS}
    text, reasoning = whole["text"][speech.chars[0] :], whole["reasoning"][speech.chars[1] :]
    thinks = speech.reasoning or bool(reasoning)
    says = speech.text or bool(text) or not whole["reasoning"] or any(part["kind"] == "data" for part in parts)
    opens = [kind for kind, begins in (("reasoning", reasoning and not speech.reasoning), ("text", says)) if begins]
    return EventFact(
        opens=tuple(kind for kind in opens if not (kind == "text" and speech.text)),  # type: ignore[misc]
        rest=tuple((kind, more) for kind, more in (("reasoning", reasoning), ("text", text)) if more),  # type: ignore[misc]
        ends=tuple(kind for kind, is_open in (("reasoning", thinks), ("text", says)) if is_open),  # type: ignore[misc]
    )
