"""Writes reference/events.md and reference/commands.md from the models: `python docs/generate.py`.

The examples are not made up: a story is played by the rules, and each command and event is shown as it first occurs in
it. A test asserts that the committed pages are what this makes.
"""

import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.commands import COMMANDS
from stenogram.domain.concepts.stream_subscriptions import (
    AckWork,
    ClaimWork,
    CreateSubscription,
    DeleteSubscription,
    FailDelivery,
    LinkStreams,
    ReleaseWork,
    UnlinkStream,
    WakeWorker,
)
from stenogram.domain.concepts.streams import NoteFork, RenewStream
from stenogram.domain.ids import NAME_PATTERN
from stenogram.domain.model import TIMEKEEPER, Actor, CommandData, Event, EventData
from stenogram.testing.rehearsal import Rehearsal

FOLDER = Path(__file__).with_name("reference")
_TOLD = runpy.run_path(str(Path(__file__).with_name("story.py")))
ADA, STORIES = _TOLD["ADA"], {"trip-7": _TOLD["STORY"], "prices:7": _TOLD["STREAM"]}
STORIES[_TOLD["SUBSCRIBED"]] = _TOLD["SUBSCRIPTION"]
WAIT, REFUSED, UNDER, FORK, GATEWAY = (_TOLD[name] for name in ("WAIT", "REFUSED", "UNDER", "FORK", "GATEWAY"))
_SUBSCRIBING = (
    *(CreateSubscription, LinkStreams, UnlinkStream, DeleteSubscription),
    *(WakeWorker, FailDelivery, ClaimWork, AckWork, ReleaseWork),
)
OF_GATEWAY: dict[str, type[CommandData]] = {each.do: each for each in (RenewStream, NoteFork, *_SUBSCRIBING)}
CONCEPTS = {
    "session": "Sessions",
    "presence": "Presence",
    "message": "Messages",
    "tool": "Tools",
    "state": "Shared state",
    "task": "Tasks",
    "signal": "Signals",
    "approval": "Approvals",
    "floor": "The floor",
    "custom": "Custom events",
    "stream": "Streams",
    "stream_subscription": "Subscriptions of streams",
}


class Told:
    """The story as it was played: what each command said and led to, and the first event of each type."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Any]] = {}
        self.led_to: dict[str, str] = {}
        self.came_from: dict[str, str] = {}
        self.events: dict[str, tuple[Event, dict[str, Any]]] = {}
        for name, story in STORIES.items():
            self._play(Rehearsal(name, opened=False), story)

    def _play(self, session: Rehearsal, story: Sequence[tuple[Actor | str, str, dict[str, Any]]]) -> None:
        for actor, step, data in story:
            before = len(session.events)
            if step == FORK:
                told, before = session.fork(actor, "trip-8", data["at"], data["title"]), data["at"]
                do = FORK
            else:
                told, do = session, _happens(session, actor, step, data)
            events = told.events[before:]
            if do:
                self.said.setdefault(do, data)
                # That a session is opened for a stream comes before what was asked for.
                own = events[do == "stream.create" and events[0].type == "session.opened"]
                self.led_to.setdefault(do, own.type)
                self.came_from.setdefault(own.type, do)
            for event in events:
                self.events.setdefault(event.type, (event, _wire(event, told.stored[event.version - 1])))


def _happens(session: Rehearsal, actor: Actor | str, step: str, data: dict[str, Any]) -> str:
    """Play one step; the command that was accepted in it."""
    if step == WAIT:
        session.wait(data["seconds"])
        return ""
    if step.startswith(REFUSED):
        session.refusal(actor, step.removeprefix(REFUSED), data)
        return ""
    if step.startswith(GATEWAY):
        command = session.command(TIMEKEEPER if actor == TIMEKEEPER.id else actor, "presence.leave", {})
        session.execute(command._replace(data=OF_GATEWAY[step.removeprefix(GATEWAY)](**data)))
        return ""
    do = step.removeprefix(UNDER)
    command = session.command(actor, do, data)
    if do != step:
        task = session.state.tasks.known["t-1"]
        command = command._replace(task=task.id, attempt=task.attempt)
    session.execute(command)
    return do


def _wire(event: Event, stored: bytes) -> dict[str, Any]:
    """The envelope, with a position and ids such as a busy log would give."""
    version = event.version
    wire = {"position": 1_025 + version, "session": event.session, "version": version, **orjson.loads(stored)}
    for member, kind in (("id", 0xA), ("cause", 0xB)):
        if member in wire:
            wire[member] = f"0192f0c1-7c5e-7{version:03x}-8{kind:x}00-{version:012x}"
    return wire


def events_page(told: Told) -> str:
    """The reference of event types."""
    page = [
        "# Events",
        "Every type of event that is recorded. An event is an immutable fact inside an envelope, which is the same"
        " everywhere: over WebSocket, in pages, and in exports. Absent members are left out.",
        _table(["member", "meaning"], ENVELOPE),
        "A **subject** is what an event is about inside its session: a filter for subscribers, and the unit of"
        " conditional writes. An event of a type that is not listed here is stored and streamed all the same. Ignore"
        " types and members that you do not know: then your client works with newer gateways.",
        *_contents(BUILT_IN),
    ]
    for concept, title in CONCEPTS.items():
        page += [f"## {title}"]
        for type in (type for type in BUILT_IN if type.split(".")[0] == concept):
            model, (event, wire) = BUILT_IN[type], told.events[type]
            page += [f"### {type}", _prose(model), f"Subject `{event.data.subject()}`{_also(event)}."]
            page[-1] += _written_by(told, type) + _class(model)
            page += [_fields(model), _json(wire)]
    page += [
        "An application's own types are named `x.…`. `stenogram.domain.catalogue.register` registers one, and its"
        " data is then validated; the data of other types is stored as it is. Subject `custom`, or `custom:<about>`."
        f" Written by [`custom.record`](commands.md#{_anchor('custom.record')}).",
        _json(told.events["x.hotel.booked"][1]),
        *_shapes(),
    ]
    return _page(page)


def commands_page(told: Told) -> str:
    """The reference of commands."""
    page = [
        "# Commands",
        "Everything that a client can do to a session. A command is a name (`do`) and a payload (`data`), sent in a"
        " [`command` frame or request](protocol.md) under an id that the client makes. The gateway decides it against"
        " the session's current state: it leads to an event, or it is refused with a [code](errors.md) and nothing is"
        " written. A repeated command, under the same id, gets its first result. Members that are not listed here are"
        " refused.",
        *_contents(COMMANDS),
    ]
    for concept, title in CONCEPTS.items():
        page += [f"## {title}"]
        for do in (do for do in COMMANDS if do.split(".")[0] == concept):
            model, type = COMMANDS[do], told.led_to[do]
            page += [f"### {do}", _prose(model) + _leads_to(type), _fields(model)]
            page += [_json({"do": do, "data": told.said[do]})]
    page += _shapes()
    return _page(page)


ENVELOPE = [
    ["`position`", "its place in the whole log: 1, 2, 3 …, in commit order"],
    ["`session`", "the session's id"],
    ["`version`", "its place in the session: 1, 2, 3 …, without holes, in commit order"],
    ["`id`", "the event's id, unique; a UUID of version 7"],
    ["`type`", "what happened"],
    ["`time`", "when: RFC 3339, UTC"],
    ["`actor`", "the participant who did it, as the token names it"],
    ["`task`", "the task under which it was done"],
    ["`cause`", "the id of the command that led to it, or of what that command names as its cause; absent on deltas"],
    ["`audience`", "who can see it: `users`, `agents`, participants' ids; absent: everyone"],
    ["`data`", "the payload, as below"],
]


def _written_by(told: Told, type: str) -> str:
    do = told.came_from.get(type)
    if do is None or do not in COMMANDS:
        return " Written by the gateway, in the commit of the event that it follows from, or when a timer fires."
    return f" Written by [`{do}`](commands.md#{_anchor(do)})."


def _class(model: type[EventData]) -> str:
    concept = ".".join(model.__module__.split(".")[:4])
    return f" In Python `{concept}.{model.__name__}`."


def _leads_to(type: str) -> str:
    anchor = _anchor(type if type in BUILT_IN else CONCEPTS["custom"])
    return f" Leads to [`{type}`](events.md#{anchor})."


def _also(event: Event) -> str:
    also = ", ".join(f"`{subject}`" for subject in event.data.also())
    return f", also {also}" if also else ""


def _contents(names: Iterable[str]) -> list[str]:
    listed = list(names)
    rows = []
    for concept, title in CONCEPTS.items():
        links = " · ".join(f"[`{name}`](#{_anchor(name)})" for name in listed if name.split(".")[0] == concept)
        rows.append([title, links or f"[`x.…`](#{_anchor(title)})"])
    return [_table(["about", "types" if "message.posted" in listed else "commands"], rows)]


def _shapes() -> list[str]:
    """The objects that payloads are made of."""
    shapes: dict[str, Any] = {}
    for do in ("message.post", "state.patch", "approval.request", "approval.answer", "stream.append"):
        shapes |= COMMANDS[do].model_json_schema()["$defs"]
    shapes |= BUILT_IN["stream.created"].model_json_schema()["$defs"]
    page = [
        "## Shapes",
        "A **name** is 1 to 128 of `A-Z a-z 0-9 . _ : @ + -` and starts with a letter or digit. An **audience** is"
        ' `["everyone"]`, or any of `users`, `agents` and participants\' ids, its **recipients**; services count as'
        " agents, and `@` before an id says that nobody here need have it. A **JSON"
        " Pointer** is RFC 6901's: `/hotel/name`, with `~1` for a slash and `~0` for a tilde inside a name.",
    ]
    for name, schema in shapes.items():
        if "properties" in schema:
            title = SHAPES.get(name) or f"Part: {schema['properties']['kind']['const']}"
            page += [f"### {title}", _line(schema["description"]), _rows(schema)]
    return page


SHAPES = {
    "Operation": "Operation of a patch",
    "Question": "One of several questions",
    "Answer": "The answer to one",
    "Content": "Content of a stream",
    "StreamProducer": "Producer of a stream",
    "ProducerNumber": "Number of a producer's append",
    "ForkPoint": "Where a stream was forked",
    "InheritedPart": "What a fork inherits",
}


def _fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return _rows(schema) if schema.get("properties") else "No members."


def _rows(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = []
    for name, field in schema["properties"].items():
        needed = "required" if name in required or "const" in field else _default(field)
        rows.append([f"`{name}`", _type(field), needed, " ".join(field.get("description", "").split())])
    return _table(["member", "type", "", "meaning"], rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, [], {}) else f"default `{orjson.dumps(default).decode()}`"


def _type(schema: dict[str, Any]) -> str:
    """The type of a member in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"] if each != {"type": "null"}))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else name.lower()
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " · ".join(f"`{value}`" for value in values)
    match schema.get("type"):
        case "array":
            return f"list of {_many(schema['items'])}" + _most(schema, "maxItems")
        case "object":
            inner = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
            kind = "JSON object" if inner in (True, None) or _type(inner) == "any JSON" else f"object of {_many(inner)}"
            return kind + _most(schema, "maxProperties")
        case "string":
            return _text(schema)
        case "integer":
            return "whole number"
    return str(schema.get("type", "part" if "oneOf" in schema else "any JSON"))


def _text(schema: dict[str, Any]) -> str:
    pattern = schema.get("pattern", "")
    if pattern == NAME_PATTERN:
        return "name"
    if pattern == f"^@?{NAME_PATTERN[1:]}":
        return "recipient"
    if pattern.startswith("^(/"):
        return "JSON Pointer"
    if pattern:
        return f"text like `{pattern}`"
    return "text" + (f", at most {schema['maxLength']:,} characters" if "maxLength" in schema else "")


def _most(schema: dict[str, Any], limit: str) -> str:
    return f", at most {schema[limit]:,}" if limit in schema else ""


def _many(schema: dict[str, Any]) -> str:
    kind, comma, limit = _type(schema).partition(", ")
    several = {"JSON object": "objects", "text": "texts", "any JSON": "any JSON"}.get(kind, f"{kind}s")
    return several + (f" of {limit}" if comma else "")


def _prose(model: type[BaseModel] | type[CommandData]) -> str:
    return _line(model.__doc__ or "")


def _line(text: str) -> str:
    return " ".join(text.split())


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _json(value: dict[str, Any]) -> str:
    """One line where it fits, else one member a line."""
    text = _one_line(value)
    if len(text) > 100:
        text = "{\n" + ",\n".join(f'  "{name}": {_one_line(member)}' for name, member in value.items()) + "\n}"
    return f"```json\n{text}\n```"


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}": {_one_line(member)}' for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_one_line, value)) + "]"
    return orjson.dumps(value).decode()


def _anchor(heading: str) -> str:
    """What GitHub and MyST make of a heading."""
    return heading.lower().replace(".", "").replace(" ", "-")


def _page(paragraphs: list[str]) -> str:
    note = "<!-- Made by docs/generate.py from the models; change those, and run it. -->"
    return "\n\n".join([note, *paragraphs]) + "\n"


def pages() -> dict[str, str]:
    """Each page by the name of its file."""
    told = Told()
    return {"events.md": events_page(told), "commands.md": commands_page(told)}


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
