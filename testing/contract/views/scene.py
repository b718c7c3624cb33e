"""What the contract of a store of views is played with: its stores, a shape, rows, commits."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ....domain.ids import Position
from ....projections.authoring.shape import Column, Row, Shape
from ....projections.store import Build, Checkpoint, Commit, ViewStore

SHAPE = Shape(
    (
        Column("key", "text"),
        Column("number", "integer"),
        Column("size", "real", nullable=True),
        Column("done", "boolean"),
        Column("at", "time"),
        Column("tags", "json"),
        Column("data", "bytes"),
    ),
    ("key", "number"),
    (("at",), ("done", "size")),
)
EPOCH = "epoch-1"
LAPSE = 0.3  # what a factory's stores are made with


class StoreFactory(Protocol):
    """Makes the stores under test, with a `lapse` of `LAPSE` seconds."""

    def __call__(self) -> AbstractAsyncContextManager[ViewStore]:
        """A new store, open; closed, and removed, at the end."""

    def beside(self, store: ViewStore) -> ViewStore:
        """The same store, not opened yet, as another process would open it."""


Sentence = Callable[[StoreFactory], Awaitable[None]]


def row(key: str, number: int, **more: Any) -> Row:
    """A row of `SHAPE`."""
    at = f"2026-01-01T00:00:{number % 60:02}.000000Z"
    fields = {"size": None, "done": False, "at": at, "tags": '["a"]', "data": b"\x00\xff", **more}
    return (key, number, *fields.values())


async def claimed(store: ViewStore, name: str = "kept", version: int = 1, runner: str = "r-1") -> Build:
    """A new build, claimed by a runner that lives."""
    build = await store.begin(name, version, SHAPE, EPOCH)
    await store.beat(runner)
    taken = await store.claim(build.id, runner)
    assert taken is not None
    return taken


def step(build: Build, after: int, to: int, *rows: Row, delete: tuple[Row, ...] = (), **more: Any) -> Commit:
    """A commit that moves a build from one position to another."""
    written: dict[Row, Row | None] = {each[:2]: each for each in rows}
    written |= dict.fromkeys(delete)
    checkpoint = Checkpoint(EPOCH, Position(to), f"mark-{to}")
    return Commit(build.id, build.token, Checkpoint(EPOCH, Position(after)), checkpoint, written, **more)


async def raised(kind: type[Exception], attempt: Awaitable[object]) -> bool:
    """Whether it raises that."""
    try:
        await attempt
    except kind:
        return True
    return False
