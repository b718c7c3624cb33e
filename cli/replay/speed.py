"""How fast time passes in a replay."""

from typing import Any

import click


class Speed(click.ParamType[float]):
    """`2x`, `0.5x`, `2`, or `max`: the factor, 0 for `max`."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if value == "max":
            return 0.0
        try:
            factor = float(str(value).removesuffix("x"))
        except ValueError:
            factor = 0.0
        if not 0.001 <= factor <= 10_000:
            self.fail(f"{value!r} is no speed; give a factor as in 2x or 0.5x, or max", param, ctx)
        return factor


SPEED = Speed()
