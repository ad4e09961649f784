"""What the frame around every page shows: the site, its clock, the person's other sites, and what waits for somebody."""

from typing import Any

from django.http import HttpRequest
from django.urls import get_script_prefix

from office import home as homes
from office.models import Pass, PassState, Site
from office.web import alerting, ordering
from office.web.duties import sites_of
from office.web.models import Visit, VisitState
from office.web.rights import sees_names


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context for all templates; for people without an account only the site's name."""
    site = Site.objects.first()
    home = homes.current()
    shown: dict[str, Any] = {
        "site": site,
        "offset_min": site.utc_offset_min if site else 0,
        "home_path": get_script_prefix(),
        "at_the_door": home.whole,
    }
    account = getattr(request, "user", None)
    if account is None or not account.is_authenticated:
        return shown
    if home.group:
        shown["sites"] = sites_of(account.get_username())
    if not home.whole:
        shown |= {
            "drafts_waiting": Pass.objects.filter(state=PassState.DRAFT).count(),
            "visits_waiting": Visit.objects.filter(state=VisitState.WAITING).count(),
            "orders_waiting": ordering.waiting().count(),
            "alerts_open": alerting.open_alerts().count(),
            "sees_names": sees_names(request),
        }
    return shown
