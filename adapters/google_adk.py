"""Sessions of Google's Agent Development Kit as sessions: a `BaseSessionService` that keeps them at a gateway.

    service = StenogramSessionService("http://127.0.0.1:8600", participant="concierge")
    runner = Runner(app_name="trips", agent=agent, session_service=service)

An event is an event (`x.google_adk.event`), and so are the creation of a session and its deletion. The state that
sessions of a user or an app share is in sessions of its own (`user:…`, `app:…`). It follows from the events: what a
process did not come to write there, the next one that reads the session does.

Of two that append to what both have loaded, the second gets `StaleSessionError`, and nothing of it is stored.
"""

from typing import Any, NamedTuple, Unpack
from uuid import uuid4

from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events import Event
from google.adk.sessions import BaseSessionService, Session, State
from google.adk.sessions.base_session_service import GetSessionConfig, ListSessionsResponse
from pydantic_core import to_jsonable_python

from ..domain.errors import Conflict
from .background import InBackground
from .folds import Folds
from .journal import Access, Entry, Journal, Reader, session_id

STORE = "google_adk"
STALE = "The session was appended to since it was loaded. Load it again, and append then."
SCOPES = {"app": State.APP_PREFIX, "user": State.USER_PREFIX}
Json = dict[str, Any]


class Key(NamedTuple):
    """Whose session."""

    app: str
    user: str
    id: str


class Kept:
    """A session as its records tell it. `revision` changes with each of them; `shared` is what it says of the state
    that it shares, by what says so (an event's id)."""

    def __init__(self, state: Json, since: float) -> None:
        self.state = state
        self.updated = since
        self.revision = 0
        self.events: list[Json] = []
        self.shared: dict[str, Json] = {}

    def copy(self) -> "Kept":
        """As it is now: more may be folded while somebody reads."""
        copied = Kept(dict(self.state), self.updated)
        copied.revision, copied.events, copied.shared = self.revision, list(self.events), dict(self.shared)
        return copied


class Sessions:
    """The sessions of one id, by whose they are; and the state that is shared under such a name."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.kept: dict[Key, Kept] = {}
        self.state: Json = {}
        self.applied: set[str] = set()

    def fold(self, entry: Entry) -> None:
        """Add a record."""
        record = entry.record
        if entry.kind == "state":
            self.state |= record["delta"]
            self.applied.add(record["of"])
            return
        key = Key(record["app"], record["user"], record["id"])
        match entry.kind:
            case "created":
                kept = self.kept[key] = Kept({}, entry.time.timestamp())
                self._apply(kept, f"{entry.version}", record["state"])
            case "event":
                kept, event = self.kept[key], record["event"]
                kept.events.append(event)
                kept.updated = event["timestamp"]
                self._apply(kept, event["id"], event.get("actions", {}).get("stateDelta", {}))
            case "deleted":
                self.kept.pop(key, None)  # of two that delete it, the second may not know of the first
                return
        self.kept[key].revision = entry.version

    @staticmethod
    def _apply(kept: Kept, of: str, delta: Json) -> None:
        shared = {name: value for name, value in delta.items() if name.startswith(tuple(SCOPES.values()))}
        kept.state |= {name: value for name, value in delta.items() if name not in shared}
        if shared:
            kept.shared[of] = shared


class StenogramSessionService(InBackground, BaseSessionService):
    """Keeps sessions at a gateway: `url`, and who this is there (`token`, or on an open gateway `participant` and
    `kind`, an agent by default). It connects with the first call, and may be used from any event loop; `aclose`
    (`async with`) ends it, as does the end of the process."""

    def __init__(self, url: str, **access: Unpack[Access]) -> None:
        journal = Journal(STORE, url, access)
        self._kept = KeptSessions(journal)
        self._background = journal.background

    async def create_session(
        self, *, app_name: str, user_id: str, state: Json | None = None, session_id: str | None = None
    ) -> Session:
        """A new session. Raises AlreadyExistsError."""
        key = Key(app_name, user_id, (session_id or "").strip() or str(uuid4()))
        given = {name: value for name, value in (state or {}).items() if not name.startswith(State.TEMP_PREFIX)}
        kept, merged = await self._background.arun(self._kept.create(key, to_jsonable_python(given)))
        return _session(key, kept, merged, kept.events)

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """A session with its events, or some of them; None where there is none."""
        key = Key(app_name, user_id, session_id.strip())
        found = await self._background.arun(self._kept.get(key))
        return None if found is None else _session(key, *found, _chosen(found[0].events, config))

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """The sessions of a user, or of all users, without events; the ones that were used last come last."""
        found = await self._background.arun(self._kept.all(app_name, user_id))
        sessions = [_session(key, kept, merged, []) for key, kept, merged in found]
        sessions.sort(key=lambda each: (each.last_update_time, each.user_id, each.id))
        return ListSessionsResponse(sessions=sessions)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Have a session no more. (The log keeps its events.)"""
        await self._background.arun(self._kept.delete(Key(app_name, user_id, session_id.strip())))

    async def get_user_state(self, *, app_name: str, user_id: str) -> Json:
        """The state that a user's sessions share."""
        return await self._background.arun(self._kept.shared("user", app_name, user_id))

    async def append_event(self, session: Session, event: Event) -> Event:
        """Append an event; once, if the same one comes again. Raises StaleSessionError, and SessionNotFoundError."""
        if event.partial:
            return event
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        dumped = event.model_dump(mode="json", by_alias=True, exclude_none=True)
        key, marker = Key(session.app_name, session.user_id, session.id), session._storage_update_marker
        revision = await self._background.arun(self._kept.append(key, marker, session.last_update_time, dumped))
        if revision is not None:
            self._commit_event_to_session(session, event)
            session.last_update_time = event.timestamp
            session._storage_update_marker = revision
        return event


class KeptSessions:
    """The sessions of a gateway, as JSON; to be used in the journal's loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folds = Folds(journal, Sessions)

    async def create(self, key: Key, state: Json) -> tuple[Kept, Json]:
        """A new one, and its state with what it shares. Raises AlreadyExistsError."""
        while True:
            async with self._folds.current(session_id(key.id)) as sessions:
                if key in sessions.kept:
                    raise AlreadyExistsError(f"Session with id {key.id} already exists.")
                await self._record(key, "created", {"state": state}, sessions)
            if (found := await self.get(key)) is not None:
                return found

    async def get(self, key: Key) -> tuple[Kept, Json] | None:
        """One, and its state with what it shares."""
        async with self._folds.current(session_id(key.id)) as sessions:
            found = sessions.kept.get(key)
            kept = None if found is None else found.copy()
        return None if kept is None else (kept, await self._merged(key, kept))

    async def all(self, app: str, user: str | None) -> list[tuple[Key, Kept, Json]]:
        """Those of a user, or of all."""
        found = list[tuple[Key, Kept]]()
        async for session in self._journal.sessions():
            async with self._folds.current(session) as sessions:
                found += [
                    (key, kept.copy())
                    for key, kept in sessions.kept.items()
                    if key.app == app and user in (None, key.user)
                ]
        return [(key, kept, await self._merged(key, kept)) for key, kept in found]

    async def delete(self, key: Key) -> None:
        """Have one no more."""
        async with self._folds.current(session_id(key.id)) as sessions:
            if key in sessions.kept:
                await self._journal.append(session_id(key.id), "deleted", key._asdict())

    async def append(self, key: Key, marker: str | None, updated: float, event: Json) -> str | None:
        """Append an event to what its caller has loaded; the revision then, or None where it was there already."""
        while True:
            async with self._folds.current(session_id(key.id)) as sessions:
                kept = sessions.kept.get(key)
                if kept is None:
                    raise SessionNotFoundError(f"Session {key.id} not found.")
                if event in kept.events:
                    return None
                stale = kept.updated > updated if marker is None else marker != str(kept.revision)
                if stale:
                    raise StaleSessionError(STALE)
                version = await self._record(key, "event", {"event": event}, sessions)
            if version is not None:
                await self.get(key)  # what it says of shared state is written there
                return str(version)

    async def shared(self, scope: str, *names: str) -> Json:
        """The state that is shared in a scope."""
        async with self._folds.current(session_id(_scope(scope, *names))) as sessions:
            return dict(sessions.state)

    async def _record(self, key: Key, kind: str, record: Json, sessions: Sessions) -> int | None:
        """Append a record; None where another was appended since: then it is to be looked at again."""
        try:
            whole = {**key._asdict(), **record}
            return await self._journal.append(session_id(key.id), kind, whole, expect=sessions.reader.head)
        except Conflict as conflict:
            if type(conflict) is not Conflict:
                raise
            return None

    async def _merged(self, key: Key, kept: Kept) -> Json:
        """The state with what it shares; which is first brought up to what the session says of it."""
        merged = dict(kept.state)
        for scope, prefix in SCOPES.items():
            name = _scope(scope, key.app, key.user)
            async with self._folds.current(session_id(name)) as shared:
                for event, said in kept.shared.items():
                    of = f"{key.user}/{key.id}/{event}"
                    delta = {
                        each.removeprefix(prefix): value for each, value in said.items() if each.startswith(prefix)
                    }
                    if delta and of not in shared.applied:
                        await self._journal.append(session_id(name), "state", {"of": of, "delta": delta})
                await self._folds.read(session_id(name), shared)
                merged |= {f"{prefix}{each}": value for each, value in shared.state.items()}
        return merged


def _scope(scope: str, app: str, user: str) -> str:
    """What the session is called that has the state of an app, or of one of its users."""
    return f"app:{app}" if scope == "app" else f"user:{app}:{user}"


def _session(key: Key, kept: Kept, state: Json, events: list[Json]) -> Session:
    read = [Event.model_validate(each) for each in events]
    made = Session(
        id=key.id, app_name=key.app, user_id=key.user, state=state, events=read, last_update_time=kept.updated
    )
    made._storage_update_marker = str(kept.revision)
    return made


def _chosen(events: list[Json], config: GetSessionConfig | None) -> list[Json]:
    if config is None:
        return events
    if config.after_timestamp is not None:
        events = [each for each in events if each["timestamp"] >= config.after_timestamp]
    if config.num_recent_events is not None:
        events = events[max(0, len(events) - config.num_recent_events) :]
    return events
