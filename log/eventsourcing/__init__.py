"""The interfaces of the `eventsourcing` library over our log: a persistence module.

    PERSISTENCE_MODULE=stenogram.log.eventsourcing
    STENOGRAM_LOG=stenogram.db

Its applications and projections then write through the same committer as everything else: they share batches, order
and wake-ups. In one process a log belongs to one background thread with an event loop; calls wait for it. One log can
serve an application and a gateway at once: `lend` gives this module a log that is open already, and
`STENOGRAM_READ_ONLY=yes` follows a log that another process writes.

Settings, each also with the application's name in front (`ORDERS_STENOGRAM_LOG`):

| setting | meaning |
|---|---|
| `STENOGRAM_LOG` | a path, a `postgresql://` URL, `memory:` for the factory's own, `memory:name` for a shared one |
| `STENOGRAM_READ_ONLY` | `yes` opens the log for reading only |
| `STENOGRAM_SNAPSHOTS` | where snapshots go, which are no history: `<log>.snapshots` |
| `STENOGRAM_ACTOR` | the actor of events: `eventsourcing` |
| `ORIGINATOR_ID_TYPE` | `uuid` or `text`: what ids of aggregates are, as in the library's own modules |

Guarantees: versions of an aggregate are unique, and need not be contiguous; what one call inserts is written by one
commit, with its tracking; notification ids are the log's positions, contiguous and in commit order. What clients of a
gateway write is never a domain event, but a `SessionEvent`.

Limits: notifications of rare topics are looked for page by page, for logs have no index of types. A projection that
saves events of its own needs a log of its own, or it would meet them again in the log that it follows.
"""

from .event_names import name_aggregate, name_event
from .factory import LogFactory
from .mapper import EnvelopeMapper, SessionEvent
from .open_logs import lend
from .recorders import LogAggregateRecorder, LogApplicationRecorder, LogProcessRecorder, LogTrackingRecorder
from .subscription import LogSubscription

__all__ = [
    "EnvelopeMapper",
    "LogAggregateRecorder",
    "LogApplicationRecorder",
    "LogFactory",
    "LogProcessRecorder",
    "LogSubscription",
    "LogTrackingRecorder",
    "SessionEvent",
    "lend",
    "name_aggregate",
    "name_event",
]
