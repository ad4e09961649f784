"""The pictures in the guides: the same small site at work, in both languages, at a desk and on a phone.

make pictures
"""

import io
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from django.utils import timezone
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from office.home import prepare

prepare()

from office.alerts import Matter, raise_alert  # noqa: E402
from office.models import Event  # noqa: E402
from office.web import follower, visits  # noqa: E402
from office.web.files import change  # noqa: E402
from office.web.models import OrderState, RemoteOrder  # noqa: E402
from tests.browsers import group_pictures  # noqa: E402
from tests.browsers.people import CHROMIUM, PHONE, signed_in  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402
from tests.office_pages.serving import served_at  # noqa: E402

DESK = {"viewport": {"width": 1180, "height": 820}}
SMALL = {"viewport": {"width": 900, "height": 360}}
_WIDE_PX, _NARROW_PX = 900, 300
_PEOPLE = ("李伟", "王芳", "Zhang Min", "刘洋", "Chen Jie", "赵敏", "Wu Lan", "周强")
_LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
_PAGES = {
    "/visits": "visitors",
    "/orders": "orders",
    "/review": "review",
    "/alerts": "alerts",
    "/inside": "inside",
}


def _busy(desk: Desk) -> tuple[int, int]:
    """Some hours of a day; the numbers of a person's file and of the one with a phone."""
    gates = [desk.gate("north", "in"), desk.gate("south", "out"), desk.gate("garage", "both")]
    held = [desk.holder(name) for name in _PEOPLE]
    for number, one in enumerate(held):
        change(one.person, {"unit": f"{number % 4 + 1}-{501 + number}", "phone": "138 0000 0000"}, "chen")
    now = time.time()
    for step in range(60):
        gate, one = gates[step * 7 % 3], held[step * 5 % len(held)]
        refused = step % 9 == 4
        event = desk.event(
            gate,
            "pass.refused" if refused else "pass.admitted",
            one.pass_id,
            "replayed" if refused else "",
            way="out" if gate.name == "south" else "in",
        )
        at_utc = now - (60 - step) * 540
        Event.objects.filter(pk=event.pk).update(at_utc=at_utc)
    desk.event(gates[2], "camera.frozen")
    follower.catch_up()
    raise_alert(Matter.OVERSTAY, "north", "visit 12 has not left", timezone.now(), "visit 12")
    for name, purpose, host in (("孙丽", "访问", "1-501"), ("Tom Berg", "repair", "2-502")):
        visits.ask(gates[0], {"name": name, "purpose": purpose, "host": host})
    minutes = timezone.now() - timedelta(minutes=4)
    common = {"gate": gates[0], "ends": minutes + timedelta(minutes=10)}
    RemoteOrder.objects.create(
        **common, what="open", why="救护车", asked_by="chen", asked_at=minutes, state=OrderState.OBEYED
    )
    RemoteOrder.objects.create(
        **common, what="lockdown", why="警情", asked_by="chen", asked_at=timezone.now(), confirmed_by=""
    )
    desk.holder("Sun Yan", live=False)
    phone = desk.holder("何静", on_phone=True)
    change(phone.person, {"unit": "5-1201"}, "chen")
    return held[0].person_id, phone.person_id


def _keep(page: Page, out: Path, name: str, *, full: bool = False) -> None:
    drawn = Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB")
    width = _NARROW_PX if page.viewport_size["width"] < 500 else _WIDE_PX
    size = (width, round(drawn.height * width / drawn.width))
    drawn.resize(size, Image.Resampling.LANCZOS).save(out / f"{name}.webp", quality=82, method=6)
    print(out / f"{name}.webp")


def _at_the_desk(browser: Browser, base: str, out: Path, person: int) -> None:
    for short, locale in _LANGUAGES.items():
        context, page = signed_in(browser, base, "wang", locale=locale, **DESK)
        page.wait_for_selector("#link.good")
        _keep(page, out, f"live-{short}")
        for path, name in _PAGES.items():
            page.goto(path)
            _keep(page, out, f"{name}-{short}")
        context.close()
        context, page = signed_in(browser, base, "chen", locale=locale, **DESK)
        page.goto(f"/people/{person}")
        _keep(page, out, f"person-{short}")
        context.close()


def _on_phones(browser: Browser, base: str, out: Path, person: int) -> None:
    context, clerk = signed_in(browser, base, "chen", **DESK)
    clerk.goto(f"/people/{person}")
    clerk.click("text=Invite the phone")
    link = clerk.inner_text("#link")
    context.close()
    phone = browser.new_context(base_url=base, locale="zh-CN", **PHONE)
    page = phone.new_page()
    page.goto(link)
    page.wait_for_selector("#invite:not([hidden])")
    _keep(page, out, "phone-invited-zh")
    page.goto(f"{link.replace('#', '?l=en#')}")
    page.wait_for_selector("#invite:not([hidden])")
    _keep(page, out, "phone-invited-en")
    page.click("#accept")
    page.wait_for_selector("#code[data-form]")
    for short, language in (("en", "en"), ("zh", "zh-hans")):
        page.goto(f"/pass/?l={language}")
        page.wait_for_selector("#code[data-form=code]")
        _keep(page, out, f"phone-pass-{short}")
    phone.close()
    for short, locale in _LANGUAGES.items():
        visitor = browser.new_context(base_url=base, locale=locale, **PHONE)
        desk, page = signed_in(browser, base, "wang", locale=locale, **DESK)
        _visit(visitor.new_page(), page, out, short)
        visitor.close()
        desk.close()
    context, page = signed_in(browser, base, "wang", locale="zh-CN", **PHONE)
    _keep(page, out, "phone-live-zh")
    context.close()


def _visit(page: Page, desk: Page, out: Path, short: str) -> None:
    """From the form to the pass, as a visitor sees it."""
    page.goto("/visit/north")
    _keep(page, out, f"phone-visitor-{short}")
    name = {"zh": "吴悦", "en": "Ann Berg"}[short]
    page.fill("[name=name]", name)
    page.fill("[name=host]", "1-501")
    page.check("[name=consent]")
    page.click("form.form button")
    page.wait_for_selector(".waiting")
    _keep(page, out, f"phone-waiting-{short}")
    desk.goto("/visits")
    desk.click(f"article:has-text('{name}') button[value=approve]")
    page.reload()
    page.wait_for_selector(".code.big")
    _keep(page, out, f"phone-visit-{short}")


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "home")
        desk.found()
        person, phone = _busy(desk)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        with served_at(desk) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            _at_the_desk(browser, served.base, out, person)
            _on_phones(browser, served.base, out, phone)
            group_pictures.take(browser, lambda page, name: _keep(page, out, name), _LANGUAGES, **SMALL)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
