"""Events of a span of time, without a look at those of all other times.

Events are numbered as they come in, and mostly that is the order of their own clocks. So those of a
span lie close together; the index over their times says from which number to which. A gate that
was away brings old events late: then the numbers reach further, and nothing is left out.
"""

from typing import Final

from django.db.models import Count, Max, Min, QuerySet

from office.models import Event

_WIDE: Final = 200_000


def within(since_utc: float | None, until_utc: float | None, wide: int = _WIDE) -> QuerySet[Event]:
    """The events of a span by their gates' clocks; the end is exclusive, None is without bound.

    Args:
        wide: a span of so many events is looked through as it is; to find its ends would cost more
            than they save.
    """
    bounds = {"at_utc__gte": since_utc, "at_utc__lt": until_utc}
    found = Event.objects.filter(**{name: bound for name, bound in bounds.items() if bound is not None})
    if since_utc is None and until_utc is None:
        return found
    span = found.values("pk")[:wide].aggregate(events=Count("pk"), first=Min("pk"), last=Max("pk"))
    if not span["events"]:
        return found.none()
    return found if span["events"] == wide else found.filter(pk__range=(span["first"], span["last"]))
