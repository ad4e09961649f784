"""The live page, its stream, and the search."""

import time
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from office.feed import Wish
from office.models import Gate
from office.web import lookup, scene
from office.web.duties import rights
from office.web.forms import OrderForm, SearchForm
from office.web.hub import HUB, Crowded, Reader
from office.web.reading import shows
from office.web.rights import needs, sees_names
from office.web.roles import Right

_LOOK_AGAIN_S: Final = 10.0


@needs(Right.SEE_LIVE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Events as they come, gates, who is inside, the day's figures."""
    names = sees_names(request)
    found = lookup.newest(Wish())
    shown = scene.standing(names=names) | scene.rows(found, names=names)
    shown["order_form"] = OrderForm(gates=[one["gate"].name for one in shown["gates"]], auto_id="order_%s")
    return render(request, "web/live/page.html", shown | {"newest": found[0].number if found else 0})


@needs(Right.SEE_LIVE)
async def stream(request: HttpRequest) -> HttpResponseBase:
    """The same, on and on, as text/event-stream."""
    account = await request.auser()
    reader = Reader(get_language() or "en", await account.ahas_perm(f"web.{Right.SEE_PEOPLE}"))
    wanted = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    after = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0

    async def messages() -> AsyncIterator[bytes]:
        try:
            looked = time.monotonic()
            async for message in HUB.listen(reader, after):
                if time.monotonic() - looked > _LOOK_AGAIN_S:
                    looked = time.monotonic()
                    now = await sync_to_async(rights)(account.get_username())
                    if Right.SEE_LIVE not in now or (reader.names and Right.SEE_PEOPLE not in now):
                        return  # the account was closed meanwhile, or its role here ended or changed
                yield message
        except Crowded:
            yield b"retry: 60000\n\n"

    return StreamingHttpResponse(
        messages(), content_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


@needs(Right.SEE_LIVE)
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Events by time, gate, result, pass or person; a screenful at a time."""
    names = sees_names(request)
    form = SearchForm(request.GET or None, gates=Gate.objects.order_by("name").values_list("name", flat=True))
    wish, person, before = form.wish() if form.is_valid() else (Wish(), "", 0)
    if not names and person and len(person) != 16:
        person = "-"  # whoever may not see names may not search by them either
    found = (
        [] if form.errors else lookup.newest(wish, person=person, before=before, limit=lookup.SCREENFUL + 1)
    )
    older = ""
    if len(found) > lookup.SCREENFUL:
        found.pop()
        asked = {name: value for name, value in request.GET.items() if name != "before"}
        older = urlencode({**asked, "before": found[-1].number})
    by = [name for name in ("q", "gate", "result", "since", "until") if request.GET.get(name)]
    shows(
        request,
        people=[one.person_pk for one in found if names],
        detail=f"by {', '.join(by)}" if by else "",
    )
    return render(
        request, "web/live/search.html", scene.rows(found, names=names) | {"form": form, "older": older}
    )
