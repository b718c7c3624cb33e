"""ES modules as one script, for a page that has to be a single file.

Each module becomes a function that runs once, in the order of its imports, and returns what it exports. Only the forms
of `import` and `export` that these modules use are known; any other one is an error.
"""

import re
from pathlib import Path, PurePosixPath

from . import CLIENT, CONSOLE

_IMPORT = re.compile(r"^import\s+\{([^}]*)\}\s+from\s+'([^']+)'[ \t]*;?$", re.MULTILINE)
_REEXPORT = re.compile(r"^export\s+\{([^}]*)\}\s+from\s+'([^']+)'[ \t]*;?$", re.MULTILINE)
_EXPORT_LIST = re.compile(r"(?:^|(?<=;))export\s*\{([^}]*)\};?\s*$", re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function\*?|class|const|let)\s+([\w$]+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|(?<=;)export\b.*", re.MULTILINE)


def bundle(entry: str) -> str:
    """A script that does what the module `entry` of the console does. Raises ValueError for modules that it cannot
    link, and for what would end a `<script>`."""
    found: dict[str, str] = {}
    _link(entry, found, ())
    script = '"use strict";\nconst modules = {};\n' + "".join(found.values())
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("A module has a text in it that would end the script of a page.")
    return script


def _link(name: str, found: dict[str, str], above: tuple[str, ...]) -> None:
    """Add a module behind all that it imports."""
    if name in found:
        return
    if name in above:
        raise ValueError(f"Modules import each other in a circle: {' → '.join((*above, name))}.")
    source = _read(name)
    for expression in (_IMPORT, _REEXPORT):
        for each in expression.finditer(source):
            _link(_resolve(name, each[2]), found, (*above, name))
    found[name] = _as_function(name, source)


def _as_function(name: str, source: str) -> str:
    exported: dict[str, str] = {}  # what is known under each name outside
    top: list[str] = []

    def imported(match: re.Match[str]) -> str:
        pairs = ", ".join(f"{here}: {there}" for here, there in _pairs(match[1]))
        top.append(f"const {{ {pairs} }} = modules['{_resolve(name, match[2])}'];")
        return ""

    def reexported(match: re.Match[str]) -> str:
        there = _resolve(name, match[2])
        exported.update({outside: f"modules['{there}'].{inside}" for inside, outside in _pairs(match[1])})
        return ""

    def listed(match: re.Match[str]) -> str:
        exported.update({outside: inside for inside, outside in _pairs(match[1])})
        return ""

    def declared(match: re.Match[str]) -> str:
        exported[match[1]] = match[1]
        return ""

    for expression, change in (
        (_IMPORT, imported),
        (_REEXPORT, reexported),
        (_EXPORT_LIST, listed),
        (_EXPORT, declared),
    ):
        source = expression.sub(change, source)
    if other := _OTHER.search(source):
        raise ValueError(f"{name}: this form cannot be linked: {other[0][:80]}")
    members = ", ".join(f"get {outside}() {{ return {inside} }}" for outside, inside in exported.items())
    body = "\n".join((*top, source.strip()))
    return f"modules['{name}'] = (() => {{\n{body}\nreturn {{ {members} }};\n}})();\n"


def _pairs(names: str) -> list[tuple[str, str]]:
    """`a, b as c` as pairs of a name there and a name here."""
    found = [each.split(" as ") for each in re.sub(r"\s+", " ", names).split(",") if each.strip()]
    return [(each[0].strip(), each[-1].strip()) for each in found]


def _resolve(importer: str, path: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(importer).parent / path).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _read(name: str) -> str:
    client = name.startswith("client/")
    path: Path = CLIENT / name.removeprefix("client/") if client else CONSOLE / name
    return path.read_text(encoding="utf-8")
