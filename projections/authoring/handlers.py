"""Handlers, found by their annotations.

    @board.on
    def _(doc: Board, event: TaskClaimed | TaskReleased, meta: Meta) -> None: ...

The second parameter says which events a handler takes: one payload class, several by union, every event by
`EventData`, types that nobody registered by `OpaqueData`. A third parameter, if there is one, is given the `Meta`. An
event is decoded only when somebody handles its type: which handlers a type has is looked up by its name.
"""

import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from ...domain.catalogue import model_of
from ...domain.concepts.custom import OpaqueData
from ...domain.model import EventData
from .meta import Meta


class Handler(NamedTuple):
    """A function and the payload classes that it takes."""

    call: Callable[..., Any]
    takes: tuple[type[EventData], ...]
    wants_meta: bool


class Handlers:
    """The handlers of one projection. Those of one event run in the order in which they were declared."""

    def __init__(self) -> None:
        self._all: list[Handler] = []
        self._by_type: dict[str, tuple[Handler, ...]] = {}
        self._passed: tuple[type[EventData], ...] = ()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, function: Callable[..., Any], first: type) -> None:
        """Take a handler whose first parameter is a `first`. Raises TypeError for what cannot be one."""
        self._all.append(_handler(function, first))
        self._by_type.clear()

    def add_effect(self, function: Callable[..., Any]) -> None:
        """Take a coroutine function of the event and, if it wants it, the Meta. Raises TypeError for anything else."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"An effect is a coroutine function; {_name(function)} is none: async {_EFFECT}")
        self._all.append(_handler_of_events(function, 0))
        self._by_type.clear()

    def pass_over(self, *types: type[EventData]) -> None:
        """Take no events of these types, whatever handlers say. For handlers of `EventData`: deltas are many, and what
        is passed over is not even decoded."""
        self._passed += types
        self._by_type.clear()

    def of(self, type: str) -> tuple[Handler, ...]:
        """The handlers of events of this type; none when the projection passes them over."""
        found = self._by_type.get(type)
        if found is None:
            model = model_of(type) or OpaqueData
            handlers = () if issubclass(model, self._passed) else self._all
            found = tuple([each for each in handlers if issubclass(model, each.takes)])
            self._by_type[type] = found
        return found

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The handlers as they were declared."""
        return [each.call for each in self._all]

    @property
    def passed(self) -> list[str]:
        """The names of the types that are passed over."""
        return [each.__qualname__ for each in self._passed]


def _handler_of_events(function: Callable[..., Any], skipped: int) -> Handler:
    """A handler whose parameters are, after `skipped` others, the event and perhaps the Meta. Raises TypeError."""
    parameters = [*inspect.signature(function).parameters.values()][skipped:]
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if not 1 <= len(positional) == len(parameters) <= 2:
        raise TypeError(f"{_name(function)} should take the event and, if it wants it, the Meta: {_EXAMPLE}")
    hints = _hints(function)
    event, *rest = [hints.get(each.name) for each in positional]
    if rest and rest[0] is not Meta:
        raise TypeError(f"The last parameter of {_name(function)} should be annotated with Meta: {_EXAMPLE}")
    return Handler(function, _payloads(function, event), bool(rest))


def _handler(function: Callable[..., Any], first: type) -> Handler:
    parameters = [*inspect.signature(function).parameters]
    handler = _handler_of_events(function, 1)
    said = _hints(function).get(parameters[0])
    if said is not None and (get_origin(said) or said) is not first and not _is_subclass(first, said):
        raise TypeError(f"The first parameter of {_name(function)} is given a {first.__name__}; annotate it so.")
    return handler


_EFFECT = "def _(event: MessagePosted, meta: Meta) -> None"
_EXAMPLE = "def _(doc: Board, event: MessagePosted, meta: Meta) -> None"


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise TypeError(
            f"The annotations of {_name(function)} cannot be read: {error}. Import what they name where the module "
            "begins, and not for type checkers only."
        ) from None


def _payloads(function: Callable[..., Any], annotation: Any) -> tuple[type[EventData], ...]:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if not all(_is_subclass(each, EventData) for each in members):
        raise TypeError(
            f"The event of {_name(function)} should be annotated with a payload class (a subclass of EventData), with "
            f"several by `A | B`, or with EventData for all: {_EXAMPLE}"
        )
    return tuple(members)


def _is_subclass(one: Any, other: Any) -> bool:
    return isinstance(one, type) and isinstance(other, type) and issubclass(one, other)


def _name(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    where = f" (line {code.co_firstlineno})" if code else ""
    return f"handler {getattr(function, '__qualname__', repr(function))}{where}"
