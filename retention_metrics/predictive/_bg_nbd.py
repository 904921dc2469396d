"""The BG/NBD model."""

from typing import ClassVar

from retention_metrics.predictive._beta_geometric import BetaGeometric


class BgNbd(BetaGeometric):
    r"""BG/NBD: customers buy at a rate of their own, and after each repeat purchase may silently leave.

    .. math:: \lambda \sim \text{Gamma}(r, \alpha), \quad p \sim \text{Beta}(a, b), \qquad
        P(\text{alive}) = \Big[1 + [x > 0] \frac{a}{b + x - 1}
        \Big(\frac{\alpha + T}{\alpha + t_x}\Big)^{r + x}\Big]^{-1}

    .. math:: E[X(t)] = \frac{a + b - 1}{a - 1} \Big[1 - \Big(\frac{\alpha}{\alpha + t}\Big)^r
        {}_2F_1\Big(r, b; a + b - 1; \frac{t}{\alpha + t}\Big)\Big]

    Who has not bought again is alive for certain by assumption; where most customers are such, :class:`MbgNbd` is the
    honest choice. Expectations are computed as sums of positive terms, which hold at a = 1 and a + b = 1 too.

    Attributes:
        r: Shape of the gamma distribution of purchase rates, > 0.
        alpha: Its rate, > 0, in the unit of time; the mean purchase rate is r / alpha.
        a: First shape of the beta distribution of dropout probabilities, >= 0; with 0 nobody drops out.
        b: Its second shape, > 0; the mean dropout probability is a / (a + b).
        unit: The unit of time, such as ``"week"``, or ``None`` if nobody said.

    Examples:
        >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
        >>> round(model.expected_purchases(39, frequency=2, recency=30.43, T=38.86), 3)
        1.226
        >>> model.probability_alive(frequency=[0, 2, 26], recency=[0, 30.43, 30.86], T=[39, 38.86, 31]).round(3)
        array([1.   , 0.727, 0.969])

    References:
        Fader, Hardie & Lee (2005), "Counting your customers the easy way: an alternative to the Pareto/NBD model",
        *Marketing Science* 24(2), 275-284.
    """

    FIRST: ClassVar[int] = 0
