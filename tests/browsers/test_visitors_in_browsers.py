"""A visitor with a phone: the form, the desk's word, and a gate that reads the screen."""

from pathlib import Path

from playwright.sync_api import Browser

from tests.browsers.people import PHONE, serious, signed_in
from tests.browsers.site import Site, photographed, results, shown_to


def test_a_visitor_registers_is_approved_elsewhere_and_the_gate_opens(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    """C07."""
    site.desk.clear()
    gate = site.gate("north")
    phone = chromium.new_context(locale="zh-CN", base_url=site.base, **PHONE)
    visitor = phone.new_page()
    visitor.goto("/visit/north")
    assert "欢迎" in visitor.inner_text("h1")
    assert serious(visitor) == []
    visitor.fill("[name=name]", "赵敏")
    visitor.fill("[name=host]", "3-502")
    visitor.check("[name=consent]")
    visitor.click("main button")
    assert "请稍候" in visitor.inner_text("h1")

    context, clerk = signed_in(chromium, site.base, "chen")
    clerk.goto("/visits")
    clerk.click("button[value=approve]")
    clerk.wait_for_selector("main")
    visitor.wait_for_selector(".code svg")  # by itself, within seconds
    assert serious(visitor) == []
    gate.bring_list()
    opened, events = shown_to(gate, photographed(visitor, tmp_path / "pass"))
    assert (opened, results(events)) == (1, ["admitted"])
    phone.close()
    context.close()
