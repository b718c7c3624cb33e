"""Every statement of the store of views, for all databases (see `database`)."""

SCHEMA = """
    CREATE TABLE IF NOT EXISTS @build (
        id BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        state TEXT NOT NULL,
        shape TEXT NOT NULL,
        epoch TEXT NOT NULL,
        position BIGINT NOT NULL,
        digest TEXT NOT NULL,
        shared BIGINT NOT NULL,
        rate DOUBLE PRECISION NOT NULL,
        stopped TEXT,
        runner TEXT,
        token BIGINT NOT NULL,
        begun DOUBLE PRECISION NOT NULL,
        moved DOUBLE PRECISION NOT NULL,
        ended DOUBLE PRECISION
    );
    CREATE TABLE IF NOT EXISTS @runner (
        id TEXT PRIMARY KEY,
        beat DOUBLE PRECISION NOT NULL
    );
    CREATE TABLE IF NOT EXISTS @parked (
        build BIGINT NOT NULL,
        key TEXT NOT NULL,
        position BIGINT NOT NULL,
        session TEXT NOT NULL,
        type TEXT NOT NULL,
        error TEXT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        wish TEXT,
        PRIMARY KEY (build, key)
    );
    CREATE TABLE IF NOT EXISTS @skipped (
        build BIGINT NOT NULL,
        key TEXT NOT NULL,
        position BIGINT NOT NULL,
        PRIMARY KEY (build, key, position)
    );
    CREATE TABLE IF NOT EXISTS @passed_over (
        build BIGINT PRIMARY KEY,
        events BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS @snapshot (
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        session TEXT NOT NULL,
        version BIGINT NOT NULL,
        data @bytes NOT NULL,
        PRIMARY KEY (name, fingerprint, session, version)
    )
"""

# -- Builds ------------------------------------------------------------------------------------------------------------

READ_BUILDS = """
    SELECT
        b.id, b.name, b.version, b.state, b.shape, b.epoch, b.position, b.digest, b.shared, b.rate, b.stopped, b.runner,
        b.token, b.begun, b.moved, b.ended, r.beat, (SELECT count(*) FROM @parked p WHERE p.build = b.id),
        coalesce((SELECT o.events FROM @passed_over o WHERE o.build = b.id), 0)
    FROM @build b LEFT JOIN @runner r ON r.id = b.runner
"""
ALL_BUILDS = READ_BUILDS + " ORDER BY b.name, b.id"
ONE_BUILD = READ_BUILDS + " WHERE b.id = ?"
CURRENT_BUILD = READ_BUILDS + " WHERE b.name = ? AND b.state = 'current'"
UNFINISHED_BUILD = READ_BUILDS + " WHERE b.name = ? AND b.version = ? AND b.state = 'building'"

NEXT_BUILD = "SELECT coalesce(max(id), 0) + 1 FROM @build"
ADD_BUILD = """
    INSERT INTO @build (id, name, version, state, shape, epoch, position, digest, shared, rate, token, begun, moved)
    VALUES (?, ?, ?, 'building', ?, ?, ?, ?, ?, 0, 0, ?, ?)
"""
RETIRE_CURRENT = "UPDATE @build SET state = 'retired', ended = ? WHERE name = ? AND state = 'current' AND id <> ?"
PROMOTE_BUILD = "UPDATE @build SET state = 'current', ended = NULL WHERE id = ?"
STOP_BUILD = "UPDATE @build SET stopped = ? WHERE id = ?"
DELETE_BUILD = "DELETE FROM @build WHERE id = ?"

# -- Runners -----------------------------------------------------------------------------------------------------------

BEAT = """
    INSERT INTO @runner (id, beat) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET beat = excluded.beat
"""
FORGET_RUNNER = "DELETE FROM @runner WHERE id = ?"
FORGET_LAPSED = """
    DELETE FROM @runner WHERE (beat < ? OR beat > ?) AND id NOT IN (SELECT runner FROM @build WHERE runner IS NOT NULL)
"""
# A build may be taken when it has no runner, or the one that asks, or one that was not heard of for too long, or will
# only be heard of some time: a clock that counts from the machine's start begins again.
# Who claims holds the row first: PostgreSQL looks at the runners as they were when its statement began.
HOLD_BUILD = "UPDATE @build SET token = token WHERE id = ?"
CLAIM_BUILD = """
    UPDATE @build SET runner = ?, token = token + 1
    WHERE id = ? AND NOT EXISTS (
        SELECT 1 FROM @runner r WHERE r.id = runner AND r.id <> ? AND r.beat > ? AND r.beat < ?
    )
"""
RELEASE_BUILDS = "UPDATE @build SET runner = NULL WHERE runner = ?"

# -- Commits -----------------------------------------------------------------------------------------------------------

ADVANCE = """
    UPDATE @build SET position = ?, digest = ?, shared = ?, rate = ?, moved = ?, stopped = ?
    WHERE id = ? AND token = ? AND position = ? AND shared = ? AND epoch = ?
"""
PARK = """
    INSERT INTO @parked (build, key, position, session, type, error, since, wish) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (build, key) DO UPDATE SET
        position = excluded.position, session = excluded.session, type = excluded.type, error = excluded.error,
        wish = excluded.wish
"""
PASS_OVER = """
    INSERT INTO @passed_over AS o (build, events) VALUES (?, ?)
    ON CONFLICT (build) DO UPDATE SET events = o.events + excluded.events
"""
PASS_OVER_NOTHING = "DELETE FROM @passed_over WHERE build = ?"
UNPARK = "DELETE FROM @parked WHERE build = ? AND key = ?"
UNPARK_ALL = "DELETE FROM @parked WHERE build = ?"
SKIP = "INSERT INTO @skipped (build, key, position) VALUES (?, ?, ?) ON CONFLICT (build, key, position) DO NOTHING"
SKIP_NOTHING = "DELETE FROM @skipped WHERE build = ?"
READ_SKIPPED = "SELECT key, position FROM @skipped WHERE build = ?"
SKIPPED_OF_KEY = """
    SELECT s.position FROM @skipped s JOIN @build b ON b.id = s.build
    WHERE b.name = ? AND b.state = 'current' AND s.key = ?
"""
LEFT_OUT_OF_KEY = """
    SELECT position FROM @skipped WHERE build = ? AND key = ?
    UNION ALL SELECT position FROM @parked WHERE build = ? AND key = ?
"""
READ_PARKED = """
    SELECT key, position, session, type, error, since, wish FROM @parked WHERE build = ? ORDER BY since, key
"""
WISH = "UPDATE @parked SET wish = ? WHERE build = ? AND key = ?"

# -- Snapshots ---------------------------------------------------------------------------------------------------------

READ_SNAPSHOT = """
    SELECT version, data FROM @snapshot
    WHERE name = ? AND fingerprint = ? AND session = ? AND version <= ? ORDER BY version DESC LIMIT 1
"""
PUT_SNAPSHOT = """
    INSERT INTO @snapshot (name, fingerprint, session, version, data) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (name, fingerprint, session, version) DO UPDATE SET data = excluded.data
"""
DROP_SNAPSHOTS = "DELETE FROM @snapshot WHERE name = ? AND fingerprint <> ?"
