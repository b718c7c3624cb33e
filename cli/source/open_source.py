"""Choosing the adapter for a place."""

from ..options import Place
from .port import Source


def open_source(place: Place) -> Source:
    """The log at `place`, to be entered. Entering raises LogUnreadable; reading from a gateway that cannot be reached
    raises Unreachable."""
    if place.is_gateway:
        from .gateway import GatewaySource

        return GatewaySource(place)
    from .local import LocalSource

    return LocalSource(place.address)
