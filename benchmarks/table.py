"""How results are shown: a table for each benchmark, and beside each goal what was reached."""

from dataclasses import dataclass, field

NO_POSTGRES = "skipped: PostgreSQL, whose programs are not here; install the server (Debian: postgresql)"


@dataclass
class Goal:
    """What was hoped for. Nothing fails when it is missed: figures depend on the machine and on who else uses it."""

    what: str
    reached: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return (
            f"{'met   ' if self.met else 'missed'}  {self.what}: {show(self.reached)} (goal {sign} {show(self.wanted)})"
        )


@dataclass
class Table:
    """One benchmark's result."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is to be said besides: above all what was left out."""

    def __str__(self) -> str:
        cells = [self.columns, *[tuple(show(cell) for cell in row) for row in self.rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.columns))]
        lines = [_line(row, widths) for row in cells]
        ruler = "  ".join("-" * width for width in widths)
        goals = [str(goal) for goal in self.goals]
        table = [lines[0], ruler, *lines[1:]] if self.rows else []
        return "\n".join([self.title, "=" * len(self.title), *table, *goals, *self.notes, ""])


def show(value: object) -> str:
    """A figure with three digits that count, or a word as it is."""
    if not isinstance(value, float | int):
        return str(value)
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first = row[0].ljust(widths[0])
    return "  ".join([first, *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]])
