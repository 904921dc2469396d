"""Where a business stands, and what it might do instead."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from retention_metrics._checks import at_least, finite, fraction, single
from retention_metrics._typing import Number
from retention_metrics.errors import InvalidValue


def _by(check: Callable[..., Number]) -> BeforeValidator:
    """A field that is coerced and refused as every other argument of the library is."""

    def read(value: object, info: ValidationInfo) -> object:
        name = str(info.field_name)
        return None if value is None else single(check(**{name: value}), name)

    return BeforeValidator(read)


_not_negative = _by(partial(at_least, 0))
_fraction = _by(fraction)


class Base(BaseModel):
    """Where a business stands, and how it goes on if nothing changes.

    Attributes:
        start: Customers now, >= 0.
        acquired: Customers won per period, >= 0.
        retention: Share of the base kept per period, from 0 to 1.
        referral: Customers whom each customer brings per period, >= 0.
        margin: Money per active customer and period after variable costs; ``None`` compares customers only.
        spend: Money spent per period already, whatever the strategy, >= 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start: Annotated[float, _not_negative] = 0.0
    acquired: Annotated[float, _not_negative]
    retention: Annotated[float, _fraction]
    referral: Annotated[float, _not_negative] = 0.0
    margin: Annotated[float | None, _by(finite)] = None
    spend: Annotated[float, _not_negative] = 0.0


class Strategy(BaseModel):
    """What a strategy changes: acquisition and retention, each as a figure of its own or relative to the base.

    Attributes:
        acquired: Customers won per period, >= 0, in place of ``win_more``.
        win_more: Share by which more are won than in the base, >= -1: half as many again is 0.5.
        retention: Share of the base kept per period, from 0 to 1, in place of ``lose_less``.
        lose_less: Share by which churn is lower than in the base, at most 1: to lose nobody is 1.
        cost: Money that it costs per period beyond what is spent already, >= 0; ``None`` is the common cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    acquired: Annotated[float | None, _not_negative] = None
    win_more: Annotated[float | None, _by(partial(at_least, -1))] = None
    retention: Annotated[float | None, _fraction] = None
    lose_less: Annotated[float | None, _by(finite)] = None
    cost: Annotated[float | None, _not_negative] = None

    def model_post_init(self, _context: object) -> None:
        """Refuse two words on one thing, and a churn below 0."""
        if self.acquired is not None and self.win_more is not None:
            raise InvalidValue("give acquired or win_more, not both")
        if self.retention is not None and self.lose_less is not None:
            raise InvalidValue("give retention or lose_less, not both")
        if self.lose_less is not None and self.lose_less > 1:
            raise InvalidValue(f"lose_less must be at most 1 (write 5 % as 0.05), got {self.lose_less:g}")


def win_and_keep(base: Base, strategy: Strategy) -> tuple[float, float]:
    """Customers won, and share kept, per period under a strategy; the share is below 0 where it loses too many."""
    won = base.acquired * (1 + (strategy.win_more or 0.0)) if strategy.acquired is None else strategy.acquired
    if strategy.retention is not None:
        return won, strategy.retention
    if strategy.lose_less is None:
        return won, base.retention
    return won, 1 - (1 - base.retention) * (1 - strategy.lose_less)
