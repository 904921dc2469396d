"""Types that the public signatures share."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Scalar: TypeAlias = float | int
Vector: TypeAlias = Sequence[float] | Sequence[int] | NDArray[np.floating] | NDArray[np.integer]
Numbers: TypeAlias = Scalar | Vector
Number: TypeAlias = float | FloatArray
"""What a checked argument has become: a float, or a float64 array."""

Undefined: TypeAlias = Literal["raise", "nan"]
Period: TypeAlias = Literal["day", "week", "month", "quarter", "year"]
Weekday: TypeAlias = Literal["monday", "sunday"]
