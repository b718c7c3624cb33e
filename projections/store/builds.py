"""How builds are made, claimed, promoted and dropped: functions over a database, each one transaction."""

import json
from collections.abc import Sequence
from typing import Any

from ...domain.errors import NotFound
from ..authoring.shape import Column, Row, Shape
from . import sql
from .checkpoint_commit import storable
from .database import Database
from .records import Build, Checkpoint, Parked, Wish


def read_builds(database: Database) -> list[Build]:
    """All builds, by name and age."""
    return _builds(database, sql.ALL_BUILDS, ())


def current_build(database: Database, name: str) -> Build | None:
    """The build that readers see."""
    found = _builds(database, sql.CURRENT_BUILD, (name,))
    return found[0] if found else None


def begin_build(database: Database, name: str, version: int, shape: Shape, start: Checkpoint) -> Build:
    """A new, empty build, which begins at a place of the log; or the one of this version that was begun already and is
    not finished."""
    with database.arranging():
        begun = _builds(database, sql.UNFINISHED_BUILD, (name, version))
        if begun:
            return begun[0]
        ((id,),) = database.rows(sql.NEXT_BUILD)
        now = database.clock()
        written = json.dumps(shape)
        database.run(
            sql.ADD_BUILD,
            (id, name, version, written, start.epoch, start.position, start.digest, start.shared, now, now),
        )
        database.create(_table(name, id), shape)
        return _builds(database, sql.ONE_BUILD, (id,))[0]


def promote_build(database: Database, id: int, even_if_behind: bool) -> bool:
    """Make a build the one that readers see, and retire the one they saw. Unless `even_if_behind`, not while the latter
    is of a later version, or further: then readers would see the past again. Whether it was done. Raises NotFound."""
    with database.arranging():
        build = _one(database, id)
        for seen in _builds(database, sql.CURRENT_BUILD, (build.name,)):
            database.run(sql.HOLD_BUILD, (seen.id,))
            if not even_if_behind and _is_behind(build, _one(database, seen.id)):
                return False
        database.run(sql.RETIRE_CURRENT, (database.clock(), build.name, id))
        database.run(sql.PROMOTE_BUILD, (id,))
        return True


def _is_behind(build: Build, seen: Build) -> bool:
    own, other = build.checkpoint, seen.checkpoint
    same_log = own.epoch == other.epoch and seen.stopped is None
    short = same_log and (own.position, own.shared) < (other.position, other.shared)
    return short or build.version < seen.version


def drop_build(database: Database, id: int) -> None:
    """Remove a build with its table. Raises NotFound."""
    with database.arranging():
        build = _one(database, id)
        database.run(sql.UNPARK_ALL, (id,))
        database.run(sql.SKIP_NOTHING, (id,))
        database.run(sql.PASS_OVER_NOTHING, (id,))
        database.run(sql.DELETE_BUILD, (id,))
        database.run(f"DROP TABLE @{build.table}")


def stop_build(database: Database, id: int, why: str | None) -> None:
    """Say why a build does not go on, or let it go on again."""
    database.run(sql.STOP_BUILD, (None if why is None else storable(why), id))


def beat(database: Database, runner: str) -> None:
    """Say that a runner lives; forget those that have ended without a word."""
    with database.writing():
        now = database.clock()
        database.run(sql.BEAT, (runner, now))
        database.run(sql.FORGET_LAPSED, (now - database.lapse, now + database.lapse))


def claim_build(database: Database, id: int, runner: str) -> Build | None:
    """Take a build that no other living runner holds; as it is then, or None."""
    with database.writing():
        database.run(sql.HOLD_BUILD, (id,))
        now = database.clock()
        if not database.run(sql.CLAIM_BUILD, (runner, id, runner, now - database.lapse, now + database.lapse)):
            return None
        return _one(database, id)


def release_all(database: Database, runner: str) -> None:
    """Give everything back: the runner ends."""
    with database.writing():
        database.run(sql.RELEASE_BUILDS, (runner,))
        database.run(sql.FORGET_RUNNER, (runner,))


def read_parked(database: Database, id: int) -> list[Parked]:
    """The parked keys of a build, the oldest first."""
    now = database.clock()
    return [
        Parked(key, position, session, type, error, now - since, wish)
        for key, position, session, type, error, since, wish in database.rows(sql.READ_PARKED, (id,))
    ]


def wish_for(database: Database, id: int, key: str, wish: Wish) -> None:
    """Ask the build's runner to retry a parked key, or to skip the event that it failed at. Raises NotFound."""
    with database.writing():
        build = _one(database, id)
        if not database.run(sql.WISH, (wish, id, key)):
            raise NotFound(f"{key!r} is not parked in {build.name}, version {build.version}.")
        database.run(sql.STOP_BUILD, (None, id))


def _one(database: Database, id: int) -> Build:
    found = _builds(database, sql.ONE_BUILD, (id,))
    if not found:
        raise NotFound(f"There is no build {id} of a view; `stenogram projections list` shows those there are.")
    return found[0]


def _builds(database: Database, statement: str, values: Sequence[Any]) -> list[Build]:
    now = database.clock()
    return [_build(row, now, database.lapse) for row in database.rows(statement, values)]


def _build(row: Row, now: float, lapse: float) -> Build:
    id, name, version, state, shape, epoch, position, digest, shared, rate, stopped, runner, token = row[:13]
    begun, moved, ended, heard, parked, passed_over = row[13:]
    return Build(
        id,
        name,
        version,
        state,
        _table(name, id),
        _shape(shape),
        Checkpoint(epoch, position, digest, shared),
        rate,
        stopped,
        runner,
        token,
        age=now - begun,
        still=now - moved,
        ended=None if ended is None else now - ended,
        beat=None if heard is None else now - heard,
        held=heard is not None and -lapse < now - heard < lapse,
        parked=parked,
        passed_over=passed_over,
    )


def _table(name: str, id: int) -> str:
    return f"{name}_{id}"


def _shape(written: str) -> Shape:
    columns, key, indexes, restricted = json.loads(written)
    indexed = tuple(tuple(index) for index in indexes)
    return Shape(tuple(Column(*column) for column in columns), tuple(key), indexed, restricted)
