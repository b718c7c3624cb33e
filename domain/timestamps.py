"""Times, as RFC 3339 writes them: always with an offset, kept in UTC."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc_3339(time: object) -> object:
    # What pydantic takes for a time is more: bare numbers, for instance.
    if isinstance(time, datetime) or (isinstance(time, str) and _RFC_3339.fullmatch(time)):
        return time
    raise ValueError("should be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z")


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("should be within the years 1 to 9999 in UTC") from None


Time = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_utc)]
