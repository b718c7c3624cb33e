"""Whether a gateway can serve: what its main log knows of its storage and its writer, said in bounded time. What is
wrong with the log of one tenant is told to that tenant, and keeps nobody from being served.

Where other gateways write as well nothing is asked of the database here: the log itself polls every second, and what
matters is when that last succeeded. So a database that hangs delays no answer.
"""

import asyncio
import time
from typing import Any

from ...domain.errors import LogError, NotReady
from ...log.clock import NOTED_OFFSET_S, describe_offset
from ...log.log import Log
from ..tenants.tenants import MAIN, Tenants
from .answer import ReadyAnswer

MAX_LAG_S = 5.0
"""Seconds without certainty about what others have written, after which a gateway is not ready."""
NOT_READY_AFTER_FAILURE_S = 5.0
"""Seconds after a failed commit for which it is not ready, unless one succeeds. It must be tried again some time."""
STORAGE_TIMEOUT_S = 2.0
"""Seconds that an embedded storage has to answer."""


async def check_readiness(tenants: Tenants, place: str) -> ReadyAnswer:
    """Raises NotReady with what is wrong, and with which storage: the main log is at `place`."""
    main = tenants.open[MAIN].log
    await _check(main, place)
    offset = main.clock.offset
    answer: dict[str, Any] = {
        "status": "ready",
        "position": main.position,
        "waiting": main.waiting,
        "lag": round(main.lag, 3),
        "clock_offset": round(offset, 3),
    }
    if abs(offset) > NOTED_OFFSET_S:
        answer["warning"] = f"This machine's clock is {describe_offset(offset)} the log's time; set it right."
    if not main.engine.writable:
        answer["read_only"] = True
    stopped = {name for tenant in tenants.open.values() for name in tenant.views.stopped}
    if stopped:
        answer["stopped_views"] = sorted(stopped)
    return ReadyAnswer.model_validate(answer)


async def _check(log: Log, place: str) -> None:
    if not log.working:
        raise NotReady("The log's work has ended; restart the gateway.")
    failed_at = log.stats.failed_at
    if failed_at is not None and time.monotonic() - failed_at < NOT_READY_AFTER_FAILURE_S:
        raise NotReady(f"The last commit failed, to the log at {place}: {log.stats.failure}")
    if log.lag > MAX_LAG_S:
        why = log.trouble or "it does not answer"
        raise NotReady(f"The log's database, {place}, was last reached {log.lag:.0f} seconds ago: {why}")
    if not log.engine.shared:
        await _probe_storage(log, place)


async def _probe_storage(log: Log, place: str) -> None:
    asking = asyncio.ensure_future(log.engine.head())
    done, _ = await asyncio.wait([asking], timeout=STORAGE_TIMEOUT_S)
    if not done:
        asking.cancel()
        raise NotReady(f"The log's storage, {place}, does not answer within {STORAGE_TIMEOUT_S:g} seconds.")
    try:
        asking.result()
    except LogError as error:
        raise NotReady(f"The log cannot be read: {error}") from error
