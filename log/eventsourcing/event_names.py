"""Names for event classes, in place of import paths.

    @name_event("app.order.shipped")
    class Shipped(Aggregate.Event): ...

    name_aggregate("app.order", Order)      # Order.Created is app.order.created, Order.ItemAdded app.order.item_added

What is stored under a name can be read in any language, and outlives a class that moves. And it is found again by its
name alone: the library's own `resolve_topic` imports whatever module a string names, which must never happen to a
string that a client of the gateway has stored. Names begin with `app.`, because no client can write such a type: what
is read under one of them is what an application wrote.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from eventsourcing.domain import CanInitAggregate, CanMutateAggregate

from ...domain.concepts.custom import APPLICATION_PATTERN
from .stored_events import STORED

C = TypeVar("C", bound=type[Any])


class NamedEvent(NamedTuple):
    """A class, its name, and the aggregate that it brings into being, if it does."""

    name: str
    cls: type[Any]
    aggregate: type[Any] | None


_by_name: dict[str, NamedEvent] = {}
_by_class: dict[type[Any], NamedEvent] = {}


def name_event(name: str, aggregate: type[Any] | None = None) -> Callable[[C], C]:
    """Name an event class; usable as a decorator. An event that creates an aggregate has to say which.

    Raises ValueError for a name that does not begin with `app.`, is no event type, or is taken.
    """
    if len(name) > 128 or not re.fullmatch(APPLICATION_PATTERN, name):
        raise ValueError(f"{name!r} is no name: use 'app.', then lower-case words between dots: app.order.shipped.")
    if name == STORED:
        raise ValueError(f"{name!r} is what classes without a name are stored as; take another.")

    def register(cls: C) -> C:
        if issubclass(cls, CanInitAggregate) and aggregate is None:
            raise ValueError(f"{cls.__qualname__} creates an aggregate; say which: name_event({name!r}, Aggregate).")
        named = NamedEvent(name, cls, aggregate)
        if _by_name.setdefault(name, named) != named or _by_class.setdefault(cls, named) != named:
            raise ValueError(
                f"{cls.__qualname__} or {name!r} is named already, as {_by_class.get(cls, _by_name[name])}."
            )
        return cls

    return register


def name_aggregate(prefix: str, aggregate: type[Any]) -> None:
    """Name all events that are defined in an aggregate's class, after themselves."""
    for cls in vars(aggregate).values():
        if isinstance(cls, type) and issubclass(cls, CanMutateAggregate) and cls.__name__ != "Event":
            word = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
            name_event(f"{prefix}.{word}", aggregate if issubclass(cls, CanInitAggregate) else None)(cls)


def find_name(cls: type[Any]) -> NamedEvent | None:
    """What is known of a class."""
    return _by_class.get(cls)


def find_class(name: str) -> NamedEvent | None:
    """What is known of a name."""
    return _by_name.get(name)
