"""Versions of releases: three numbers, and an order among them.

No pre-releases and no local versions: a gate compares, and a comparison that
needs a standard of its own is one more thing to get wrong at 3 a.m.
"""

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

_FORM: Final = re.compile(r"(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})")


def order(version: str) -> tuple[int, ...]:
    """What to compare by.

    Raises:
        ValueError: it is not of the form 1.2.3.
    """
    if not (match := _FORM.fullmatch(version)):
        raise ValueError(f"found the version {version[:40]!r}, wanted three numbers such as 1.2.3")
    return tuple(map(int, match.groups()))


def _well_formed(version: str) -> str:
    order(version)
    return version


Version: TypeAlias = Annotated[str, AfterValidator(_well_formed)]
