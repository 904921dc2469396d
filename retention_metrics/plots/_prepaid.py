"""What was collected, what was earned, and what is owed."""

from typing import TYPE_CHECKING

import numpy as np

from retention_metrics._checks import whole
from retention_metrics.plots._style import (
    BLUE,
    LINE,
    PALE,
    VERMILION,
    amount,
    amounts_on,
    describe,
    expect,
    key,
    name_periods,
    sheet,
)
from retention_metrics.prepaid import RollForward

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roll_forward(rolled: RollForward, *, exponent: int = 2, money: str = "money", ax: "Axes | None" = None) -> "Axes":
    """Draw what was collected and earned in each period, and what was owed to customers when it closed.

    Groups are added up.

    Args:
        rolled: A :class:`~retention_metrics.prepaid.RollForward`.
        exponent: Decimal places of the currency: amounts in minor units are divided by 10 to its power.
        money: Name of the currency, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes: bars are collections, lines are earned and liability.

    Raises:
        InvalidType: ``rolled`` is something else.
        InvalidValue: The exponent is not a whole number >= 0.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import prepaid
        >>> plan = prepaid.PackagePlan(id="ten", price=15_000, sessions=10)
        >>> events = [
        ...     {"kind": "purchase", "date": "2026-01-05", "package": "p1", "customer": "ann", "plan": "ten"},
        ...     {"kind": "visit", "date": "2026-02-03", "package": "p1"},
        ... ]
        >>> book = prepaid.Ledger.from_events(events, [plan], as_of="2026-02-28")
        >>> axes = roll_forward(book.roll_forward(), ax=Figure().subplots())
        >>> [float(bar.get_height()) for bar in axes.patches]
        [150.0, 0.0]

    References:
        IFRS 15, 116-118, on contract balances.
    """
    expect(RollForward, rolled=rolled)
    unit = 10.0 ** whole(0, exponent=exponent)
    starts, place = np.unique(np.array(rolled.starts, dtype="datetime64[D]"), return_inverse=True)
    series = {
        name: np.bincount(place, getattr(rolled, name) / unit, minlength=len(starts))
        for name in ("collections", "earned", "liability")
    }
    names = list(dict.fromkeys(rolled.labels))
    with sheet(ax) as ax:
        at = np.arange(len(starts))
        ax.axhline(0, color=LINE, linewidth=0.8)
        ax.bar(at, series["collections"], color=PALE, width=0.75, label="collected")
        ax.plot(at, series["earned"], "o-", color=BLUE, markersize=4, label="earned")
        ax.plot(at, series["liability"], color=VERMILION, label="owed at the close")
        ax.set(xlim=(-0.7, len(names) - 0.3), ylabel=f"{rolled.period} by {rolled.period}, {money}")
        name_periods(ax, names)
        amounts_on(ax.yaxis)
        key(ax)
        collected, earned = (amount(float(series[name].sum())) for name in ("collections", "earned"))
        return describe(
            ax,
            f"Prepaid money by {rolled.period} from {names[0]} to {names[-1]}: {collected} collected and {earned} "
            f"earned in all; owed to customers {amount(float(series['liability'][-1]))} at the end and "
            f"{amount(float(series['liability'].max()))} at most.",
        )
