"""Telling what is being computed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

Progress: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Called with what is being computed, or inside the package with its key; returns a context manager for the time."""
