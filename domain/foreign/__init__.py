"""Other protocols' events as commands of ours. Pure, like the rules: both sides of the wire publish what other
frameworks tell of their runs."""

from .ag_ui_writer import AgUiWriter, Step, ag_ui_members

__all__ = ["AgUiWriter", "Step", "ag_ui_members"]
