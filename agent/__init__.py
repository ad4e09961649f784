"""The gate agent: what runs on the Pi at each gate."""

from typing import Final

RELEASED_UTC: Final = 1795305600
"""2026-11-22T00:00:00Z, set at each release: no clock that says less than this is right."""
