"""Case II: after every step the trained parameters are put back into the ball around their start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Ball:
    """‖θ - θ_s‖ <= radius in the Euclidean norm over all trained numbers together.

    The projection acts on the parameters alone. AdamW's moments stay as they are, so a step may push outwards
    again and is put back again: projected AdamW, whose limit points are not guaranteed to be minima of the ball.

    Args:
        parameters: as they are at θ_s, which is remembered.
        radius: ε >= 0, or None for no ball, when distances alone are wanted.
    """

    def __init__(self, parameters: Sequence[Any], radius: float | None) -> None:
        self.parameters = list(parameters)
        self.centre = [parameter.detach().clone() for parameter in self.parameters]
        self.radius = radius

    def distance(self) -> float:
        """‖θ - θ_s‖, summed in float64."""
        return (
            sum(
                float((parameter.detach().double() - centre.double()).square().sum())
                for parameter, centre in zip(self.parameters, self.centre, strict=True)
            )
            ** 0.5
        )

    def project(self) -> float:
        """Move θ to the nearest point of the ball; the distance from θ_s afterwards, never above the radius."""
        distance = self.distance()
        if self.radius is None or distance <= self.radius:
            return distance
        scale, shrink = self.radius / distance, 1e-7
        steps = [parameter.detach() - centre for parameter, centre in zip(self.parameters, self.centre, strict=True)]
        while distance > self.radius:
            for parameter, centre, step in zip(self.parameters, self.centre, steps, strict=True):
                parameter.data.copy_(centre + scale * step)
            distance = self.distance()
            # Rounding to the parameters' own precision may end a little outside: aim a little further inside.
            scale, shrink = scale * (1 - min(shrink, 1.0)), shrink * 4
        return distance
