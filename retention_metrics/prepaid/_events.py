"""What happens to packages: one event of the book, as it arrives from outside."""

import datetime as dt
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from retention_metrics.prepaid._plan import Days, Key, Money, Sessions

Kind: TypeAlias = Literal[
    "purchase", "opening", "instalment", "transfer", "freeze", "extension", "visit", "void", "refund"
]

NEEDS: dict[Kind, tuple[str, ...]] = {
    "purchase": ("package", "customer", "plan"),
    "opening": ("package", "customer", "plan", "amount"),
    "instalment": ("package", "amount"),
    "transfer": ("package", "to"),
    "freeze": ("package", "until"),
    "extension": ("package", "days"),
    "visit": (),
    "void": ("target",),
    "refund": ("package",),
}
TAKES: dict[Kind, tuple[str, ...]] = {
    "purchase": ("amount", "price", "sessions", "expires", "segment"),
    "opening": ("sessions", "days", "expires", "segment"),
    "instalment": ("customer",),
    "transfer": ("customer",),
    "freeze": ("customer",),
    "extension": ("customer",),
    "visit": ("package", "customer", "plan"),
    "void": ("package", "customer"),
    "refund": ("customer", "amount"),
}


def iso_moment(value: Any) -> Any:
    """ISO strings become days or times; numbers are not guessed at."""
    if isinstance(value, str):
        return dt.date.fromisoformat(value) if len(value) <= 10 else dt.datetime.fromisoformat(value)
    if isinstance(value, dt.date) and value == value:
        return value
    raise ValueError("must be a datetime.date, a datetime.datetime or an ISO string like '2026-10-31'")


Moment: TypeAlias = Annotated[dt.datetime | dt.date, BeforeValidator(iso_moment)]
Day: TypeAlias = Annotated[dt.date, BeforeValidator(iso_moment)]


class PrepaidEvent(BaseModel):
    """One event in the life of prepaid packages. All money is in whole minor units.

    ============== =================================================================================================
    kind           what it says
    ============== =================================================================================================
    ``purchase``   a package is sold: ``package, customer, plan``; ``amount`` is paid at once, by default the price;
                   ``price``, ``sessions`` and ``expires`` (last usable day) stand above those of the plan
    ``opening``    a package is taken over from an older book: ``package, customer, plan``, its ``amount`` of unearned
                   value, and the ``sessions`` left (of a term, the ``days`` left)
    ``instalment`` a further ``amount`` is paid for a ``package``
    ``transfer``   a ``package`` goes over ``to`` another customer
    ``freeze``     a ``package`` rests from ``date`` to ``until``, both included
    ``extension``  a ``package`` is good for some ``days`` longer
    ``visit``      a session is used: of a ``package``, or of whichever the ``customer`` has (of the ``plan`` named)
    ``void``       the visit with the id ``target`` is taken back, and its session returns; validity that it
                   had begun does not count from it, unless it has ended by then
    ``refund``     the rest of a ``package`` is given back; ``amount`` is paid out, by default what the plan says
    ============== =================================================================================================

    Attributes:
        kind: What happened.
        date: The day on which it happened, or the time.
        id: Id of the event. An event that arrives twice under one id counts once.
        package: Id of the package.
        customer: Id of the customer.
        plan: Id of the plan.
        amount: Money in minor units.
        price: Price of the package when it is not that of the plan.
        sessions: Number of sessions when it is not that of the plan.
        days: Number of days.
        until: Last day of a freeze.
        expires: Last usable day of a package when it does not follow from the plan.
        to: The customer who receives a package.
        target: Id of the visit that is taken back.
        segment: A name by which packages are told apart in tables.
        seq: Order among the events of a day. Equal ones, such as all that have none, follow the order of the kinds
            above, and within a kind their id and content: where they stand in a file never counts.
        currency: ISO 4217 code; it must be that of the plans.
        recorded: The day on which the event was entered, when that may have been after its period was closed.

    Examples:
        >>> PrepaidEvent(kind="visit", date="2024-01-15", package="p1").date
        datetime.date(2024, 1, 15)

    References:
        The events of a prepaid ledger: IFRS 15, B44-B47 and 116-118.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    date: Moment
    id: Key | None = None
    package: Key | None = None
    customer: Key | None = None
    plan: Key | None = None
    amount: Money | None = None
    price: Money | None = None
    sessions: Sessions | None = None
    days: Days | None = None
    until: Day | None = None
    expires: Day | None = None
    to: Key | None = None
    target: Key | None = None
    segment: Annotated[str, Field(min_length=1)] | None = None
    seq: Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)] = 0
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    recorded: Day | None = None

    @model_validator(mode="after")
    def _refuse_other_fields(self) -> "PrepaidEvent":
        needed = NEEDS[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        strange = [
            name for name in DETAILS if getattr(self, name) is not None and name not in needed + TAKES[self.kind]
        ]
        if strange:
            raise ValueError(f"{self.kind} takes no {', '.join(strange)}")
        if self.kind == "visit" and self.package is None and self.customer is None:
            raise ValueError("visit needs package or customer")
        return self


DETAILS = tuple(
    name for name in PrepaidEvent.model_fields if name not in {"kind", "date", "id", "seq", "currency", "recorded"}
)
