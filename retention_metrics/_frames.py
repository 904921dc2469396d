"""Small tables handed over in the dataframe library that the caller names."""

from importlib import import_module
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from retention_metrics._checks import choice
from retention_metrics.errors import MissingExtra

Backend: TypeAlias = Literal["pandas", "polars", "pyarrow"]

_EXTRAS: dict[Backend, str] = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}


def columns_to_frame(columns: dict[str, Any], backend: Backend) -> Any:
    """A native frame of the named backend from columns of equal length."""
    choice(_EXTRAS, backend=backend)
    require(backend, _EXTRAS[backend])
    return nw.from_dict(columns, backend=backend).to_native()


def require(package: str, extra: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtra(package, extra) from None
