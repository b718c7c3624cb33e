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
