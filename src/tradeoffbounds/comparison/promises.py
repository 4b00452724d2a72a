"""What an ``estimate.json`` promised of the safety gap, for a fine-tune that is under way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import Bound, exact
from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import read_json

Record = Mapping[str, Any]
SCHEMA = "tradeoffbounds/estimate/1"
_START = "safety gap as training began"


@dataclass(frozen=True)
class Ball:
    """Constants of one radius around the start."""

    radius: float
    lipschitz: Bound
    smoothness: Bound


@dataclass(frozen=True)
class Promises:
    """Upper bounds on the safety gap, by name.

    Attributes:
        of_penalty: Case I's, the same all along the training.
        balls: Case II's, by rising radius; none where nothing is promised of distances.
        gradient_norm: ‖∇G_s(θ_s)‖ of Case II.
    """

    of_penalty: dict[str, Bound] = field(default_factory=dict)
    balls: tuple[Ball, ...] = ()
    gradient_norm: Bound | None = None

    def at(self, distance: float) -> dict[str, Bound]:
        """Every bound at this distance from the start.

        Theorem 3 is about the smallest ball that holds θ, with the constants of the smallest one at hand that does:
        constants of a ball hold in every smaller one. The gap is counted from the start, so the start's is 0.
        """
        found = dict(self.of_penalty)
        if self.gradient_norm is None or distance == 0:
            return found
        start = replace(exact(0.0, _START), assumptions=("rows",))
        ball = next((each for each in self.balls if each.radius >= distance), None)
        if ball is None:
            status = f"vacuous: further from the start than {self.balls[-1].radius:g}, the largest radius estimated"
            return found | {
                f"theorem3.{form}": Bound(
                    math.inf, "estimated", "upper", assumptions=assumptions, theorem=f"theorem 3, {form}", status=status
                )
                for form, assumptions in (("paper", ("A3", "rows")), ("refined", ("A4", "rows")))
            }
        return found | {
            "theorem3.paper": theorem3.paper(start, ball.lipschitz, distance),
            "theorem3.refined": theorem3.refined(start, self.gradient_norm, ball.smoothness, distance),
        }


def read_estimate(path: Path) -> dict[str, Any]:
    """The record of an `estimate`.

    Raises:
        UserError: there is none, or it is another file.
    """
    record = read_json(path)
    if record.get("schema") != SCHEMA:
        raise UserError(f"{path}: schema {record.get('schema')!r}; expected {SCHEMA}, an estimate.json of this version")
    return record


def promises_of_penalty(record: Record, penalty: float) -> Promises:
    """Case I: Theorem 1 at this λ. It bounds the gap itself, and so how far it can have grown since the start.

    Raises:
        UserError: the estimate was not made for this λ, or is damaged.
    """
    with _told():
        rows = {float(row["penalty"]): row for row in record["loss_constraint"]}
        if penalty not in rows:
            known = ", ".join(f"{each:g}" for each in sorted(rows))
            raise UserError(f"the estimate has no penalty {penalty:g}, only {known}; run it with --penalty {penalty:g}")
        theorem1 = rows[penalty]["theorem1"]
        return Promises({f"theorem1.{form}": bound_of(theorem1[form]) for form in ("paper", "refined")})


def promises_of_radii(record: Record, parameters: int) -> Promises:
    """Case II: Theorem 3 with the constants of the method that trains as many numbers.

    Raises:
        UserError: no such method was estimated, or the estimate is damaged.
    """
    with _told():
        if not record["parameter_constraint"]:
            raise UserError("the estimate has no Case II; run it again without --curvature off, or give a penalty")
        methods = [record["parameter_constraint"], *(record["other_methods"] or ())]
        found = next((each for each in methods if each["parameters"] == parameters), None)
        if found is None:
            known = ", ".join(f"{each['peft']} with {each['parameters']}" for each in methods)
            raise UserError(
                f"this fine-tune trains {parameters} numbers, the estimate is of {known}; run it again with --adapter "
                "and the folder of your untrained adapter, or give a penalty"
            )
        balls = [
            Ball(float(each["radius"]), *(bound_of(each["constants"][name]["estimate"]) for name in ("L_s", "S_s")))
            for each in found["radii"]
        ]
        return Promises(
            balls=tuple(sorted(balls, key=lambda ball: ball.radius)),
            gradient_norm=bound_of(found["constants"]["grad_norm_s"]),
        )


def bound_of(record: Record) -> Bound:
    """What `Bound.to_json` wrote.

    Raises:
        UserError: something else did.
    """
    with _told():
        outer = -math.inf if record["side"] == "lower" else math.inf
        value = outer if record.get("infinite") else 1.0 * record["value"]
        low, high = record["interval"] or (None, None)
        interval = (-math.inf if low is None else low, math.inf if high is None else high)
        return Bound(
            value, record["kind"], record["side"], record["unit"], interval if record["interval"] else None,
            record["confidence"], record["method"], tuple(record["assumptions"]), record["theorem"],
            record.get("status", "ok"),
        )  # fmt: skip


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the estimate is damaged ({error!r}); run it again") from error
