"""What the library constructs a log's recorders by."""

import re
from threading import RLock
from typing import Any

from eventsourcing.domain import TAggregateID
from eventsourcing.persistence import InfrastructureFactory, InterfaceError, Mapper, Transcoder
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from ...domain.ids import NAME_PATTERN
from ..location import Location
from .errors import CLOSED
from .mapper import EnvelopeMapper
from .open_logs import Lease
from .recorders import LogAggregateRecorder, LogApplicationRecorder, LogProcessRecorder, LogTrackingRecorder
from .stored_events import Ids


class LogFactory(InfrastructureFactory[LogTrackingRecorder]):
    """Opens its log when the first recorder is asked for, and gives it back when it is closed.

    Raises OSError when `STENOGRAM_LOG` is not set, or a setting has no meaning.
    """

    LOG = "STENOGRAM_LOG"
    READ_ONLY = "STENOGRAM_READ_ONLY"
    SNAPSHOTS = "STENOGRAM_SNAPSHOTS"
    ACTOR = "STENOGRAM_ACTOR"
    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"

    aggregate_recorder_class: type[LogAggregateRecorder] = LogAggregateRecorder
    application_recorder_class: type[LogApplicationRecorder] = LogApplicationRecorder
    tracking_recorder_class: type[LogTrackingRecorder] = LogTrackingRecorder
    process_recorder_class: type[LogProcessRecorder] = LogProcessRecorder

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        where = self.env.get(self.LOG)
        if not where:
            raise OSError(f"Set {self.LOG} to the log's path, or to memory:.")
        ids = self.env.get(self.ORIGINATOR_ID_TYPE, "uuid").lower()
        if ids not in ("uuid", "text"):
            raise OSError(f"{self.ORIGINATOR_ID_TYPE} is uuid or text, not {ids!r}.")
        self._where = where
        self._read_only = strtobool(self.env.get(self.READ_ONLY, "no"))
        self._ids = Ids(uuid=ids == "uuid")
        self._actor = self.env.get(self.ACTOR, EnvelopeMapper.actor)
        if len(self._actor) > 128 or re.fullmatch(NAME_PATTERN, self._actor) is None:
            raise OSError(f"{self.ACTOR} is a participant's id, of A-Z a-z 0-9 . _ : @ + -; not {self._actor!r}.")
        self._leases: dict[bool, Lease] = {}
        self._closed = False
        self._lock = RLock()

    def close(self) -> None:
        """Give the logs back; recorders cannot be used any more. Safe to call twice."""
        with self._lock:
            self._closed = True
            leases = list(self._leases.values())
        for lease in leases:
            lease.close()

    def mapper(
        self, transcoder: Transcoder | None = None, mapper_class: type[Mapper[TAggregateID]] | None = None
    ) -> Mapper[TAggregateID]:
        """An `EnvelopeMapper`, or the subclass that is given or named by `MAPPER_TOPIC`.

        Raises OSError for any other: it would look up what a client of a gateway called an event.
        """
        if mapper_class is None and not self.env.get(self.MAPPER_TOPIC):
            mapper_class = EnvelopeMapper
        mapper = super().mapper(transcoder, mapper_class)
        if not isinstance(mapper, EnvelopeMapper):
            raise OSError(
                f"{type(mapper).__name__} cannot read this log: it would import what a client names as a type. "
                f"Let {self.MAPPER_TOPIC} be a subclass of stenogram.log.eventsourcing:EnvelopeMapper."
            )
        mapper.actor = self._actor
        return mapper

    def aggregate_recorder(self, purpose: str = "events") -> LogAggregateRecorder:
        """For events, or for snapshots: these go to a log of their own."""
        return self.aggregate_recorder_class(*self._parts(snapshots=purpose != "events"))

    def application_recorder(self) -> LogApplicationRecorder:
        """A recorder of `APPLICATION_RECORDER_TOPIC`'s class, if that is set."""
        recorder: type[LogApplicationRecorder] = (
            self._named(self.APPLICATION_RECORDER_TOPIC) or self.application_recorder_class
        )
        return recorder(*self._parts())

    def tracking_recorder(
        self, tracking_recorder_class: type[LogTrackingRecorder] | None = None
    ) -> LogTrackingRecorder:
        """A recorder of the given class, or of `TRACKING_RECORDER_TOPIC`'s."""
        named = tracking_recorder_class or self._named(self.TRACKING_RECORDER_TOPIC)
        return (named or self.tracking_recorder_class)(*self._parts())

    def process_recorder(self) -> LogProcessRecorder:
        """A recorder of `PROCESS_RECORDER_TOPIC`'s class, if that is set."""
        recorder: type[LogProcessRecorder] = self._named(self.PROCESS_RECORDER_TOPIC) or self.process_recorder_class
        return recorder(*self._parts())

    def _named(self, setting: str) -> Any:
        """The class that a setting names, if it is set."""
        topic = self.env.get(setting)
        return resolve_topic(topic) if topic else None

    def _beside(self) -> str:
        return self.env.get(self.SNAPSHOTS) or Location.parse(self._where).snapshots.address

    def _parts(self, *, snapshots: bool = False) -> tuple[Lease, Ids, str, str]:
        """What a recorder is made of. All recorders of the factory share a lease of each log."""
        with self._lock:
            if self._closed:
                raise InterfaceError(CLOSED)
            if snapshots not in self._leases:
                where = self._beside() if snapshots else self._where
                self._leases[snapshots] = Lease(where, read_only=self._read_only)
            return self._leases[snapshots], self._ids, self._actor, self.env.name
