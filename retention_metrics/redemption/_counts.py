"""How many sessions, periods, gap buckets or paths there may be."""

from retention_metrics._checks import whole
from retention_metrics.errors import InvalidValue

_MOST = 1_000_000


def whole_count(**argument: object) -> int:
    """A whole number from 1 to a million, which no table of chances outgrows."""
    number = whole(1, **argument)
    if number > _MOST:
        raise InvalidValue(f"{next(iter(argument))} must be at most {_MOST:,}, got {number:.3g}")
    return number
