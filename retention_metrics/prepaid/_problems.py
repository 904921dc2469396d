"""Events that cannot be booked: which, and why."""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from retention_metrics.errors import InvalidValue, by_reason

_SHOWN = 20


class Issue(BaseModel):
    """An event that cannot be booked.

    Attributes:
        row: Its place among the events given, from 0.
        id: Its id, if it has one.
        code: The kind of problem in a word, such as ``"overdraw"``.
        reason: What is wrong, and what would mend it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    id: str | int | None
    code: str
    reason: str

    def __str__(self) -> str:
        name = "" if self.id is None else f", id {self.id!r}"
        return f"row {self.row}{name}: {self.reason}"


class InvalidEvents(InvalidValue):
    """Events that contradict one another or the plans, all of them together.

    Attributes:
        issues: Every such event, in the order in which the events were given.
        events: Number of events that were read.
    """

    def __init__(self, issues: Sequence[Issue], events: int) -> None:
        super().__init__(issues, events)
        self.issues = tuple(issues)
        self.events = events

    def __str__(self) -> str:
        counts = by_reason(Counter(issue.code for issue in self.issues))
        lines = [
            f"{len(self.issues):,} of {self.events:,} events cannot be booked ({counts}); mend them, or pass "
            'on_error="collect" to book the rest and be given the list'
        ]
        lines += [f"  {issue}" for issue in self.issues[:_SHOWN]]
        if len(self.issues) > _SHOWN:
            lines.append(f"  ... and {len(self.issues) - _SHOWN:,} more in .issues")
        return "\n".join(lines)
