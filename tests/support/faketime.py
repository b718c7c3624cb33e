"""A clock that can be set, for processes that a test starts: their time of day, by libfaketime (Debian: libfaketime).

Their monotonic clocks stay as they are, as those of a machine whose clock is set do.
"""

from pathlib import Path

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def find_faketime() -> Path | None:
    """The library, or None."""
    return next((found for pattern in _LIBRARIES for found in Path("/").glob(pattern.lstrip("/"))), None)


class FakeClock:
    """A clock that is right until it is set; `env` gives it to a process. The file says how it is set."""

    def __init__(self, file: Path, offset: float = 0.0) -> None:
        library = find_faketime()
        assert library is not None, "no libfaketime: install it (Debian: libfaketime)"
        self._file = file
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(offset)

    def set(self, offset: float) -> None:
        """Set it so many seconds ahead of the time; negative: behind."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+f}\n")
        new.chmod(0o644)
        new.replace(self._file)  # whole: it is read at any time
