"""Where a checkpoint is committed: the one transaction by which a view moves on, rows, checkpoint and parked keys
together, or nothing."""

from . import sql
from .database import Database
from .records import Build, CheckpointMoved, Commit, KeyedSnapshots, Parked


def write_commit(database: Database, build: Build, commit: Commit) -> None:
    """Write a commit. Raises CheckpointMoved when the build is at another place, or another runner's: the checkpoint's
    step comes first, so that of two who try at once one waits and then finds it done."""
    with database.writing():
        now = database.clock()
        to, after = commit.to, commit.after
        place = (build.id, commit.token, after.position, after.shared, to.epoch)
        # First of all: it locks the build's row. Rows that were written before it could be those of a runner that has
        # lost the build, mixed with its successor's.
        stopped = None if commit.stopped is None else storable(commit.stopped)
        if not database.run(sql.ADVANCE, (to.position, to.digest, to.shared, commit.rate, now, stopped, *place)):
            raise CheckpointMoved(f"{build.name}, build {build.id}, is not at {after.position} any more")
        written = [row for row in commit.rows.values() if row is not None]
        deleted = [place for place, row in commit.rows.items() if row is None]
        if written:
            database.put(build.table, build.shape, written)
        if deleted:
            database.remove(build.table, build.shape, deleted)
        if commit.passed_over:
            database.run(sql.PASS_OVER, (build.id, commit.passed_over))
        _keep(database, build, commit.snapshots)
        for key in commit.unpark:
            database.run(sql.UNPARK, (build.id, key))
        for skipped in commit.skip:
            database.run(sql.SKIP, (build.id, *skipped))
        for parked in commit.park:
            _park(database, build.id, parked, now)


def _keep(database: Database, build: Build, snapshots: KeyedSnapshots) -> None:
    if snapshots.forget_others:
        database.run(sql.DROP_SNAPSHOTS, (build.name, snapshots.fingerprint))
    for key, (version, data) in snapshots.taken:
        if not database.rows(sql.LEFT_OUT_OF_KEY, (build.id, key, build.id, key)):
            database.run(sql.PUT_SNAPSHOT, (build.name, snapshots.fingerprint, key, version, data))


def _park(database: Database, build: int, parked: Parked, now: float) -> None:
    key, position, session, type, error, _, wish = parked
    database.run(sql.PARK, (build, key, position, session, type, storable(error), now, wish))


def storable(text: str) -> str:
    """What is said of a fault, as every database takes it."""
    return text.replace("\0", "�").encode(errors="replace").decode()[:2_000]
