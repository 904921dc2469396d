"""What the library refuses, and what it warns of.

Every error is a :class:`RetentionMetricsError` and also the built-in error that Python programmers expect:
``ValueError`` for a wrong value, ``TypeError`` for a wrong kind of thing, ``ImportError`` for a missing extra.
"""

from collections.abc import Mapping

__all__ = [
    "InvalidRows",
    "InvalidType",
    "InvalidValue",
    "MissingColumn",
    "MissingExtra",
    "RetentionMetricsError",
    "RetentionMetricsWarning",
    "RowsExcludedWarning",
    "UndefinedMetric",
]


class RetentionMetricsError(Exception):
    """Everything this library raises on purpose."""


class InvalidValue(RetentionMetricsError, ValueError):
    """A value of the right kind that breaks a rule; the message names argument, position, rule and remedy."""


class InvalidType(RetentionMetricsError, TypeError):
    """A thing of the wrong kind where a number, a day or a column was asked for."""


class MissingColumn(InvalidValue):
    """A column that the frame does not have."""


class UndefinedMetric(InvalidValue):
    """A metric that has no value for this input: it is not zero, not infinite and not NaN.

    Attributes:
        metric: Name of the metric.
        reason: Why it has no value.
        position: Index of the first undefined element of an array call, or ``None``.
    """

    def __init__(self, metric: str, reason: str, position: tuple[int, ...] | None = None) -> None:
        super().__init__(metric, reason, position)
        self.metric = metric
        self.reason = reason
        self.position = position

    def __str__(self) -> str:
        where = f" at [{', '.join(map(str, self.position))}]" if self.position else ""
        remedy = '; pass undefined="nan" to get NaN in such places' if self.position else ""
        return f"{self.metric} is undefined{where}: {self.reason}{remedy}"


class InvalidRows(InvalidValue):
    """Rows of a log that cannot be used.

    Attributes:
        counts: Number of such rows by reason.
    """

    def __init__(self, log: str, counts: Mapping[str, int], rows: int) -> None:
        super().__init__(log, counts, rows)
        self.log = log
        self.counts = dict(counts)
        self.rows = rows

    def __str__(self) -> str:
        return (
            f"{sum(self.counts.values()):,} of {self.rows:,} rows of {self.log} cannot be used "
            f'({by_reason(self.counts)}); mend them, or pass on_invalid="exclude" to leave them out'
        )


class MissingExtra(RetentionMetricsError, ImportError):
    """An optional dependency that is not installed; the message is the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.package} is not installed: pip install 'retention-metrics[{self.extra}]'"


class RetentionMetricsWarning(UserWarning):
    """Legal but risky: every warning of this library is one of these."""


class RowsExcludedWarning(RetentionMetricsWarning):
    """A table of customers was computed without some rows of the log; the message counts them by reason."""


def by_reason(counts: Mapping[str, int]) -> str:
    """Counts as one readable phrase, largest first: ``'12 null customer, 3 null time'``."""
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in ranked)
