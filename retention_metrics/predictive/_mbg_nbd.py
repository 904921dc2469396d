"""The MBG/NBD model."""

from typing import ClassVar

from retention_metrics.predictive._beta_geometric import BetaGeometric


class MbgNbd(BetaGeometric):
    r"""MBG/NBD: customers buy at a rate of their own, and after each purchase, the first one too, may silently leave.

    .. math:: \lambda \sim \text{Gamma}(r, \alpha), \quad p \sim \text{Beta}(a, b), \qquad
        P(\text{alive}) = \Big[1 + \frac{a}{b + x} \Big(\frac{\alpha + T}{\alpha + t_x}\Big)^{r + x}\Big]^{-1}

    The only difference from :class:`BgNbd` is that one-time buyers may be gone.

    Attributes:
        r: Shape of the gamma distribution of purchase rates, > 0.
        alpha: Its rate, > 0, in the unit of time; the mean purchase rate is r / alpha.
        a: First shape of the beta distribution of dropout probabilities, >= 0; with 0 nobody drops out.
        b: Its second shape, > 0; the mean dropout probability is a / (a + b).
        unit: The unit of time, such as ``"week"``, or ``None`` if nobody said.

    Examples:
        >>> model = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week")
        >>> model.probability_alive(frequency=[0, 2], recency=[0, 30.43], T=[39, 38.86]).round(3)
        array([0.389, 0.706])

    References:
        Batislam, Denizel & Filiztekin (2007), "Empirical validation and comparison of models for customer base
        analysis", *International Journal of Research in Marketing* 24(3), 201-209.
    """

    FIRST: ClassVar[int] = 1
