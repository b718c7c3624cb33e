"""Checks of the views of the main log, as gateways keep them."""

from collections.abc import AsyncIterator

from ....api.settings import Settings
from ....api.views.storage import NO_VIEWS, ViewStorage
from ....domain.errors import StenogramError
from ....log.log import Log
from ....log.storage import Storage, has_log
from ....projections.health import healths
from ....projections.store.database import NO_TABLES
from .finding import Finding, ok, warn

_NONE_YET = "none are built yet; a gateway makes them when it starts"


async def check_views(settings: Settings) -> AsyncIterator[Finding]:
    """How each of them is. Nothing is made."""
    if settings.views == NO_VIEWS:
        yield ok("views", "there are to be none")
        return
    file = ViewStorage(settings.views, settings.log).file()
    if (file is not None and not file.exists()) or not await has_log(settings.log):
        yield ok("views", _NONE_YET)
        return
    async for finding in _built(settings):
        yield finding


async def _built(settings: Settings) -> AsyncIterator[Finding]:
    store = ViewStorage(settings.views, settings.log).store()
    store.enter()  # not prepared: that would make its tables
    try:
        async with Log(Storage(settings.log).engine(read_only=True)) as log:
            found = await healths(log, store)
    except StenogramError as error:
        mend = "start a gateway; if one is running, mend the storage"
        yield ok("views", _NONE_YET) if error.detail == NO_TABLES else warn("views", error.detail, mend)
        return
    finally:
        await store.__aexit__()
    if found and not any(each.build.held or each.build.stopped for each in found):
        yield warn("views", f"{len(found)} are kept, and no gateway advances them now", "start one")
        return
    ill = [each for each in found if each.verdict != "healthy"]
    for each in ill:
        yield warn("views", f"{each.build.name}: {each.verdict}: {each.why}", "see `stenogram projections status`")
    if not ill:
        yield ok("views", f"{len(found)} are healthy" if found else _NONE_YET)
