"""The redemption model: hazards of a visit and of a refund by periods of silence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from retention_metrics._checks import at_least, fraction, freeze, mapping, refuse_if, single
from retention_metrics._results import text_table
from retention_metrics._typing import FloatArray, IntArray, Number, Numbers, Period, Scalar, Vector
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.prepaid import Ledger
from retention_metrics.redemption._counts import whole_count
from retention_metrics.redemption._fit import RedemptionFit, fit_book
from retention_metrics.redemption._recursion import ExpectedRedemption, expected_course, outstanding_after
from retention_metrics.redemption._waits import by_sessions_left, sessions_per_visit, visit_within, waits_of

_SUM = 1e-9
_MOST_CELLS = 2**27


@dataclass(frozen=True, slots=True, eq=False, init=False)
class RedemptionModel:
    r"""How likely a prepaid customer is to come, or to ask for the money back, by periods of silence.

    A package has one trial a period as long as it has sessions left, the first one in the period of the purchase
    itself. The trial is made in gap bucket g: the whole periods without activity that lie behind it. Bucket 0 is the
    period of the purchase, and also the period after a visit; whoever does nothing moves one bucket on, and the last
    bucket is open-ended. The refund comes first,

    .. math::
        P(\text{refund} \mid g) = q_g, \qquad P(\text{visit} \mid g) = (1 - q_g) h_g,
        \qquad P(\text{silence} \mid g) = (1 - q_g)(1 - h_g)

    and a visit uses one session, or k sessions with probability :math:`b_k` (never more than are left). So a purchase
    in period t and a visit in period t - 1 lead to the same trial in period t. Customers are independent of each other.

    Attributes:
        hazard: Probability of a visit when no refund is asked for, by gap bucket.
        refund: Probability of a refund, by gap bucket.
        burst: Probability that a visit uses 1, 2, ... sessions; ``None`` for always one.

    References:
        Cox (1962), *Renewal Theory*; Howard (1971), *Dynamic Probabilistic Systems* 2, semi-Markov processes.
    """

    hazard: FloatArray
    refund: FloatArray
    burst: FloatArray | None

    def __init__(self, hazard: Vector, refund: Numbers = 0, burst: Vector | None = None) -> None:
        """A model from its probabilities.

        Args:
            hazard: Probability of a visit by gap bucket, from 0 to 1; the last bucket is open-ended.
            refund: Probability of a refund by gap bucket, or one for all.
            burst: Probability that a visit uses 1, 2, ... sessions; they add up to 1.

        Raises:
            InvalidValue: There are no buckets, a probability is outside 0 to 1, ``refund`` has another number of
                buckets, or ``burst`` does not add up to 1.
            InvalidType: An argument is not a number or an array of numbers.
        """
        comes = _row("hazard", fraction(hazard=hazard))
        back = fraction(refund=refund)
        if not isinstance(back, float) and back.shape != comes.shape:
            raise InvalidValue(
                f"refund must be one number or one for each of the {comes.size} gap buckets of hazard, got shape "
                f"{back.shape}"
            )
        sizes = None if burst is None else _row("burst", fraction(burst=burst))
        if sizes is not None and abs(float(sizes.sum()) - 1) > _SUM:
            raise InvalidValue(
                f"burst must add up to 1, got {float(sizes.sum()):g}; it is the probability that a visit uses 1, 2, "
                "... sessions"
            )
        object.__setattr__(self, "hazard", comes)
        object.__setattr__(self, "refund", np.broadcast_to(back, comes.shape))
        object.__setattr__(self, "burst", sizes)
        freeze(self, "hazard", "refund", "burst")

    @property
    def buckets(self) -> int:
        """Number of gap buckets."""
        return self.hazard.size

    @classmethod
    def geometric(cls, hazard: float, *, refund: float = 0) -> "RedemptionModel":
        """Customers without memory: the same chance in every period, however long they have been away.

        Args:
            hazard: Probability of a visit in a period, from 0 to 1.
            refund: Probability of a refund in a period, from 0 to 1.

        Returns:
            A model with one bucket.

        Raises:
            InvalidValue: A probability is outside 0 to 1.

        Examples:
            >>> RedemptionModel.geometric(0.25).steady_state(10)
            210.0

        References:
            Fader & Hardie (2007), "How to project customer retention", *Journal of Interactive Marketing* 21(1), 76-90.
        """
        return cls([single(fraction(hazard=hazard), "hazard")], single(fraction(refund=refund), "refund"))

    @classmethod
    def deterministic(cls, gap: int) -> "RedemptionModel":
        """Customers like clockwork: a visit every ``gap`` periods, the first ``gap - 1`` periods after the purchase.

        Args:
            gap: Periods from one visit to the next, >= 1; 1 is a visit in every period, that of the purchase included.

        Returns:
            A model with ``gap`` buckets.

        Raises:
            InvalidValue: ``gap`` is not a whole number >= 1.

        Examples:
            >>> RedemptionModel.deterministic(3).hazard.tolist()
            [0.0, 0.0, 1.0]

        References:
            Cox (1962), *Renewal Theory*, chapter 1: a renewal process with constant lifetimes.
        """
        return cls([0.0] * (whole_count(gap=gap) - 1) + [1.0])

    @classmethod
    def two_state(
        cls, *, active: float, dormant: float, lapse: float, refund: float = 0, buckets: int = 12
    ) -> "RedemptionModel":
        r"""Customers who are active or dormant, which nobody sees: only the silence tells.

        A customer is active at the purchase and after a visit. An active one who does not come falls dormant before the
        next period with probability ``lapse``; a dormant one stays so until the next visit. After g silent periods
        the share that is dormant, and with it the hazard, is

        .. math::
            p_0 = 0, \qquad h_g = (1 - p_g) a + p_g d, \qquad
            p_{g+1} = \frac{p_g (1 - d) + (1 - p_g)(1 - a) \lambda}{1 - h_g}

        This is exact up to the last bucket. There the hazard is the one that keeps the mean wait of the chain, so that
        the steady state does not depend on the number of buckets.

        Args:
            active: Probability :math:`a` that an active customer comes in a period, from 0 to 1.
            dormant: Probability :math:`d` that a dormant one does, from 0 to 1.
            lapse: Probability :math:`\lambda` that an active customer who does not come falls dormant, from 0 to 1.
            refund: Probability of a refund in a period, in either state, from 0 to 1.
            buckets: Number of gap buckets, >= 1.

        Returns:
            A model with that many buckets, or fewer when nobody can be silent for so long.

        Raises:
            InvalidValue: A probability is outside 0 to 1, or ``buckets`` is not a whole number >= 1.

        Examples:
            >>> model = RedemptionModel.two_state(active=0.8, dormant=0.1, lapse=0.5, buckets=4)
            >>> model.hazard.round(4).tolist()
            [0.8, 0.45, 0.1636, 0.1009]

        References:
            Schweidel & Knox (2013), "Incorporating direct marketing activity into latent attrition models", *Marketing
            Science* 32(3), 471-487; Rabiner (1989), *Proceedings of the IEEE* 77(2), 257-286.
        """
        a = single(fraction(active=active), "active")
        d = single(fraction(dormant=dormant), "dormant")
        fall = single(fraction(lapse=lapse), "lapse")
        hazard: list[float] = []
        awake, asleep = 1.0, 0.0
        for _ in range(whole_count(buckets=buckets) - 1):
            here = awake + asleep
            hazard.append((awake * a + asleep * d) / here)
            awake, asleep = awake * (1 - a) / here, asleep * (1 - d) / here
            awake, asleep = awake * (1 - fall), asleep + awake * fall
            if awake + asleep == 0:
                break
        else:
            hazard.append(_mean_hazard(asleep / (awake + asleep), a, d, fall))
        return cls(hazard, single(fraction(refund=refund), "refund"))

    def expected(
        self, sales: Numbers, *, sessions: int, periods: int | None = None, start: Numbers | None = None
    ) -> ExpectedRedemption:
        r"""The expected course of visits, refunds and outstanding sessions, exact to rounding.

        With :math:`X_{g,r}` packages in gap bucket g with r sessions left, a period first adds what is sold to
        :math:`X_{0,N}` and then moves

        .. math::
            X'_{0,r} = \sum_g \sum_k b_k (1 - q_g) h_g X_{g,r+k}, \qquad
            X'_{g+1,r} \mathrel{+}= (1 - q_g)(1 - h_g) X_{g,r}

        where the last bucket keeps its own. It does not depend on how sales vary around their means.

        Args:
            sales: Packages sold in each period, >= 0; one number for every period, or an array of them, after the end
                of which nothing is sold.
            sessions: Sessions in a package, >= 1.
            periods: Number of periods; by default as many as there are ``sales``.
            start: Packages that are live before the first period, by gap bucket and sessions left:
                ``start[g, r - 1]``; packages of other sizes than ``sessions`` may be among them.

        Returns:
            An :class:`ExpectedRedemption`.

        Raises:
            InvalidValue: A number is out of range, ``periods`` is missing or less than the number of sales, or
                ``start`` has another number of gap buckets.

        Examples:
            >>> course = RedemptionModel.geometric(0.3).expected([1], sessions=10, periods=24)
            >>> round(float(course.outstanding[11]), 9)
            6.400015943

        References:
            Howard (1971), *Dynamic Probabilistic Systems* 2, chapter 10.
        """
        sold = at_least(0, sales=sales)
        refuse_if(np.greater_equal(sold, 2**53), "sales must be below 2**53")
        size = whole_count(sessions=sessions)
        state = None if start is None else self._state(at_least(0, start=start))
        by_period = _by_period(sold, periods)
        cells = by_period.size * self.buckets * max(size, 0 if state is None else state.shape[1])
        if cells > _MOST_CELLS:
            raise InvalidValue(
                f"periods, gap buckets and sessions are {cells:.3g} cells together; they must be at most "
                f"{_MOST_CELLS:,}"
            )
        return expected_course(self.hazard, self.refund, self.burst, sales=by_period, sessions=size, start=state)

    @overload
    def outstanding(self, sessions: int, after: Scalar) -> float: ...
    @overload
    def outstanding(self, sessions: int, after: Vector) -> FloatArray: ...
    def outstanding(self, sessions: int, after: Numbers) -> float | FloatArray:
        r"""Expected sessions still to be delivered of one package, after some trials.

        Where the hazard is constant, and a visit uses one session, after t trials

        .. math:: (1 - q)^t \sum_{j < N} (N - j) \binom{t}{j} h^j (1 - h)^{t - j}

        and otherwise the recursion of :meth:`expected`. Of a package that is valid for t periods this many expire.

        Args:
            sessions: Sessions in the package, >= 1.
            after: Periods, that of the purchase counted as the first; a whole number >= 0, or an array.

        Returns:
            Sessions: a float for a number, otherwise an array.

        Raises:
            InvalidValue: A number is out of range or not whole.

        Examples:
            >>> round(RedemptionModel.geometric(0.3).outstanding(10, after=24), 9)
            2.922027542

        References:
            Feller (1968), *An Introduction to Probability Theory and Its Applications* 1, 3rd ed., chapter VI.
        """
        when = at_least(0, after=after)
        found = outstanding_after(
            self.hazard,
            self.refund,
            self.burst,
            sessions=whole_count(sessions=sessions),
            after=_whole_numbers("after", when),
        )
        return float(found) if isinstance(when, float) else found

    def steady_state(self, sessions: int) -> float:
        r"""Sessions outstanding at the end of a period, when one package has been sold in each period for ever.

        From an activity to the next, a wait of W silent periods on average ends with a visit with probability v:

        .. math:: O_r = r W + v \sum_{k < r} b_k (r - k + O_{r-k})

        and :math:`O_N` is the answer; with a constant hazard and no refund it is :math:`N (N + 1) / 2h - N`. Multiply
        it by the packages sold per period.

        Args:
            sessions: Sessions in a package, >= 1.

        Returns:
            Sessions, >= 0.

        Raises:
            UndefinedMetric: Some customers neither come nor ask for their money, so the sessions pile up without end.
            InvalidValue: ``sessions`` is not a whole number >= 1.

        Examples:
            >>> round(RedemptionModel.geometric(0.2, refund=0.05).steady_state(4), 9)
            29.852659626

        References:
            Little (1961), "A proof for the queuing formula L = λW", *Operations Research* 9(3), 383-387.
        """
        size = whole_count(sessions=sessions)
        waits = waits_of(self.hazard, self.refund)
        silent, visit = float(waits.silent[0]), float(waits.visit[0])
        if not np.isfinite(silent):
            raise UndefinedMetric(
                "steady_state",
                f"after {self.buckets - 1} silent periods nobody comes or asks for the money, so the sessions "
                "outstanding grow without end",
            )
        left = np.arange(size + 1.0)
        held = left - sessions_per_visit(self.burst, size)
        return float(by_sessions_left(left * silent + visit * held, visit, self.burst)[-1])

    @overload
    def redeemed(self, sessions: int, *, gap: Scalar = 0) -> float: ...
    @overload
    def redeemed(self, sessions: int, *, gap: Vector) -> FloatArray: ...
    def redeemed(self, sessions: int, *, gap: Numbers = 0) -> float | FloatArray:
        r"""Expected sessions that will ever be delivered of one package; the rest is refunded or never asked for.

        .. math:: U_r(g) = v_g \left( \operatorname{E} \min(K, r) + \sum_{k < r} b_k U_{r-k}(0) \right)

        where :math:`v_g` is the chance of a visit, ever, after g silent periods.

        Args:
            sessions: Sessions left, >= 1.
            gap: Whole periods without activity so far, >= 0; a number, or an array of them.

        Returns:
            Sessions, from 0 to ``sessions``: a float for a number, otherwise an array.

        Raises:
            InvalidValue: A number is out of range or not whole.

        Examples:
            >>> model = RedemptionModel(hazard=[0.5, 0.0])  # whoever stays away once never comes back
            >>> model.redeemed(2), model.redeemed(2, gap=1)
            (0.75, 0.0)

        References:
            Cox (1962), *Renewal Theory*, chapter 1: renewals that may never come.
        """
        size = whole_count(sessions=sessions)
        silence = at_least(0, gap=gap)
        visit = waits_of(self.hazard, self.refund).visit
        used = sessions_per_visit(self.burst, size)
        per_visit = by_sessions_left(used, float(visit[0]), self.burst)[-1]
        found = per_visit * visit[np.minimum(_whole_numbers("gap", silence), self.buckets - 1)]
        return float(found) if isinstance(silence, float) else found

    @overload
    def return_probability(self, gap: Scalar, horizon: int | None) -> float: ...
    @overload
    def return_probability(self, gap: Vector, horizon: int | None) -> FloatArray: ...
    def return_probability(self, gap: Numbers, horizon: int | None) -> float | FloatArray:
        r"""Chance that a customer who has been silent comes back within some periods, before asking for a refund.

        .. math::
            R_{m+1}(g) = (1 - q_g) h_g + (1 - q_g)(1 - h_g) R_m(g + 1), \qquad R_0 = 0

        Args:
            gap: Whole periods without activity so far, >= 0; a number, or an array of them.
            horizon: Periods to come, >= 1; ``None`` for ever.

        Returns:
            A fraction: a float for a number, otherwise an array.

        Raises:
            InvalidValue: A number is out of range or not whole.

        Examples:
            >>> model = RedemptionModel(hazard=[0.6, 0.2, 0.05])
            >>> model.return_probability([0, 2], horizon=1)
            array([0.6 , 0.05])
            >>> round(model.return_probability(2, horizon=12), 4)
            0.4596

        References:
            Prentice et al. (1978), "The analysis of failure times in the presence of competing risks", *Biometrics*
            34(4), 541-554.
        """
        silence = at_least(0, gap=gap)
        past = _whole_numbers("gap", silence)
        if horizon is None:
            found = waits_of(self.hazard, self.refund).visit[np.minimum(past, self.buckets - 1)]
        else:
            found = visit_within(self.hazard, self.refund, past, whole_count(horizon=horizon))
        return float(found) if isinstance(silence, float) else found

    @classmethod
    def fit(cls, ledger: Ledger, *, step: Period = "month", buckets: int = 7, min_exposure: int = 30) -> RedemptionFit:
        r"""Estimate the model from a book of prepaid packages, those that are not used up included.

        Every package adds a trial in its gap bucket for each whole period in which it has sessions left, up to the end
        of the book: what is still unused is censored and biases nothing. Of n trials with v visits and r refunds

        .. math:: q_g = \frac{r_g}{n_g}, \qquad h_g = \frac{v_g}{n_g - r_g}

        Periods with frozen days do not count, nor does a last period that is not over, nor one in which a package
        expires before its end. A period with both a visit and a refund counts as a refund. A package that was taken
        over from an older book counts from its first visit on. The sessions of a period are its burst, estimated by the
        product limit, since a visit that uses up the rest might have used more. Packages are taken one by one: a
        customer who waits with the second until the first is used up counts as silent in the second.

        Args:
            ledger: A :class:`~retention_metrics.prepaid.Ledger`.
            step: Period of the model: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``.
            buckets: Number of gap buckets, >= 1; the last one is open-ended.
            min_exposure: Trials below which a bucket shares its hazard with its neighbours, >= 1.

        Returns:
            A :class:`RedemptionFit`; its ``model`` is the model.

        Raises:
            UndefinedMetric: No package has been in the book for a whole period.
            InvalidType: ``ledger`` is not a ledger.
            InvalidValue: ``step``, ``buckets`` or ``min_exposure`` is out of range.

        Examples:
            >>> from retention_metrics.prepaid import PackagePlan
            >>> plan = PackagePlan(id="pair", price=200, sessions=2)
            >>> events = [
            ...     {"kind": "purchase", "date": "2024-01-10", "package": "p1", "customer": "ann", "plan": "pair"},
            ...     {"kind": "visit", "date": "2024-03-15", "package": "p1"},
            ...     {"kind": "visit", "date": "2024-04-02", "package": "p1"},
            ... ]
            >>> ledger = Ledger.from_events(events, [plan], as_of="2024-06-30")
            >>> RedemptionModel.fit(ledger, buckets=2, min_exposure=1).model.hazard
            array([0.5, 0.5])

        References:
            Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure Time Data*, 2nd ed., section 2.4, on
            discrete hazards; Kaplan & Meier (1958), *JASA* 53, 457-481.
        """
        return fit_book(cls, ledger, step=step, buckets=buckets, min_exposure=min_exposure)

    def to_dict(self) -> dict[str, list[float] | None]:
        """The probabilities as plain lists, ready for JSON."""
        return {
            "hazard": self.hazard.tolist(),
            "refund": self.refund.tolist(),
            "burst": None if self.burst is None else self.burst.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RedemptionModel":
        """The model that :meth:`to_dict` wrote down.

        Raises:
            InvalidValue: A name is missing or unknown, or a probability is out of range.
            InvalidType: ``values`` is not a dictionary.
        """
        mapping(values=values)
        if not {"hazard"} <= set(values) <= {"hazard", "refund", "burst"}:
            raise InvalidValue(f"values must have hazard, and may have refund and burst, got {sorted(values)}")
        return cls(**values)

    def __str__(self) -> str:
        """The probabilities by gap bucket."""
        last = self.buckets - 1
        columns = {
            "gap": [f"{g}+" if g == last else f"{g}" for g in range(self.buckets)],
            "visit": [f"{each:.4f}" for each in self.hazard],
            "refund": [f"{each:.4f}" for each in self.refund],
        }
        if self.burst is None:
            return text_table(columns)
        sizes = ", ".join(f"{k} with {share:.4f}" for k, share in enumerate(self.burst, start=1))
        return f"{text_table(columns)}\nsessions a visit: {sizes}"

    def _state(self, start: Number) -> FloatArray:
        if isinstance(start, float) or start.ndim != 2 or start.shape[0] != self.buckets:
            shape = () if isinstance(start, float) else start.shape
            raise InvalidValue(
                f"start must have one row for each of the {self.buckets} gap buckets and one column for each number "
                f"of sessions left, got shape {shape}"
            )
        return start


def _row(name: str, checked: Number) -> FloatArray:
    """A checked argument that has to be a row of numbers."""
    if isinstance(checked, float):
        raise InvalidValue(f"{name} must be a list of probabilities, got {checked:g}; write [{checked:g}]")
    if checked.ndim != 1:
        raise InvalidValue(f"{name} must be one row of probabilities, got an array of shape {checked.shape}")
    return checked


def _whole_numbers(name: str, checked: Number) -> IntArray:
    refuse_if(np.greater_equal(checked, 2**53), f"{name} must be below 2**53")
    refuse_if(np.not_equal(checked, np.floor(checked)), f"{name} must be whole numbers of periods")
    return np.asarray(checked).astype(np.int64)


def _by_period(sold: Number, periods: int | None) -> FloatArray:
    if isinstance(sold, float):
        if periods is None:
            raise InvalidValue("periods is missing: say for how many periods sales go on, or give one number for each")
        return np.full(whole_count(periods=periods), sold)
    if sold.ndim != 1:
        raise InvalidValue(f"sales must be one number or one for each period, got an array of shape {sold.shape}")
    if periods is None:
        return sold
    length = whole_count(periods=periods)
    if length < sold.size:
        raise InvalidValue(f"periods must not be less than the {sold.size} periods of sales, got {length}")
    return np.append(sold, np.zeros(length - sold.size))


def _mean_hazard(asleep: float, active: float, dormant: float, lapse: float) -> float:
    """The constant hazard with the mean wait of customers of whom a share is dormant; 0 when some never come."""
    if dormant == 0 and (asleep > 0 or (lapse > 0 and active < 1)):
        return 0.0
    leaves = active + (1 - active) * lapse
    if leaves == 0 and asleep < 1:
        return 0.0
    wait_asleep = 1 / dormant if dormant else 0.0
    wait_awake = (1 + (1 - active) * lapse * wait_asleep) / leaves if leaves else 0.0
    return 1 / (asleep * wait_asleep + (1 - asleep) * wait_awake)
