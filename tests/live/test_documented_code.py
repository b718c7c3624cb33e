"""The Python in the README and in the guides runs, against a real gateway, as a reader would run it: again on the same
log, and page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.thorough


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_all_pages_run_in_order_on_one_log_and_each_of_them_twice(
    serve: Callable[..., Awaitable[Any]],
) -> None:
    gateway = await serve()
    for page in PAGES:
        for _ in range(2):
            await page.run(gateway.url)


async def test_the_quickstart_runs_in_a_session_that_the_reader_has_named(
    serve: Callable[..., Awaitable[Any]],
) -> None:
    gateway = await serve()
    quickstart = next(each for each in PAGES if "quickstart" in each.path)
    assert "There is a direct flight at nine." in await quickstart.run(gateway.url, TRIP="trip-101502")
