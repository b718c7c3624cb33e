"""Other protocols' events as commands of ours. Pure, like the rules: both sides of the wire publish what other
frameworks tell of their runs."""

from .ag_ui_members import ag_ui_members
from .ag_ui_writer import AgUiWriter, Step
from .taken_ids import TakenIds

__all__ = ["AgUiWriter", "Step", "TakenIds", "ag_ui_members"]
