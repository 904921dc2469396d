"""What all models share: frozen parameters with their names, and a unit of time."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._typing import FloatArray, Number, Period
from retention_metrics.predictive._fitting import Direction

Scale: TypeAlias = Literal["log", "logit", "identity"]


class Model(BaseModel):
    """Frozen parameters under the names of the literature; usable without any fit.

    Attributes:
        unit: The unit of time that the parameters stand for, or ``None`` if nobody said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    TIMES: ClassVar[tuple[str, ...]] = ()
    """Parameters that grow with the length of the unit of time."""
    DIRECTIONS: ClassVar[tuple[Direction, ...]] = ()
    """Coordinates of the fit."""
    SCALES: ClassVar[dict[str, Scale]] = {}
    """On which scale the answers of the methods are close to normal."""

    unit: Period | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return {name: value for name, value in self if name != "unit"}

    def moved(self, parameters: Iterable[float]) -> Self:
        """The same model with other parameters, in the order of ``parameters``."""
        return type(self)(**dict(zip(self.parameters, map(float, parameters), strict=True)), unit=self.unit)

    def __str__(self) -> str:
        listed = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({listed}{f', per {self.unit}' if self.unit else ''})"


def answer(values: Any, *inputs: object) -> Number:
    """A Python float if all inputs are numbers, otherwise a float64 array."""
    if all(isinstance(value, float) for value in inputs):
        return float(np.asarray(values).reshape(()))
    found: FloatArray = np.asarray(values, dtype=np.float64)
    return found
