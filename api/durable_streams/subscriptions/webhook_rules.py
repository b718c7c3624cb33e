"""Which addresses webhooks may go to: those that the operator names, and of these no network that is not public.

A name is looked up when a connection is made, and what is found is checked there (`webhook_sender`): what it led to
when the subscription was made says nothing about later.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote

from yarl import URL

from ....domain.errors import ConfigurationError, Invalid

Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""What there is of IPv6 that is public. Python calls others global, too, that lead into a site or to IPv4."""
_ANY_PORT = "*"


class _Allowed(NamedTuple):
    scheme: str
    host: str
    port: int | None
    """None for any."""
    path: str


class WebhookRules:
    """Of one gateway. Raises ConfigurationError for settings that say nothing."""

    def __init__(self, addresses: Sequence[str], networks: Sequence[str]) -> None:
        self._allowed = [_allowed(each) for each in addresses]
        self._networks = [_network(each) for each in networks]

    def check(self, url: str) -> URL:
        """The address, if webhooks may go there as far as it says. Raises Invalid."""
        if not self._allowed:
            raise _rejected("This gateway sends no webhooks; an operator allows addresses by STENOGRAM_WEBHOOKS.")
        try:
            found = URL(url)
        except ValueError:
            raise _rejected("The webhook's address is no URL.") from None
        if not self._names(found):
            raise _rejected(
                "The webhook's address is none of those that this gateway may call. It begins with one that an "
                "operator allows (STENOGRAM_WEBHOOKS), and has neither a user nor a fragment."
            )
        return found

    def is_open(self, host: str, address: str) -> bool:
        """Whether a connection may be made to the network address that a host has. One that is not public must be of a
        network that is allowed, or the host's own name."""
        try:
            found = _embedded(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if any(found in network for network in self._networks if network.version == found.version):
            return True
        if host == "localhost" and found.is_loopback:  # whoever allows that name means it
            return True
        try:
            return _embedded(ip_address(host)) == found
        except ValueError:
            within = found.version == 4 or found in _UNICAST
            return within and found.is_global and not found.is_multicast

    def _names(self, url: URL) -> bool:
        if url.user is not None or url.password is not None or url.fragment or url.host is None:
            return False
        return any(
            (url.scheme, url.raw_host) == (each.scheme, each.host)
            and each.port in (None, url.port)
            and (url.raw_path == each.path or url.raw_path.startswith(each.path.removesuffix("/") + "/"))
            and not _climbs(url.raw_path)
            for each in self._allowed
        )


def _allowed(address: str) -> _Allowed:
    scheme, separator, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    any_port = authority.endswith(f":{_ANY_PORT}")
    try:
        url = URL(f"{scheme}://{authority.removesuffix(':*') if any_port else authority}/{path}")
        host, port = url.raw_host, url.port
    except ValueError:
        host, port, url = None, None, URL()
    if scheme not in ("http", "https") or not separator or not host or url.user or url.query_string or url.fragment:
        raise ConfigurationError(
            f"STENOGRAM_WEBHOOKS has {address!r}; write what addresses begin with, such as "
            f'["https://worker.example.com/hooks/"], with `:*` after the host for any port.'
        )
    return _Allowed(scheme, host, None if any_port else port, url.raw_path)


def _climbs(path: str) -> bool:
    """Whether a path leads upwards in the eyes of any server, however often that decodes it."""
    while (plain := unquote(path)) != path:
        path = plain
    return any(each.partition(";")[0] == ".." for each in path.replace("\\", "/").split("/"))


def _network(network: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(network)
    except ValueError:
        raise ConfigurationError(
            f'STENOGRAM_WEBHOOK_NETWORKS has {network!r}; write networks, such as ["10.1.0.0/16"].'
        ) from None


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, if it is one of those."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _rejected(detail: str) -> Invalid:
    return Invalid(detail, error={"code": "WEBHOOK_URL_REJECTED"})
