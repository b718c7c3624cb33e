"""Sphinx: MyST pages in the furo theme, built offline with warnings as errors (`make docs`)."""

from __future__ import annotations

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
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"Stenogram {release}"
