"""A group's sites at a look, and the card by which each tells of itself."""

import asyncio
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from office import home as homes
from office.web import places, relay, scene
from office.web.duties import sites_of
from office.web.rights import for_all_signed_in, for_anybody, needs
from office.web.roles import Right

_PATIENCE_S: Final = 4.0
_AGAIN_S: Final = 15
_MOST_BYTES: Final = 64 * 1024


@needs(Right.SEE_LIVE)
@require_safe
def summary(request: HttpRequest) -> HttpResponse:
    """This site in a few figures: a piece of the door's page, for whoever may see the live page here."""
    shown = scene.summary(request.user.has_perm)
    return render(request, "web/sites/_card.html", shown)


@for_all_signed_in
@require_safe
async def overview(request: HttpRequest) -> HttpResponse:
    """All sites where this account is anything, each as its own process tells it to this account."""
    names = await sync_to_async(sites_of)((await request.auser()).get_username())
    if len(names) == 1:
        return redirect(places.site(names[0]))
    cards = await asyncio.gather(*(_card(request, name) for name in names))
    shown = {"cards": [(name, card) for name, card in zip(names, cards, strict=True)]}
    answer = await sync_to_async(render)(request, "web/sites/overview.html", shown)
    answer["Refresh"] = str(_AGAIN_S)
    return answer


async def _card(request: HttpRequest, site: str) -> str:
    """What the site's process answers to the one who looks; empty if it does not answer, or refuses."""
    socket = settings.SOCKETS.get(site)
    if socket is None:
        return ""
    headers = [
        (b"host", request.get_host().encode()),
        (b"cookie", request.headers.get("Cookie", "").encode("latin-1")),
        (b"accept-language", (get_language() or "en").encode()),
        (b"x-forwarded-proto", (request.scheme or "http").encode()),
        (b"x-forwarded-for", str(request.META.get("REMOTE_ADDR", "")).encode()),
    ]
    try:
        async with asyncio.timeout(_PATIENCE_S):
            status, body = await relay.fetch(socket, f"{places.site(site)}summary", headers, _MOST_BYTES)
    except (OSError, TimeoutError, relay.Broken):
        return ""
    return mark_safe(body.decode()) if status == 200 else ""  # noqa: S308  our own page's piece


@for_anybody
def first(request: HttpRequest, rest: str) -> HttpResponse:
    """An address printed before there was a group means the site that was there then."""
    group = homes.current().group
    if group is None or group.first not in group.sites or rest.startswith("site/"):
        raise Http404
    there = f"{places.site(group.first)}{request.get_full_path().removeprefix('/')}"
    return HttpResponseRedirect(there, preserve_request=True)
