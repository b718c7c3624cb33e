"""The sockets on which a gateway listens: bound before anything is opened, so that a port in use leaves no file."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ...domain.errors import ConfigurationError

_OF_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, socket.EAI_NONAME, socket.EAI_AGAIN)


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to every address of `host`, not listening yet; closed at the end. Raises ConfigurationError, which
    says what to change."""
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            made = socket.socket(family, kind, protocol)
            sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                made.bind(address)
            except OSError as error:
                raise cannot_listen(host, port, error) from None
        yield sockets
    finally:
        for each in sockets:
            each.close()


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """Why not, and what to change."""
    where = f"Cannot listen on {host}:{port}: {error.strerror}."
    if port and error.errno not in _OF_ADDRESS:
        return ConfigurationError(f"{where} Take another port with --port (STENOGRAM_PORT); 0 takes a free one.")
    return ConfigurationError(f"{where} --host (STENOGRAM_HOST) is an address of this machine.")


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise cannot_listen(host, port, error) from None
    return list(dict.fromkeys(found))  # type: ignore[arg-type]
