"""What went wrong on the way to a gateway, in a few words for people."""

import os

import aiohttp


def in_words(error: BaseException) -> str:
    """`Connection refused`, not what aiohttp prints of it."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        said = error.os_error.strerror or "connection failed"
        return os.strerror(number) if number and number > 0 else said
    return str(error) or type(error).__name__
