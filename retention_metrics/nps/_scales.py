"""The scales on which people are asked, and the classes into which each falls."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

ScaleName: TypeAlias = Literal["0-10", "1-10", "1-7", "1-5"]


class Scale(NamedTuple):
    """Lowest and highest answer, and the lowest answers of a passive and of a promoter."""

    low: int
    high: int
    passive: int
    promoter: int


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "0-10": Scale(0, 10, 7, 9),
        "1-10": Scale(1, 10, 7, 9),
        "1-7": Scale(1, 7, 5, 6),
        "1-5": Scale(1, 5, 4, 5),
    }
)
