"""A Chinese page refuses in Chinese: every sentence that a page can meet is known, and translated."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from django.utils import translation

from office.web import refusals
from office.web.refusals import SENTENCES, said
from tests.office_pages.desk import Desk

OFFICE = Path(__file__).parents[2] / "office"
FAULTS = {"OfficeFault", "FieldFault", "LinkFault"}
COMMANDS_ALONE = {
    "audit/keeper.py": {"check_file"},
    "differences/staff.py": {"read"},
    "issuing.py": {"draw"},
    "keyring.py": {"make", "make_signer", "without_signer"},
    "registry.py": {"add_gate", "check_site", "check_unused", "_journal_key"},
    "times.py": {"parse_offset"},
}
"""Functions that no page calls, in modules of which pages call others."""
NO_PAGES = {
    *(
        "broker.py",
        "database.py",
        "drafts.py",
        "group.py",
        "home.py",
        "new_keys.py",
        "published.py",
        "rules.py",
    ),
    *("gaps.py", "web/server.py", "web/carrying.py", "incident/paper.py"),
}
"""Modules that commands alone meet, or the start of the server."""
NO_PAGES_IN = ("cli", "backup", "retention", "migrations")
BY_WORDS = {"phones.py", "web/visits.py", "web/ordering.py"}
"""They say why by a word, or in the reader's language already."""
ALERTS = ("daily.py", "differences/hearing.py", "backup/folder.py", "web/visits.py")


def shape(node: ast.expr) -> str | None:
    """A sentence as written, `{}` for whatever is put into it; None if it is no literal."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in values)
    return None


def raised() -> Iterator[tuple[str, str]]:
    """Every sentence that a page can meet, with the place where it stands."""
    for path in sorted(OFFICE.rglob("*.py")):
        name = path.relative_to(OFFICE).as_posix()
        if name in NO_PAGES | BY_WORDS or name.split("/")[0] in NO_PAGES_IN:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.name in COMMANDS_ALONE.get(name, set()):
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in FAULTS and call.args:
                    sentence = shape(call.args[-1])
                    if sentence is not None:
                        yield f"{name}:{call.lineno}", sentence


def told() -> Iterator[tuple[str, str]]:
    """What alerts of the office's own say: every text with words in the functions that raise one."""
    for name in ALERTS:
        for function in ast.walk(ast.parse((OFFICE / name).read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and "raise_alert(" in ast.unparse(function):
                for node in ast.walk(function):
                    sentence = shape(node) if isinstance(node, ast.JoinedStr) else None
                    if sentence and len(re.findall(r"[a-z]+", sentence)) > 2:
                        yield f"{name}:{node.lineno}", sentence


KNOWN = {re.sub(r"\{\w+\}", "{}", one) for one in SENTENCES}
# An address is two facts where it is raised, and one in the table.
FOUND = {(place, sentence.replace("{}:{}", "{}")) for place, sentence in (*raised(), *told())}


@pytest.mark.parametrize(("place", "sentence"), sorted(FOUND))
def test_every_refusal_that_a_page_can_meet_is_known(place: str, sentence: str) -> None:
    assert sentence in KNOWN, f"{place} says what office/web/refusals.py does not know"


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_is_translated_with_all_that_is_put_into_it(sentence: str) -> None:
    names = {name for _words, name, _form, _how in Formatter().parse(sentence) if name}
    with translation.override("zh-hans"):
        chinese = translation.gettext(sentence)
        filled = sentence.format(**{name: f"<{name}>" for name in names})
        answer = said(filled)
    assert chinese != sentence
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert {name for _words, name, _form, _how in Formatter().parse(chinese) if name} <= names
    assert re.search("[\u4e00-\u9fff]", answer), answer
    with translation.override("en"):
        assert said(filled) == filled


def test_what_is_put_in_is_translated_too_and_a_special_sentence_is_not_taken_for_a_general_one() -> None:
    with translation.override("zh-hans"):
        assert said("person: this person has resident pass 00ff (live), and one live pass of a kind is allowed; revoke it "
                    "first with `menshen-office revoke 00ff`").startswith("姓名: 此人已有住户通行证 00ff（有效）")  # fmt: skip
        nested = "it is in /r, but not on the broker: the broker h:1 was lost; repeat with `menshen-office publish --hot`, or let `menshen-office mirror` run"
        assert "与消息代理 h:1 的连接中断" in said(nested)
        assert said("some words that nobody wrote down").startswith("未能完成：some words")
        assert said("已经是中文") == "已经是中文"
        assert said("x" * 5000) == "x" * 5000
    assert len(refusals.SENTENCES) == len(set(refusals.SENTENCES))


def test_the_pages_refuse_in_chinese(desk: Desk) -> None:
    held = desk.holder("李伟", live=False)
    desk.browser("chen")
    for who, path, form, words in (
        ("wang", "/review/decide", {"decision": "approve", "pass": "00" * 8}, "没有通行证"),
        ("wang", "/publish", {}, "还没有发布过"),
        ("chen", f"/passes/{held.pass_id}/move", {"what": "resume", "why": "x"}, "不能再有效"),
    ):
        browser = desk.browser(who)
        browser.cookies["django_language"] = "zh-hans"
        page = browser.post(path, form, follow=True).content.decode()
        (sentence,) = re.findall(r'<p class="error">(.*?)</p>', page)
        assert words in sentence
        assert "found" not in sentence
