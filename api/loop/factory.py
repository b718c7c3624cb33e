"""The event loop that programs of ours run on."""

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's loop; None, for asyncio's own, where there is none."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:  # not made for every system
        return None
    return uvloop.new_event_loop
