"""The holder's own page: a shell that works offline, and the few questions it asks the office.

The shell is the same for everybody, so that a phone may keep it. What is asked
is proved by an invitation or by the phone's key and never by a cookie, so a
form on another site gains nothing here.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from office import home as homes
from office import phones, registry
from office.faults import OfficeFault
from office.logs import log
from office.models import Pass, Site
from office.web import assets, holding
from office.web import telling as gates
from office.web.holding import Asked
from office.web.refusals import said
from office.web.rights import for_anybody
from office.web.words import SAID

LANGUAGES: Final = ("zh-hans", "en")
_FILES: Final = ("holder.js", "holder.css", "vault.js", "wire.js", "qrcode.mjs", "mark.svg", "mark-192.png")
_MOST_BYTES: Final = 4096
_STATUS: Final = {
    "forged": 404,
    "unknown": 404,
    "expired": 410,
    "used": 410,
    "taken_out": 410,
    "clock": 409,
    "decided": 409,
}


class _NotUnderstood(Exception):
    """A question that no page of ours asks."""


@for_anybody
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The shell, in the language that the address or the browser asks for."""
    wanted = request.GET.get("l", "")
    return HttpResponse(_shell(wanted if wanted in LANGUAGES else translation.get_language() or "en"))


@for_anybody
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """What makes it an app on the home screen."""
    del request
    site = Site.objects.first()
    said = {
        "id": reverse("holder"),
        "start_url": reverse("holder"),
        "scope": reverse("holder"),
        "display": "standalone",
        "orientation": "portrait",
        "name": f"{site or 'menshen'} · {_('pass')}",
        "short_name": str(site or "menshen"),
        "background_color": "#ffffff",
        "theme_color": "#ffffff",
        "icons": [
            {"src": assets.address("mark.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": assets.address("mark-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": assets.address("mark-512.png"), "sizes": "512x512", "type": "image/png"},
        ],
    }
    return JsonResponse(said, content_type="application/manifest+json")


@for_anybody
@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker: which files a phone keeps, under a name that changes with any of them."""
    del request
    shell = reverse("holder")
    kept = [shell, *(f"{shell}?l={language}" for language in LANGUAGES), *map(assets.address, _FILES)]
    release = hashlib.sha256(json.dumps([kept, *map(_shell, LANGUAGES)]).encode()).hexdigest()[:12]
    place = f"{registry.the_site()}-" if homes.current().group else ""  # another site's page is its own
    head = f"const RELEASE = {json.dumps(release)};\nconst PLACE = {json.dumps(place)};\nconst SHELL = {json.dumps(kept)};\n"
    script = head.encode() + assets.contents()["worker.js"]
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")


def _shell(language: str) -> str:
    with translation.override(language):
        shown = {"site": Site.objects.first(), "words": [(code, str(word)) for code, word in SAID.items()]}
        return render_to_string("web/holder/page.html", shown)


def _answers(
    ask: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> Callable[[HttpRequest], HttpResponse]:
    """A view of a function from a question to an answer, both JSON objects."""

    def view(request: HttpRequest) -> HttpResponse:
        try:
            answer, status = ask(_question(request)), 200
        except (phones.PhoneFault, holding.Unproved) as fault:
            answer, status = {"error": fault.why, "said": str(fault)}, _STATUS.get(fault.why, 400)
        except OfficeFault as fault:
            answer, status = {"error": "other", "said": said(str(fault))}, 409
        except _NotUnderstood:
            answer, status = {"error": "not_understood"}, 400
        return JsonResponse({"utc": time.time(), **answer}, status=status)

    view.__doc__ = ask.__doc__
    return for_anybody(csrf_exempt(require_POST(view)))


def _question(request: HttpRequest) -> Mapping[str, Any]:
    try:
        body = request.body
        asked = json.loads(body) if len(body) <= _MOST_BYTES else None
    except (RequestDataTooBig, UnreadablePostError, ValueError, RecursionError) as fault:
        raise _NotUnderstood from fault
    if not isinstance(asked, dict):
        raise _NotUnderstood
    return asked


def _text(asked: Mapping[str, Any], name: str) -> str:
    found = asked.get(name)
    if not isinstance(found, str) or len(found) > 200 or not found.isascii():
        raise _NotUnderstood
    return found


def _signature(asked: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(_text(asked, "signature"))
    except ValueError as fault:
        raise _NotUnderstood from fault


@_answers
def challenge(asked: Mapping[str, Any]) -> dict[str, Any]:
    """From an invitation to what the phone must sign, and which pass it is for."""
    one, challenged = phones.challenge(_text(asked, "token"), timezone.now())
    return {"challenge": challenged, **holding.terms(one)}


@_answers
def enrol(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Take the phone's key, once it is proved."""
    one = phones.put_in(_text(asked, "token"), _text(asked, "key"), _signature(asked), now=timezone.now())
    _tell_gates()
    return holding.standing(one)


def _tell_gates() -> None:
    """A gate that can't be told admits a phone by its certificate until the next list; a visitor waits for that."""
    try:
        gates.publish_if_begun("office")
    except OfficeFault as fault:
        log.error("phones.unpublished", found=str(fault), next="the next list says it")


@_answers
def standing(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How the pass stands now, and the holder's own file."""
    return holding.standing(_proved(asked, "standing"))


@_answers
def visit(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The host's word about a visitor; then how the pass stands."""
    number, decision = asked.get("visit"), _text(asked, "decision")
    if type(number) is not int or not 0 <= number < 1 << 53 or decision not in ("approve", "refuse"):
        raise _NotUnderstood
    one = _proved(asked, "visit", str(number), decision)
    holding.decide(one, number, approve=decision == "approve")
    _tell_gates()
    return holding.standing(one)


def _proved(asked: Mapping[str, Any], *words: str) -> Pass:
    utc = asked.get("utc")
    if type(utc) is not int or not 0 <= utc < 1 << 53:
        raise _NotUnderstood
    question = Asked(_text(asked, "pass"), utc, words, _text(asked, "key"), _signature(asked))
    return holding.holder(question)
