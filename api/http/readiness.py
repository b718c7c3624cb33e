"""Whether a gateway can serve: what each open log knows of its storage and its writer, told in bounded time.

Where other gateways write as well nothing is asked of the database here: the log itself looks every second, and what
matters is when that last succeeded. So a database that hangs makes nobody wait for the answer.
"""

import asyncio
import time
from typing import Any

from ...domain.errors import LogError, NotReady
from ...log.log import Log
from ..tenants import Tenants

MAX_LAG = 5.0
"""Seconds without certainty about what others have written, after which a gateway is not ready."""
AFTER_FAILURE = 5.0
"""Seconds after a failed commit for which it is not ready, unless one succeeds. It must be tried again some time."""
WITHIN = 2.0
"""Seconds that an embedded storage has to answer."""


async def readiness(tenants: Tenants) -> dict[str, Any]:
    """What the answer says when all is well. Raises NotReady with what is wrong."""
    for tenant in tuple(tenants.open.values()):
        await _check(tenant.log)
    main = tenants.open[""].log
    reads = {} if main.engine.writable else {"read_only": True}
    return {**reads, "position": main.position, "waiting": main.waiting, "lag": round(main.lag, 3)}


async def _check(log: Log) -> None:
    if not log.working:
        raise NotReady("The log's work has ended; restart the gateway.")
    failed_at = log.stats.failed_at
    if failed_at is not None and time.monotonic() - failed_at < AFTER_FAILURE:
        raise NotReady("The last commit failed; the gateway's log says why.")
    if log.lag > MAX_LAG:
        why = log.trouble or "it does not answer"
        raise NotReady(f"The log's database was last reached {log.lag:.0f} seconds ago: {why}")
    if not log.engine.shared:
        await _ask(log)


async def _ask(log: Log) -> None:
    asking = asyncio.ensure_future(log.engine.head())
    done, _ = await asyncio.wait([asking], timeout=WITHIN)
    if not done:
        asking.cancel()
        raise NotReady(f"The log's storage does not answer within {WITHIN:g} seconds.")
    try:
        asking.result()
    except LogError as error:
        raise NotReady(f"The log cannot be read: {error}") from error
