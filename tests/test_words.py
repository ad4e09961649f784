"""What the feed and the registry say has a word for people, in both languages."""

import gettext
import re
from pathlib import Path

import pytest
from django.utils import translation

from agent.core.decision import Reason
from agent.core.events import Kind
from office.home import prepare

prepare()

from office.alarms import SUSPICIONS  # noqa: E402
from office.alerts import Matter  # noqa: E402
from office.web import words  # noqa: E402

CATALOGUE = Path(words.__file__).parent / "locale" / "zh_Hans" / "LC_MESSAGES"


@pytest.mark.parametrize("code", sorted({*map(str, Kind), *map(str, Reason), *map(str, Matter), *SUSPICIONS}))
def test_every_code_has_a_word_in_english_and_chinese(code):
    with translation.override("en"):
        english = str(words.SAID[code])
    with translation.override("zh-hans"):
        chinese = str(words.SAID[code])
    assert english
    assert re.search("[\u4e00-\u9fff]", chinese), f"{english!r} is not translated"


def test_the_compiled_catalogue_is_the_one_that_is_written():
    """`make translations` compiles it."""
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    written = (CATALOGUE / "django.po").read_text(encoding="utf-8")
    blocks = [block for block in written.split("\n\n") if "msgid" in block and "fuzzy" not in block]
    pairs = [
        tuple(
            "".join(re.findall(r'"(.*)"', part)).encode().decode("unicode_escape").encode("latin-1").decode()
            for part in re.split(r"\nmsgstr(?:\[0\])? ", block.split("msgid ", 1)[1], maxsplit=1)
        )
        for block in blocks
        if "msgid_plural" not in block
    ]
    assert {one: compiled.get(one) for one, _ in pairs if one} == {one: said for one, said in pairs if one}
