"""Lost customers: whom to win back, what the offer may cost, and whom to let go."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, choice, finite, first_true, fraction, freeze, refuse_if
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Number, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.ltv._value import lifetime_value

Fault: TypeAlias = Literal["ours", "theirs"]
Faults: TypeAlias = "Fault | list[str] | tuple[str, ...] | NDArray[Any]"
Verdict: TypeAlias = Literal["win back", "let go"]
Texts: TypeAlias = NDArray[np.object_]

_FAULTS = ("ours", "theirs")
_SHOWN = 10

_UNDEFINED = "churn is 0, so the lifetime after the return has no end; give a horizon"
_PAYS = "the returns that the offer brings are worth more than it costs"
_UNWANTED = "a customer who returns is worth no more than one who stays away"
_WITHOUT_EFFECT = "the offer brings nobody back who would not return anyway"
_OWED_TOO_MUCH = "the compensation alone takes all that the returns are worth"
_HOPELESS = "the offer would not pay even if everybody returned"
_CANNIBAL = "too much of the offer goes to customers who would return anyway"
_DEAR = "the offer costs at least as much as the returns that it brings are worth"


class WinBack(BaseModel):
    """What an offer to a lost customer is worth, and what follows from it.

    All money is expected money per customer to whom the offer is made, compared with doing nothing:
    ``value = gain - cost``.

    Attributes:
        value: What the offer brings after all that it costs.
        verdict: ``"win back"`` when ``value`` is above 0, otherwise ``"let go"``.
        reasons: Why, in plain words, the deciding one first.
        fault: Whose fault it was that the customer left, ``"ours"`` or ``"theirs"``.
        return_with: Probability of return with the offer.
        return_without: Probability of return without it.
        worth: What a customer who returns is worth compared with one who stays away, word of mouth included.
        gain: ``worth`` times the share of customers who return because of the offer.
        cost: What the offer costs, compensation included.
        cannibalised: The part of ``cost`` that customers get who would have returned without the offer.
        break_even_probability: The probability of return with the offer at which ``value`` is 0, or ``None`` when
            not even a certain return pays for it.
        largest_offer_per_contact: The most that a gift to every customer contacted may cost, when the offer is nothing
            else; ``None`` when even a free one loses.
        largest_offer_per_return: The same for a discount that only those who return redeem; ``None`` as well when
            nobody returns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    verdict: Verdict
    reasons: tuple[str, ...]
    fault: Fault
    return_with: float
    return_without: float
    worth: float
    gain: float
    cost: float
    cannibalised: float
    break_even_probability: float | None
    largest_offer_per_contact: float | None
    largest_offer_per_return: float | None

    def __str__(self) -> str:
        lines = [f"{self.verdict}: the offer is worth {self.value:+,.2f} a customer"]
        return "\n".join(lines + [f"- {reason}" for reason in self.reasons])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WinBackRanking(Result):
    """Offers to a whole list of lost customers; read-only arrays in the order in which the customers were given.

    The money is as in :class:`WinBack`. Where a customer has no value, all numbers are NaN and ``reason`` says why.

    Attributes:
        value: What the offer brings after all that it costs.
        win_back: Whether ``value`` is above 0.
        reason: The deciding reason, in plain words.
        worth: What a customer who returns is worth compared with one who stays away.
        gain: ``worth`` times the share of customers who return because of the offer.
        cost: What the offer costs, compensation included.
        cannibalised: The part of ``cost`` that customers get who would have returned without the offer.
        break_even_probability: The probability of return with the offer at which ``value`` is 0; NaN if none is.
        largest_offer_per_contact: The most that a gift may cost; NaN when even a free one loses.
        largest_offer_per_return: The most that a discount on return may cost; NaN as well when nobody returns.
        order: Positions of the customers, the most valuable first; equals keep their order, undefined ones come last.
        customers: Ids of the customers, or ``None`` when none were given: tables then name their positions.
    """

    value: FloatArray
    win_back: BoolArray
    reason: Texts
    worth: FloatArray
    gain: FloatArray
    cost: FloatArray
    cannibalised: FloatArray
    break_even_probability: FloatArray
    largest_offer_per_contact: FloatArray
    largest_offer_per_return: FloatArray
    order: IntArray
    customers: tuple[Hashable, ...] | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *(name for name in self.__slots__ if name != "customers"))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a customer, the best first; ``customer`` is the id, or the position."""
        by_rank = self.order
        ids = by_rank.tolist() if self.customers is None else [self.customers[place] for place in by_rank.tolist()]
        known = ~np.isnan(self.value)
        verdict = _with_none(np.where(self.win_back, "win back", "let go"), known)
        table: dict[str, Any] = {
            "rank": list(range(1, by_rank.size + 1)),
            "customer": ids,
            "verdict": verdict[by_rank].tolist(),
            "reason": self.reason[by_rank].tolist(),
        }
        for name in (
            "value",
            "worth",
            "gain",
            "cost",
            "cannibalised",
            "break_even_probability",
            "largest_offer_per_contact",
            "largest_offer_per_return",
        ):
            column: FloatArray = getattr(self, name)[by_rank]
            table[name] = _with_none(column, ~np.isnan(column)).tolist()
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a customer, the most valuable first, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        wanted = int(np.count_nonzero(self.win_back))
        lines = [
            f"win back {wanted:,} of {self.value.size:,} customers, for {self.value[self.win_back].sum():,.2f} in all",
            f"{'rank':>4} {'customer':>9} {'value':>12}  reason",
        ]
        for rank, customer in enumerate(self.order[:_SHOWN].tolist(), start=1):
            value = self.value[customer]
            shown = "-" if np.isnan(value) else f"{value:,.2f}"
            name = customer if self.customers is None else self.customers[customer]
            lines.append(f"{rank:>4} {name!s:>9} {shown:>12}  {self.reason[customer]}")
        if self.order.size > _SHOWN:
            lines.append(f"... and {self.order.size - _SHOWN:,} more")
        return "\n".join(lines)


@overload
def win_back(
    *,
    return_with: Scalar,
    return_without: Scalar,
    margin: Scalar,
    churn: Scalar,
    fault: Fault,
    discount: Scalar = 0,
    horizon: Scalar | None = None,
    offer_per_contact: Scalar = 0,
    offer_per_return: Scalar = 0,
    compensation: Scalar | None = None,
    cost_to_serve: Scalar | None = None,
    word_of_mouth_returned: Scalar = 0,
    word_of_mouth_away: Scalar = 0,
    undefined: Undefined = "raise",
) -> WinBack: ...
@overload
def win_back(
    *,
    return_with: Numbers,
    return_without: Numbers,
    margin: Numbers,
    churn: Numbers,
    fault: Faults,
    discount: Numbers = 0,
    horizon: Numbers | None = None,
    offer_per_contact: Numbers = 0,
    offer_per_return: Numbers = 0,
    compensation: Numbers | None = None,
    cost_to_serve: Numbers | None = None,
    word_of_mouth_returned: Numbers = 0,
    word_of_mouth_away: Numbers = 0,
    customers: Iterable[Hashable] | None = None,
    undefined: Undefined = "raise",
) -> WinBackRanking: ...
def win_back(
    *,
    return_with: Numbers,
    return_without: Numbers,
    margin: Numbers,
    churn: Numbers,
    fault: Faults,
    discount: Numbers = 0,
    horizon: Numbers | None = None,
    offer_per_contact: Numbers = 0,
    offer_per_return: Numbers = 0,
    compensation: Numbers | None = None,
    cost_to_serve: Numbers | None = None,
    word_of_mouth_returned: Numbers = 0,
    word_of_mouth_away: Numbers = 0,
    customers: Iterable[Hashable] | None = None,
    undefined: Undefined = "raise",
) -> WinBack | WinBackRanking:
    r"""Whether to win a lost customer back or let them go: what an offer is worth, and what it may cost.

    .. math::

        \text{value} = (p_1 - p_0)\, W - p_1 b - a - K, \qquad
        W = \text{LTV}(m - s, c, i, H) + w_r - w_a

    :math:`p_1` and :math:`p_0` are the probabilities of return with and without the offer. Those who would have come
    anyway are not its effect, yet they redeem it: :math:`p_0 b` of the cost is theirs. :math:`W` is what a return is
    worth: the margin :math:`m` less the cost to serve :math:`s` until the next loss, by :func:`lifetime_value` with the
    first payment at the return, and word of mouth, :math:`w_r` of those who return and :math:`w_a` of those who stay
    away. The offer costs :math:`a` per contact and :math:`b` per return, and :math:`K` is the compensation. Hence

    .. math::

        p_1^* = \frac{p_0 W + a + K}{W - b}, \qquad
        a^* = (p_1 - p_0)\, W - K \;\; (b = 0), \qquad
        b^* = a^* / p_1 \;\; (a = 0)

    the probability of return from which the offer pays, and the largest gift and the largest discount worth making,
    as long as the probabilities stay as they are.

    ``fault`` sets what has to be in the offer:

    ============ ===============================================================================================
    fault        rule
    ============ ===============================================================================================
    ``"ours"``   ``compensation`` must be given, 0 for a bare apology. It is owed: every customer who is
                 contacted gets it, returned or not, and it counts in full as a cost.
    ``"theirs"`` Also nobody's. Nothing is owed: ``compensation`` must be 0 or left out. ``cost_to_serve`` must be
                 given, 0 for a customer like others.
    ============ ===============================================================================================

    With either fault a cost to serve that is given is taken from the margin.

    Args:
        return_with: Probability that the customer returns when the offer is made, from ``return_without`` to 1.
        return_without: Probability that the customer returns without it, from 0 to 1.
        margin: Money per period after variable costs that a returned customer brings; may be negative. For a
            lifetime value known from elsewhere pass it here with ``churn=1``.
        churn: Share of returned customers lost again per period, from 0 to 1; commonly higher than for others.
        fault: Why they left: ``"ours"`` or ``"theirs"``; one for all, or one per customer.
        discount: Discount rate per period, >= 0.
        horizon: Count only this many periods after the return, >= 0.
        offer_per_contact: What the offer costs for every customer contacted (a gift sent), >= 0.
        offer_per_return: What it costs for every customer who returns (a discount redeemed), >= 0.
        compensation: What makes good a fault of ours, money per customer contacted, >= 0.
        cost_to_serve: Money per period beyond the variable costs that a customer takes who wears out the staff, >= 0.
        word_of_mouth_returned: Money that the recommendations of a returned customer bring; negative if they warn.
        word_of_mouth_away: Money that the word of one who stays away brings; negative for the angry, who warn others.
        customers: Ids for the tables of a list, one a customer, such as the column of a frame.
        undefined: ``"nan"`` gives NaN where an array has churn 0 and no horizon, instead of an error.

    Returns:
        A :class:`WinBack` for numbers. A :class:`WinBackRanking` when any argument is an array: one-dimensional, one
        element a customer.

    Raises:
        UndefinedMetric: ``churn`` is 0 and no ``horizon`` is given.
        InvalidValue: A value is out of range, an offer makes returns rarer, or the rule of ``fault`` is broken.
        InvalidType: A value is not a plain number, or a fault not a string.

    Examples:
        >>> offer = win_back(
        ...     return_with=0.3, return_without=0.1, margin=20, churn=0.1, horizon=12, fault="ours",
        ...     compensation=10, offer_per_return=15, word_of_mouth_away=-30,
        ... )
        >>> print(offer)
        win back: the offer is worth +20.20 a customer
        - the returns that the offer brings are worth more than it costs
        - 20.0 in 100 such customers return because of it, each worth 173.51: 34.70 gained for 14.50 spent
        - 1.50 of the cost goes to customers who would return anyway
        - the fault is ours: 10.00 of compensation is owed, returned or not
        - the offer pays from a probability of return of 17.3 %
        >>> round(offer.largest_offer_per_contact, 2), round(offer.largest_offer_per_return, 2)
        (24.7, 82.34)
        >>> ranking = win_back(
        ...     return_with=[0.3, 0.5, 0.2], return_without=[0.1, 0.4, 0.2], margin=[20, 35, 60], churn=0.1,
        ...     fault=["ours", "theirs", "theirs"], compensation=[10, 0, 0], cost_to_serve=[0, 30, 0],
        ...     offer_per_return=15,
        ... )
        >>> print(ranking)
        win back 1 of 3 customers, for 25.50 in all
        rank  customer        value  reason
           1         0        25.50  the returns that the offer brings are worth more than it costs
           2         1        -2.50  too much of the offer goes to customers who would return anyway
           3         2        -3.00  the offer brings nobody back who would not return anyway

    References:
        Stauss & Friege (1999), "Regaining service customers", *Journal of Service Research* 1(4), 347-361; Thomas,
        Blattberg & Fox (2004), "Recapturing lost customers", *Journal of Marketing Research* 41(1), 31-45.
    """
    with_offer = fraction(return_with=return_with)
    without = fraction(return_without=return_without)
    money = finite(margin=margin)
    rate = fraction(churn=churn)
    interest = at_least(0, discount=discount)
    stretch = None if horizon is None else at_least(0, horizon=horizon)
    gift = at_least(0, offer_per_contact=offer_per_contact)
    rebate = at_least(0, offer_per_return=offer_per_return)
    returned = finite(word_of_mouth_returned=word_of_mouth_returned)
    away = finite(word_of_mouth_away=word_of_mouth_away)
    ours = _ours(fault)
    owed, effort = _fault_terms(ours, compensation, cost_to_serve)
    arguments = {
        "return_with": with_offer,
        "return_without": without,
        "margin": money,
        "churn": rate,
        "discount": interest,
        "offer_per_contact": gift,
        "offer_per_return": rebate,
        "word_of_mouth_returned": returned,
        "word_of_mouth_away": away,
        "fault": ours,
        "compensation": owed,
        "cost_to_serve": effort,
    }
    if stretch is not None:
        arguments["horizon"] = stretch
    aligned(**arguments)
    shape = np.broadcast_shapes(*(np.shape(argument) for argument in arguments.values()))
    if len(shape) > 1:
        raise InvalidValue(f"a list of lost customers has one dimension, got arrays of shape {shape}")
    refuse_if(
        np.less(with_offer, without),
        "return_with must not be below return_without: an offer that keeps customers away is none to make",
    )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        lifetime = lifetime_value(
            margin=money - effort,
            churn=rate,
            discount=interest,
            horizon=stretch,
            undefined=undefined,
        )
        worth = lifetime + returned - away
        terms = (with_offer, without, worth, gift, rebate, owed)
        offers = _weigh(*(np.broadcast_to(np.asarray(term, dtype=np.float64), shape or (1,)) for term in terms))
    beyond = ~np.isfinite(offers.value) & ~np.isnan(lifetime)
    refuse_if(beyond if shape else bool(beyond[0]), "the value is beyond the largest float")
    ids = None if customers is None else tuple(customers)
    if ids is not None and (len(ids),) != shape:
        raise InvalidValue(f"customers must be one id for each of {shape[0] if shape else 1} offers, got {len(ids)}")
    if shape:
        order = np.argsort(-offers.value, kind="stable")
        return WinBackRanking(**offers._asdict(), win_back=offers.value > 0, order=order, customers=ids)
    # Without a shape every argument is one number.
    details = _details(
        offers, ours=bool(ours), owed=float(owed), effort=float(effort), uplift=float(with_offer - without)
    )
    numbers = {name: _number(array[0]) for name, array in offers._asdict().items() if name != "reason"}
    return WinBack(
        verdict="win back" if offers.value[0] > 0 else "let go",
        reasons=(str(offers.reason[0]), *details),
        fault="ours" if ours else "theirs",
        return_with=float(with_offer),
        return_without=float(without),
        **numbers,
    )


class _Offers(NamedTuple):
    value: FloatArray
    reason: Texts
    worth: FloatArray
    gain: FloatArray
    cost: FloatArray
    cannibalised: FloatArray
    break_even_probability: FloatArray
    largest_offer_per_contact: FloatArray
    largest_offer_per_return: FloatArray


def _weigh(
    with_offer: FloatArray,
    without: FloatArray,
    worth: FloatArray,
    gift: FloatArray,
    rebate: FloatArray,
    owed: FloatArray,
) -> _Offers:
    gain = (with_offer - without) * worth + 0.0  # no minus zero
    cost = gift + with_offer * rebate + owed
    cannibalised = without * rebate
    value = gain - cost
    climbing = worth > rebate
    break_even = (without * worth + gift + owed) / np.where(climbing, worth - rebate, np.nan)
    break_even = np.where(break_even <= 1, break_even, np.nan)
    largest = np.where(gain >= owed, gain - owed, np.nan)
    per_return = largest / np.where(with_offer > 0, with_offer, np.nan)
    reasons = {
        _UNDEFINED: np.isnan(worth),
        _PAYS: value > 0,
        _UNWANTED: worth <= 0,
        _WITHOUT_EFFECT: with_offer == without,
        _OWED_TOO_MUCH: (owed > 0) & (gain <= owed),
        _HOPELESS: np.isnan(break_even),
        _CANNIBAL: value + cannibalised > 0,
        _DEAR: np.ones_like(value, dtype=np.bool_),
    }
    first = np.argmax(np.stack(list(reasons.values())), axis=0)
    return _Offers(
        value=value,
        reason=np.array(list(reasons), dtype=object)[first],
        worth=worth,
        gain=gain,
        cost=np.where(np.isnan(worth), np.nan, cost),
        cannibalised=np.where(np.isnan(worth), np.nan, cannibalised),
        break_even_probability=break_even,
        largest_offer_per_contact=largest,
        largest_offer_per_return=np.where(np.isfinite(per_return), per_return, np.nan),
    )


def _details(offers: _Offers, *, ours: bool, owed: float, effort: float, uplift: float) -> list[str]:
    value, worth, gain, cost = (float(each[0]) for each in (offers.value, offers.worth, offers.gain, offers.cost))
    details = [
        f"{100 * uplift:.1f} in 100 such customers return because of it, each worth {worth:,.2f}: "
        f"{gain:,.2f} gained for {cost:,.2f} spent"
    ]
    if offers.cannibalised[0] > 0:
        details.append(f"{offers.cannibalised[0]:,.2f} of the cost goes to customers who would return anyway")
    if ours and owed > 0:
        without_it = "; apart from it the offer would pay" if value <= 0 < value + owed else ""
        details.append(f"the fault is ours: {owed:,.2f} of compensation is owed, returned or not{without_it}")
    elif ours:
        details.append("the fault is ours: an apology is owed, and no money")
    else:
        details.append("the fault is not ours: nothing is owed")
    if effort > 0:
        details.append(f"serving them takes {effort:,.2f} more than others in every period")
    probability = offers.break_even_probability[0]
    if not np.isnan(probability):
        details.append(f"the offer pays from a probability of return of {100 * probability:.1f} %")
    return details


def _ours(fault: object) -> Number:
    """1 where the fault is ours and 0 where it is not."""
    if isinstance(fault, str):
        return float(choice(_FAULTS, fault=fault) == "ours")
    names = np.asarray(fault)
    if names.size == 0:
        raise InvalidValue("fault is empty; pass at least one")
    if names.dtype.kind not in "OUT" or names.ndim == 0:
        raise InvalidType(f"fault must be 'ours', 'theirs' or one of them per customer, got {type(fault).__name__}")
    ours = names == "ours"
    where = first_true(~(ours | (names == "theirs")))
    if where is not None:
        choice(_FAULTS, **{f"fault[{', '.join(map(str, where))}]": names.item(*where)})
    indicator: FloatArray = ours.astype(np.float64)
    return indicator


def _fault_terms(ours: Number, compensation: Numbers | None, cost_to_serve: Numbers | None) -> tuple[Number, Number]:
    """Compensation and cost to serve, held to the rule of the fault."""
    if compensation is None:
        refuse_if(
            np.equal(ours, 1),
            'compensation must be given where fault is "ours": it is owed; 0 for a bare apology',
        )
    if cost_to_serve is None:
        refuse_if(
            np.equal(ours, 0),
            'cost_to_serve must be given where fault is "theirs"; 0 for a customer like others',
        )
    owed = at_least(0, compensation=0.0 if compensation is None else compensation)
    effort = at_least(0, cost_to_serve=0.0 if cost_to_serve is None else cost_to_serve)
    aligned(fault=ours, compensation=owed)
    refuse_if(
        np.equal(ours, 0) & np.greater(owed, 0),
        'compensation must be 0 where fault is "theirs": nothing is owed; a gift is an offer_per_contact',
    )
    return owed, effort


def _with_none(values: NDArray[Any], known: BoolArray) -> NDArray[np.object_]:
    column = values.astype(np.object_)
    column[~known] = None
    return column


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
