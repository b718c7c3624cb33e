"""Arguments of the commands that act: values, and what a command is aimed at."""

import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ...client import Session

AT_MOST_SHOWN = 8


class TargetType(click.ParamType[str]):
    """What an interruption is aimed at."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ...domain.concepts.signals import TARGET_PATTERN

        if not isinstance(value, str) or not re.fullmatch(TARGET_PATTERN, value):
            self.fail(
                f"{value!r} is nothing to aim at: that is session, agent:NAME, task:ID or message:ID.", param, ctx
            )
        return value


class PathType(click.ParamType[str]):
    """A place in the shared state."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ...domain.errors import PatchFailed
        from ...domain.json.pointer import tokens

        try:
            tokens(str(value))
        except PatchFailed:
            self.fail(f"{value!r} is no path: that begins with /, such as /hotel/nights.", param, ctx)
        return str(value)


TARGET = TargetType()
PATH = PathType()


def text_of(words: tuple[str, ...]) -> str:
    """The words as one text; `-` alone is what comes on stdin. Raises UsageError for nothing."""
    text = sys.stdin.read().removesuffix("\n") if words == ("-",) else " ".join(words)
    if not text:
        raise click.UsageError("There is nothing to say.")
    return text


def value_of(text: str, *, is_text: bool = False) -> Any:
    """A JSON value, or a text without quotes; `-` is what comes on stdin. Raises UsageError for JSON that is broken."""
    import orjson

    from ...domain.wording.json_faults import unreadable

    if text == "-":
        text = sys.stdin.read().removesuffix("\n")
    if is_text:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if text[:1] in ("{", "[", '"'):
            begins = f"a text that begins with {text[0]} is written in double quotes, as JSON has it"
            raise click.UsageError(f"{text} is not JSON ({unreadable(error)}); {begins}.") from None
        return text


async def whole_target(session: "Session", target: str) -> str:
    """The target with its whole id: that of a task or message may be given by its end, as `tail` and `show` print it.
    Raises NotFound for an end that several have."""
    kind, _, id = target.partition(":")
    if kind == "task":
        return f"task:{whole_id(id, 'task', list(session.tasks.known))}"
    if kind == "message":
        started = session.events(types=["message.started"], follow=False)
        ids = [event.data.message async for event in started]  # type: ignore[attr-defined]
        return f"message:{whole_id(id, 'message', ids)}"
    return target


def whole_id(id: str, what: str, known: list[str]) -> str:
    """The id that is meant; one that is not known is returned as it is, for the gateway to refuse. Raises NotFound."""
    from ...domain.errors import NotFound

    found = [each for each in known if each.endswith(id)]
    if id in known or not found:
        return id
    if len(found) > 1:
        shown = ", ".join(found[:AT_MOST_SHOWN])
        raise NotFound(f"Several {what}s end with {id}: {shown}{' …' if len(found) > AT_MOST_SHOWN else ''}.")
    return found[0]
