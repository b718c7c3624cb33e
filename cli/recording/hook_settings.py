"""Our hooks in the settings of Claude Code: what they are, and how they get into a settings file and out of it.

    {"hooks": {EVENT: [{"hooks": [{"type": "command", "command": HOOK}]}, …], …}, …}

An entry of an event without `matcher` is for whatever the event is about. Of the file only these entries change.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .json_text import Item, JsonText

EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Notification", "Stop", "SessionEnd")
"""Those of Claude Code's hooks that say what its transcripts do not."""
HOOK = "stenogram record claude-code --hook"
"""How every command of ours begins; its options are behind it."""
HOOKS = "hooks"


class Place(NamedTuple):
    """An item, by its number in the object or array that begins there."""

    at: int
    number: int


class Changed(NamedTuple):
    """Settings as they are to be, and the events whose hooks came or went."""

    text: str
    events: list[str]


def hook_entry(command: str) -> dict[str, Any]:
    """An entry that calls a command."""
    return {HOOKS: [{"type": "command", "command": command}]}


def hook_settings(command: str) -> dict[str, Any]:
    """Settings that have our hooks and nothing else."""
    return {HOOKS: {event: [hook_entry(command)] for event in EVENTS}}


def with_hooks(text: str, command: str) -> Changed:
    """Settings with our hooks, for the events that have none that calls this command. Raises ValueError for what are no
    settings of Claude Code."""
    settings, events = _parse(text), list[str]()
    for event in EVENTS:
        hooks = settings.member(settings.start, HOOKS)
        entries = None if hooks is None else settings.member(hooks.at, event)
        if entries is not None and any(_calls(each, command) for each in settings.value(entries.at)):
            continue
        events.append(event)
        entry = hook_entry(command)
        if entries is not None:
            settings = settings.with_item(entries.at, entry, depth=3)
        elif hooks is not None:
            settings = settings.with_item(hooks.at, [entry], depth=2, name=event)
        else:
            settings = settings.with_item(settings.start, {event: [entry]}, depth=1, name=HOOKS)
    return Changed(settings.text, events)


def without_hooks(text: str) -> Changed:
    """Settings without our hooks, whatever their options; a list or object that is empty then goes, too. Raises
    ValueError."""
    settings, events = _parse(text), list[str]()
    while (found := _find_ours(settings)) is not None:
        event, places = found
        if event not in events:
            events.append(event)
        settings = _without(settings, places)
    return Changed(settings.text, events)


def _parse(text: str) -> JsonText:
    """Settings whose hooks, if there are any, are lists by event. Raises ValueError."""
    settings = JsonText(text)
    if not settings.is_object(settings.start):
        raise ValueError("it is no JSON object")
    hooks = settings.member(settings.start, HOOKS)
    if hooks is None:
        return settings
    if not settings.is_object(hooks.at):
        raise ValueError("its `hooks` are no object")
    for event in settings.items(hooks.at):
        assert event.name is not None
        settings.member(hooks.at, event.name)  # which is not there twice
        if not settings.is_array(event.at):
            raise ValueError(f"its `hooks.{event.name}` is no list")
    return settings


def _calls(entry: Any, command: str) -> bool:
    handlers = entry.get(HOOKS) if isinstance(entry, dict) else None
    return isinstance(handlers, list) and any(
        isinstance(each, dict) and each.get("command") == command for each in handlers
    )


def _find_ours(settings: JsonText) -> tuple[str, list[Place]] | None:
    """A hook of ours: its event, and where it is, from outside in."""
    hooks = settings.member(settings.start, HOOKS)
    if hooks is None:
        return None
    outer = Place(settings.start, settings.items(settings.start).index(hooks))
    for number, event in enumerate(settings.items(hooks.at)):
        for entry, handlers in _lists_of_handlers(settings, event):
            for index, handler in enumerate(settings.items(handlers.at)):
                if _is_ours(settings.value(handler.at)):
                    return str(event.name), [outer, Place(hooks.at, number), entry, Place(handlers.at, index)]
    return None


def _lists_of_handlers(settings: JsonText, event: Item) -> Iterator[tuple[Place, Item]]:
    """Where the entries of an event are, each with its handlers. What has none is none of ours."""
    for index, entry in enumerate(settings.items(event.at)):
        handlers = settings.member(entry.at, HOOKS) if settings.is_object(entry.at) else None
        if handlers is not None and settings.is_array(handlers.at):
            yield Place(event.at, index), handlers


def _is_ours(handler: Any) -> bool:
    command = handler.get("command") if isinstance(handler, dict) else None
    return isinstance(command, str) and (command == HOOK or command.startswith(f"{HOOK} "))


def _without(settings: JsonText, places: list[Place]) -> JsonText:
    """Remove the innermost item, or the outermost in which there is nothing else."""
    at, number = places.pop()
    while places and len(settings.items(at)) == 1:
        at, number = places.pop()
    return settings.without_item(at, number)
