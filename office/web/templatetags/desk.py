"""Words of the templates: addresses of files, and times as the site's clock shows them."""

import re
from datetime import UTC, datetime, timedelta, timezone

from django import template
from django.utils.safestring import SafeString, mark_safe

from office import issuing
from office.models import Gap, Pass
from office.web import assets, places, refusals, words

register = template.Library()


@register.simple_tag
def asset(name: str) -> str:
    """Where a page finds one of the pages' own files."""
    return assets.address(name)


@register.simple_tag
def door(name: str) -> str:
    """Where a page finds one at the door."""
    return places.door(name)


@register.filter
def at_site(name: str) -> str:
    """Where a page finds another site's first page."""
    return places.site(name)


@register.filter
def clock(moment: datetime | float | None, offset_min: int) -> str:
    """`2026-11-22 08:30:05` on the site's clock; seconds since 1970 are a moment too."""
    if moment is None:
        return ""
    whole = datetime.fromtimestamp(moment, UTC) if isinstance(moment, (int, float)) else moment
    return f"{whole.astimezone(timezone(timedelta(minutes=offset_min))):%Y-%m-%d %H:%M:%S}"


@register.filter
def day(moment: datetime, offset_min: int) -> str:
    """The day alone; a pass that ends at midnight ended with the day before."""
    local = moment.astimezone(timezone(timedelta(minutes=offset_min)))
    return f"{local:%Y-%m-%d %H:%M}"


@register.filter
def said(word: str) -> str:
    """A kind, reason, state or matter in the reader's language; an unknown one as it is."""
    return str(words.SAID.get(word, word))


@register.filter
def order_what(what: str) -> str:
    """What a gate was ordered to do."""
    return str(words.ORDERS.get(what, what))


@register.filter
def order_state(state: str) -> str:
    """How far an order has come."""
    return str(words.ORDER_STATES.get(state, state))


@register.filter
def zones(bits: int, names: list[str]) -> str:
    """The names of the zones in a pass."""
    return ", ".join(name for bit, name in enumerate(names) if bits >> bit & 1)


@register.filter
def code(one: Pass) -> str:
    """The text of a pass's code."""
    return issuing.Codes.here().of(one)


@register.filter
def picture(text: str) -> SafeString:
    """A code, drawn here and now as SVG."""
    return mark_safe(issuing.svg(text))  # noqa: S308  our own drawing, of modules alone


@register.filter
def verdict(word: str) -> str:
    """How a gate's day stands."""
    return str(words.VERDICTS.get(str(word), word))


@register.filter
def missing(gap: Gap) -> str:
    """What was accepted as missing, by whom and why."""
    return words.missing(gap)


@register.filter
def difference(what: str) -> str:
    """What a restored office has otherwise than its gates."""
    return str(words.DIFFERENCES.get(what, what))


@register.filter
def outcome(word: str) -> str:
    """What somebody said to a difference."""
    return str(words.OUTCOMES.get(word, word))


@register.filter
def states(detail: str) -> str:
    """The states of passes and the roles in the detail of a difference, in the reader's language."""
    roles = "clerk|approver|auditor|technician|administrator"
    return re.sub(
        rf"(?<![\w/])(?:draft|live|suspended|revoked|ended|{roles})(?!\w)",
        lambda found: said(found[0]),
        detail,
    )


@register.filter
def plainly(sentence: str) -> str:
    """A sentence that the office kept, in the reader's language."""
    return refusals.said(sentence)
