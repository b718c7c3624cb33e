"""What becomes of spans in a session.

    chat and others   the prompts that are new, as said by the person; a message of the agent, from start to end
    execute_tool      a call of a tool, and what it returned
    invoke_agent      the agent comes, and leaves when it is over

A span comes when it has ended, after those within it. The commands of a request are in the order of their times; those
of a span that comes later are written later, and what they say has the span's own times in `metadata`. All ids are made
from the span's: the same span again does nothing again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ...domain.commands import parse_command
from ...domain.concepts.presence import Leave
from ...domain.envelope import timestamp
from ...domain.errors import Invalid, TooLarge
from ...domain.ids import SessionId, recorded_id
from ...domain.model import Actor, Command
from ...domain.state import State
from .conversations import Placed, name_of
from .genai import INVOKE, TOOL, Message, error_of, messages_of, operation_of, usage_of, value_of
from .span import CLIENT, SpanKey, moment

LEASE_S = 3_600.0
"""An agent is heard of when a span of it ends, which may take long."""
MAX_TEXT = 2_000
LAST = 1 << 32
MAX_COMMANDS = 50_000
"""Commands of a session's spans in one request, and parts of what they say: kilobytes of memory each."""
_ABOUT = ("gen_ai.agent.id", "gen_ai.agent.description", "gen_ai.agent.version", "gen_ai.request.model")


class SpanCommand(NamedTuple):
    """A command, and the span that it comes from; `time` and `order` say when it is its turn."""

    time: int
    order: int
    command: Command
    span: SpanKey


class Made(NamedTuple):
    """The commands of a session's spans, in order; and by span, why nothing comes of it."""

    commands: list[SpanCommand]
    faults: dict[SpanKey, str]


def commands_of(state: State, spans: Iterable[Placed]) -> Made:
    """The commands of spans of a session, which is in this state."""
    made: list[SpanCommand] = []
    faults: dict[SpanKey, str] = {}
    weight = 0
    for order, each in enumerate(sorted(spans, key=lambda each: (each.span.start, each.span.end, each.span.id))):
        writer, key = _Writer(state.id, each), each.span.key
        try:
            commands = list(writer.all(state))
            weight += sum(1 + len(getattr(command.data, "parts", None) or ()) for _, command in commands)
            if weight > MAX_COMMANDS:
                raise TooLarge(f"More than {MAX_COMMANDS:,} commands come of a session's spans; send fewer at once.")
        except Invalid as error:
            faults[key] = error.detail
            continue
        if not made:
            made.append(SpanCommand(0, -1, writer.opening(), key))
        for time, command in commands:
            place = LAST if isinstance(command.data, Leave) else order  # to leave ends what is open
            made.append(SpanCommand(time, place, command, key))
    return Made(sorted(made, key=lambda each: (each.time, each.order)), faults)


Timed = tuple[int, Command]


class _Writer:
    """Makes the commands of one span."""

    def __init__(self, session: SessionId, placed: Placed) -> None:
        self._session = session
        self._span = placed.span
        self._agent = Actor(placed.agent, "agent")
        self._person = Actor(placed.person, "user")

    def opening(self) -> Command:
        """Opens the session; where it is open already, this is refused."""
        data = {"labels": {"source": "opentelemetry"}}
        id = recorded_id(self._session, "opentelemetry", "open")
        return self._at(self._span.start, self._agent, id, "session.open", data)[1]

    def all(self, state: State) -> Iterator[Timed]:
        """All of them. Raises Invalid."""
        operation = operation_of(self._span)
        if not self._has_left(state):
            yield self._do(self._span.start, self._agent, "presence.join", about=self._about() or None, lease=LEASE_S)
        if operation == TOOL:
            yield from self._tool()
        elif operation != INVOKE:
            yield from self._chat()
        else:
            if self._span.kind == CLIENT:  # an agent elsewhere; what one here says, the spans within it say
                yield from self._chat()
            reason = (error_of(self._span) or "It returned.")[:MAX_TEXT]
            yield self._do(self._span.end, self._agent, "presence.leave", reason=reason)

    def _has_left(self, state: State) -> bool:
        """Whether the agent has gone, and this span comes late."""
        known = state.presence.get(self._agent.id)
        return known is not None and not known.present and moment(self._span.end) <= state.time

    def _chat(self) -> Iterator[Timed]:
        span, said = self._span, messages_of(self._span)
        yield from self._prompts(said.given)
        message, error = f"span-{span.id}", error_of(span)
        parts = [part for each in said.answered for part in each.parts]
        yield self._do(span.start, self._agent, "message.start", message=message, metadata=self._place())
        usage, metadata = usage_of(span) or None, self._ending()
        if error is None:
            done = {"parts": parts, "usage": usage, "metadata": metadata}
            yield self._do(span.end, self._agent, "message.complete", message=message, **done)
        else:
            failed = {"reason": error[:MAX_TEXT], "usage": usage, "metadata": metadata}
            yield self._do(span.end, self._agent, "message.abort", message=message, **failed)

    def _prompts(self, given: list[Message]) -> Iterator[Timed]:
        """What is new of what went in: instructions, once; and what comes after the last answer, once in a trace."""
        number: Counter[str] = Counter()
        answers = [at for at, each in enumerate(given) if each.role == "assistant"]
        after = answers[-1] if answers else -1
        for at, each in enumerate(given):
            content = repr(each)
            number[content] += 1
            if not each.parts or each.role in ("assistant", "tool"):
                continue
            instructs = each.role in ("system", "developer")
            if not instructs and at < after:
                continue
            once = self._agent.id if instructs else self._span.trace
            id = recorded_id(self._session, f"{each.role} {once}", f"{number[content]} {content}")
            message: dict[str, Any] = {"message": f"in-{id}", "parts": list(each.parts), "metadata": self._place()}
            if instructs:
                message |= {"kind": "progress", "audience": ["agents"]}
            yield self._at(self._span.start, self._agent if instructs else self._person, id, "message.post", message)

    def _tool(self) -> Iterator[Timed]:
        span, call, error = self._span, f"call-{self._span.id}", error_of(self._span)
        attributes = span.attributes
        tool = name_of(str(attributes.get("gen_ai.tool.name") or span.name))
        own = attributes.get("gen_ai.tool.call.id")
        metadata = {**self._place(), **({"call": str(own)} if own else {})}
        arguments = value_of(attributes.get("gen_ai.tool.call.arguments"))
        yield self._do(
            span.start, self._agent, "tool.call", call=call, tool=tool, arguments=arguments, metadata=metadata
        )
        result = value_of(attributes.get("gen_ai.tool.call.result"))
        returned = {"result": result, "error": error and error[:MAX_TEXT], "metadata": {"ended": _time(span.end)}}
        yield self._do(span.end, self._agent, "tool.return", call=call, **returned)

    def _about(self) -> dict[str, str]:
        return {
            name.removeprefix("gen_ai.").replace("agent.", "").replace("request.", ""): str(value)[:MAX_TEXT]
            for name in _ABOUT
            if (value := self._span.attributes.get(name))
        }

    def _place(self) -> dict[str, str]:
        return {"trace": self._span.trace, "span": self._span.id, "started": _time(self._span.start)}

    def _ending(self) -> dict[str, Any]:
        attributes = self._span.attributes
        reasons, provider = attributes.get("gen_ai.response.finish_reasons"), attributes.get("gen_ai.provider.name")
        about = {"ended": _time(self._span.end), "stop": reasons, "provider": provider}
        return {name: value for name, value in about.items() if value}

    def _do(self, time: int, actor: Actor, do: str, **data: Any) -> Timed:
        id = recorded_id(self._session, f"{do} {self._span.trace}", self._span.id)
        return self._at(time, actor, id, do, {name: value for name, value in data.items() if value is not None})

    def _at(self, time: int, actor: Actor, id: str, do: str, data: Mapping[str, Any]) -> Timed:
        return time, Command(id, self._session, actor, moment(time), parse_command(do, data), recorded=True)


def _time(nanoseconds: int) -> str:
    return timestamp(moment(nanoseconds))
