"""Finding users' projections: by name, or because an installed package offers them.

    my_app.views:board          a projection, or a list of them

A package offers some by entry points of the group `stenogram.projections`, each of which names the same.
"""

import importlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ...domain.errors import ConfigurationError
from .projection import Projection

GROUP = "stenogram.projections"


def load(names: Iterable[str]) -> list[Projection[Any, Any]]:
    """The projections of these names (`module:attribute`), in their order. Modules are also looked for in the working
    directory, as `python -m` does. Raises ConfigurationError."""
    named, here = list(names), str(Path.cwd())
    if named and here not in sys.path:
        sys.path.insert(0, here)
    return [projection for name in named for projection in _load(name)]


def offered() -> list[Projection[Any, Any]]:
    """The projections that installed packages offer. Raises ConfigurationError."""
    return [projection for point in entry_points(group=GROUP) for projection in _load(point.value)]


def _load(name: str) -> list[Projection[Any, Any]]:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ConfigurationError(f"{name!r} names no projection; say module:attribute, such as my_app.views:board.")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise ConfigurationError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(found, attribute):
        raise ConfigurationError(f"{module} has no {attribute!r}.")
    value = getattr(found, attribute)
    projections = [value] if isinstance(value, Projection) else value
    if not isinstance(projections, list | tuple) or not all(isinstance(each, Projection) for each in projections):
        raise ConfigurationError(f"{name} is no projection, and no list of them.")
    if silent := [each.name for each in projections if not len(each.handlers)]:
        raise ConfigurationError(f"{name}: {', '.join(silent)} handles nothing; declare handlers with @….on.")
    return list(projections)
