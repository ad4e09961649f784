"""A resident's phone is a browser here, and what it shows is read by a gate from pictures of its screen."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from office.models import HolderKey, Pass
from tests.browsers.people import PHONE, serious, signed_in, wanted
from tests.browsers.site import Site, photographed, results, shown_to


def _invited(site: Site, browser: Browser, one: Pass, button: str = "Invite the phone") -> str:
    """The link that the desk shows."""
    context, clerk = signed_in(browser, site.base, "chen")
    clerk.goto(f"/people/{one.person_id}")
    if button != "Invite the phone":
        clerk.click("text=Lost or new phone")
        clerk.fill("[id^=lost]", "left in a taxi")
    clerk.click(f"text={button}")
    link = clerk.inner_text("#link")
    assert serious(clerk) == []
    context.close()
    return link


def _phone(site: Site, browser: Browser, link: str, script: str = "") -> tuple[BrowserContext, Page]:
    """A phone that opens an invitation and takes the pass."""
    context = browser.new_context(base_url=site.base, locale="zh-CN", **PHONE)
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.goto(link)
    page.click("#accept")
    page.wait_for_selector("#code[data-form]")
    return context, page


def test_a_residents_phone_opens_the_gate_with_and_without_a_network(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    """C05: and a picture of it is worth nothing a minute later."""
    site.desk.clear()
    gate = site.gate("north")
    site.desk.holder("Wu")
    context, approver = signed_in(chromium, site.base, "wang")
    approver.goto("/review")
    approver.click("text=Publish to the gates")
    gate.bring_list()  # from before the resident moved in
    context.close()

    one = site.desk.holder("Li Wei", on_phone=True)
    phone, page = _phone(site, chromium, _invited(site, chromium, one))
    assert "#" not in page.url, "the invitation does not stay in the address"
    page.wait_for_selector("#code[data-form=certificate]")
    page.wait_for_selector("#code[data-form=code]")
    opened, events = shown_to(gate, photographed(page, tmp_path / "moved-in"))
    assert (opened, results(events)[-1]) == (1, "admitted")
    assert "by_certificate" in [event["data"].get("note") for event in events]

    gate.bring_list()  # the enrolment has published it by itself
    page.evaluate("navigator.serviceWorker.ready")
    phone.set_offline(True)
    page.reload()
    page.wait_for_selector("#code[data-form=code]")
    page.wait_for_selector("[data-say=offline]:not([hidden])")
    page.wait_for_timeout(15_000)  # the step that opened is spent
    pictures = photographed(page, tmp_path / "offline")
    opened, events = shown_to(gate, pictures)
    assert (opened, results(events)) == (1, ["admitted"])
    opened, events = shown_to(gate, photographed(page, tmp_path / "old"), later_s=60)
    assert (opened, set(results(events))) == (0, {"replayed"})
    phone.close()


def test_a_browser_without_ed25519_makes_a_p256_key(site: Site, chromium: Browser, tmp_path: Path) -> None:
    site.desk.clear()
    gate = site.gate("south")
    one = site.desk.holder("Wu", on_phone=True)
    without = """
        const make = crypto.subtle.generateKey.bind(crypto.subtle);
        crypto.subtle.generateKey = (how, ...rest) =>
            how.name === "Ed25519" ? Promise.reject(new DOMException("", "NotSupportedError")) : make(how, ...rest);
    """
    phone, page = _phone(site, chromium, _invited(site, chromium, one), without)
    assert HolderKey.objects.get().key.startswith("p256:")
    gate.bring_list()
    opened, events = shown_to(gate, photographed(page, tmp_path / "p256"))
    assert (opened, results(events)[-1]) == (1, "admitted")
    phone.close()


def test_a_lost_phone_is_refused_and_the_next_one_opens(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    site.desk.clear()
    gate = site.gate("east")
    one = site.desk.holder("Li Wei", on_phone=True)
    lost, old = _phone(site, chromium, _invited(site, chromium, one))
    gate.bring_list()
    link = _invited(site, chromium, one, "Old key out, invite the next phone")
    gate.bring_list()
    opened, events = shown_to(gate, photographed(old, tmp_path / "lost"))
    assert (opened, set(results(events))) == (0, {"suspended"})
    phone, page = _phone(site, chromium, link)
    gate.bring_list()
    opened, events = shown_to(gate, photographed(old, tmp_path / "found"))
    assert (opened, set(results(events))) == (0, {"forged"})
    opened, events = shown_to(gate, photographed(page, tmp_path / "next"))
    assert (opened, results(events)[-1]) == (1, "admitted")
    old.reload()
    old.wait_for_selector("[data-say=out]:not([hidden])")
    assert old.is_hidden("#live")
    lost.close()
    phone.close()


def test_the_private_key_can_not_be_read_by_any_script(site: Site, chromium: Browser) -> None:
    site.desk.clear()
    phone, page = _phone(site, chromium, _invited(site, chromium, site.desk.holder(on_phone=True)))
    found = page.evaluate("""async () => {
        const opening = indexedDB.open("menshen", 1);
        await new Promise((done) => (opening.onsuccess = done));
        const asked = opening.result.transaction("passes").objectStore("passes").getAll();
        await new Promise((done) => (asked.onsuccess = done));
        const [{ key }] = asked.result;
        const tried = await crypto.subtle.exportKey("pkcs8", key).then(() => "read", (fault) => fault.name);
        return [asked.result.length, key.extractable, tried];
    }""")
    assert found == [1, False, "InvalidAccessError"]
    phone.close()


def test_a_reused_or_forged_invitation_is_answered_in_words(site: Site, chromium: Browser) -> None:
    site.desk.clear()
    link = _invited(site, chromium, site.desk.holder(on_phone=True))
    phone, _ = _phone(site, chromium, link)
    for tried, said in ((link, "used already"), (link[:-1], "no invitation of this office")):
        other = chromium.new_context(base_url=site.base, locale="en-US", **PHONE)
        page = other.new_page()
        page.goto("/pass/")
        page.wait_for_selector("#empty:not([hidden])")
        assert serious(page) == []
        page.fill("#pasted", tried)
        page.click("#paste button")
        page.wait_for_selector("#fault:not([hidden])")
        assert said in page.inner_text("#fault")
        assert page.is_hidden("#invite")
        other.close()
    phone.close()


def test_an_enrolment_that_was_cut_off_is_finished_at_the_next_opening(site: Site, chromium: Browser) -> None:
    """The office has the key, the phone never heard so: nobody needs a second invitation."""
    site.desk.clear()
    link = _invited(site, chromium, site.desk.holder(on_phone=True))
    phone = chromium.new_context(base_url=site.base, locale="en-US", **PHONE)
    page = phone.new_page()

    def cut_off(route) -> None:
        route.fetch()
        route.abort()

    page.route("**/pass/enrol", cut_off)
    page.goto(link)
    page.click("#accept")
    page.wait_for_selector("#fault:not([hidden])")
    assert "can't be reached" in page.inner_text("#fault")
    assert HolderKey.objects.count() == 1
    page.unroute("**/pass/enrol")
    page.reload()
    page.wait_for_selector("#code[data-form=code]")
    assert page.is_hidden("#fault")
    assert "#" not in page.url
    phone.close()


def test_one_phone_can_hold_two_passes(site: Site, chromium: Browser, tmp_path: Path) -> None:
    site.desk.clear()
    gate = site.gate("two")
    phone, page = _phone(site, chromium, _invited(site, chromium, site.desk.holder("Li Wei", on_phone=True)))
    at_work = site.desk.holder("Li Wei", "staff", on_phone=True)
    page.goto(_invited(site, chromium, at_work))
    page.wait_for_selector("#invite:not([hidden])")
    page.click("#accept")
    page.wait_for_selector("#choice:not([hidden])")
    page.select_option("#which", at_work.pass_id)
    page.reload()
    page.wait_for_selector("#code[data-form=code]")
    assert page.input_value("#which") == at_work.pass_id, "the last choice stays"
    assert serious(page) == []
    gate.bring_list()
    opened, events = shown_to(gate, photographed(page, tmp_path / "staff"))
    assert opened == 1
    assert events[-1]["data"].get("pass", at_work.pass_id) == at_work.pass_id
    phone.close()


def test_a_host_lets_a_visitor_in_from_the_phone(site: Site, chromium: Browser, tmp_path: Path) -> None:
    """C07."""
    site.desk.clear()
    gate = site.gate("main-gate")
    host, page = _phone(site, chromium, _invited(site, chromium, site.desk.holder("Li Wei", on_phone=True)))
    visitor = chromium.new_context(base_url=site.base, locale="en-US", **PHONE)
    form = visitor.new_page()
    form.goto("/visit/main-gate")
    form.fill("[name=name]", "Tom Berg")
    form.fill("[name=host]", "li wei")
    form.check("[name=consent]")
    form.click("main button")
    page.reload()
    page.wait_for_selector("#visitors .note")
    assert "Tom Berg" in page.inner_text("#visitors")
    assert serious(page) == []
    page.click("#visitors button[value=approve]")
    form.wait_for_selector(".code svg")
    gate.bring_list()
    opened, events = shown_to(gate, photographed(form, tmp_path / "visitor"))
    assert (opened, results(events)) == (1, ["admitted"])
    host.close()
    visitor.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "without encryption"),
        ("Object.defineProperty(Crypto.prototype, 'subtle', {value: undefined})", "makes or keeps no keys"),
        ("Object.defineProperty(window, 'indexedDB', {value: undefined})", "makes or keeps no keys"),
        (
            "IDBFactory.prototype.open = () => { throw new DOMException('', 'InvalidStateError') }",
            "makes or keeps no keys",
        ),
    ],
)
def test_a_browser_that_can_not_is_told_so_and_shown_a_way_out(
    site: Site, chromium: Browser, script: str, said: str
) -> None:
    context = chromium.new_context(base_url=site.base, locale="en-US", **PHONE)
    context.add_init_script(script)
    page = context.new_page()
    page.goto("/pass/#" + "x" * 32)
    page.wait_for_selector("#unable:not([hidden])")
    assert said in page.inner_text("#unable")
    assert "prints you a card" in page.inner_text("#unable")
    context.close()


def test_a_browser_without_service_workers_says_that_it_needs_the_network(
    site: Site, chromium: Browser
) -> None:
    site.desk.clear()
    context = chromium.new_context(base_url=site.base, locale="en-US", **PHONE)
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'serviceWorker', {value: undefined})")
    page = context.new_page()
    page.goto(_invited(site, chromium, site.desk.holder(on_phone=True)))
    page.wait_for_selector("[data-say=online-only]:not([hidden])")
    page.click("#accept")
    page.wait_for_selector("#code[data-form]")
    context.close()


def test_plain_http_from_elsewhere_is_such_a_browser(site: Site, chromium: Browser) -> None:
    """A name that is not this machine's own is no secure context."""
    context = chromium.new_context(locale="zh-CN", service_workers="block")
    page = context.new_page()
    elsewhere = "http://office.example"
    page.route(
        f"{elsewhere}/**",
        lambda route: route.fulfill(
            response=route.fetch(url=route.request.url.replace(elsewhere, site.base))
        ),
    )
    page.goto(f"{elsewhere}/pass/")
    page.wait_for_selector("#unable:not([hidden])")
    assert "https" in page.inner_text("#unable")
    context.close()


def test_a_phones_wrong_clock_is_put_right_and_named(site: Site, chromium: Browser, tmp_path: Path) -> None:
    """Three minutes slow: online the code is right all the same."""
    site.desk.clear()
    gate = site.gate("west")
    one = site.desk.holder("Li Wei", on_phone=True)
    slow = "const real = Date.now; Date.now = () => real.call(Date) - 180000;"
    phone, page = _phone(site, chromium, _invited(site, chromium, one), slow)
    page.wait_for_selector("[data-say=clock]:not([hidden])")
    gate.bring_list()
    opened, events = shown_to(gate, photographed(page, tmp_path / "slow"))
    assert (opened, results(events)[-1]) == (1, "admitted")
    phone.close()


def test_the_browser_finds_nothing_that_keeps_the_page_from_the_home_screen(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    context = chromium.browser_type.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=wanted(), args=["--no-sandbox"]
    )
    page = context.new_page()
    page.goto(f"{site.base}/pass/")
    page.wait_for_selector("#empty:not([hidden])")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    session = context.new_cdp_session(page)
    assert session.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    assert session.send("Page.getAppManifest")["errors"] == []
    context.close()


def test_the_page_has_no_serious_fault_of_accessibility(site: Site, chromium: Browser) -> None:
    site.desk.clear()
    link = _invited(site, chromium, site.desk.holder(on_phone=True))
    context = chromium.new_context(base_url=site.base, locale="zh-CN", color_scheme="dark", **PHONE)
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector("#invite:not([hidden])")
    assert serious(page) == []
    page.click("#accept")
    page.wait_for_selector("#code[data-form=code]")
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.wait_for_selector("#file:not([hidden])")
    assert serious(page) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
