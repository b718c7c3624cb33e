"""Recordings of other systems as sessions: what `stenogram import FORMAT PATH…` reads.

A format is an entry point of the group `stenogram.importers`, an `Importer`.
"""

from .importer import GROUP, Importer, ImportOptions, find_importer, importer_names
from .session_lines import SessionLines, slug

__all__ = ["GROUP", "ImportOptions", "Importer", "SessionLines", "find_importer", "importer_names", "slug"]
