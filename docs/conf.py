"""Sphinx: MyST pages in the furo theme, built offline with warnings as errors (`make docs`)."""

from __future__ import annotations

import builtins
import re
import sys
from importlib import import_module
from typing import Any

from stenogram import __version__

project = "Stenogram"
author = "The Stenogram authors"
copyright = "2026, The Stenogram authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_design"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
default_role = "code"  # docstrings write names in single backticks

html_theme = "furo"
html_title = f"Stenogram {release}"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", show_as_it_is)
    app.connect("autodoc-process-signature", with_readable_defaults)
    app.connect("doctree-read", leave_builtins)
    # No import statement: the type checker runs without Sphinx.
    typing = import_module("sphinx.util.typing")
    plain = typing.stringify_annotation

    def without_constraints(annotation: Any, *args: Any, **kwargs: Any) -> str:
        """`Annotated[str, StringConstraints(…)]` is shown as `str`."""
        while hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        return str(plain(annotation, *args, **kwargs))

    for module in [each for name, each in sys.modules.items() if name.startswith("sphinx.")]:
        if hasattr(module, "stringify_annotation"):
            vars(module)["stringify_annotation"] = without_constraints


def show_as_it_is(_app: object, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Docstrings are written to be read in the code: show their drawings, programs and tables as they are."""
    if lines and re.match(r"Alias for field number \d+$", lines[0]):
        lines.clear()
    shown: list[str] = []
    block = False
    for line in lines:
        if not line.strip():
            shown.append(line)
            continue
        drawn = line.startswith("|") or (line.startswith("    ") and (block or shown[-1:] == [""]))
        if drawn and not block:
            shown += ["::", ""]
        elif block and not drawn:
            shown += [""]
        shown.append(f"    {line}" if line.startswith("|") else line)
        block = drawn
    lines[:] = shown


def with_readable_defaults(*given: Any) -> tuple[str | None, str | None]:
    """`<factory>`, as dataclasses write it, is no Python."""
    signature, returned = given[-2:]
    return signature and signature.replace("<factory>", "..."), returned


def leave_builtins(_app: object, document: Any) -> None:
    """`type[Event]` is Python's `type`, and no member `type` of ours."""
    for reference in list(document.findall(lambda node: node.tagname == "pending_xref")):
        if reference.get("refdomain") == "py" and reference.get("reftarget") in vars(builtins):
            shown = reference.children[0]
            reference.replace_self(shown.children if shown.tagname == "pending_xref_condition" else shown)
