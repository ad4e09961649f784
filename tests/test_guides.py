"""What the guides name is there: the pages and headings they link to, the commands, flags, files and words on screens.

In a block, a command is held to its parser whole: unknown flags, missing arguments and too many fail. Within a
sentence it may be named in part, and what is named must exist.
"""

import gettext
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import dropwhile
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "hw/overlays/README.md"])
GUIDES = [page for page in PAGES if page.name != "CHANGELOG.md"]
PROGRAMS = {
    "menshen-agent": "agent.cli",
    "menshen-firmware": "firmware_tools.cli",
    "menshen-office": "office.cli",
    "menshen-provision": "provisioning.cli",
}
OTHERS_FLAGS = {"--system-site-packages"}  # named alone, and another program's


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    found = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return tuple(one for token in found for one in (token, *(token.children or ())))


@cache
def headings(page: Path) -> frozenset[str]:
    """The names by which a page's headings can be linked to, made as code hosts make them."""
    found: list[str] = []
    for before, token in zip(tokens(page), tokens(page)[1:], strict=False):
        if before.type == "heading_open":
            words = "".join(child.content for child in token.children or ())
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        if token.type == "link_open":
            yield str(token.attrs["href"])
        elif token.type == "image":
            yield str(token.attrs["src"])
        elif token.type in {"html_block", "html_inline"}:
            yield from re.findall(r'(?:src|href)="([^"]+)"', token.content)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        if heading:
            assert heading in headings(target), f"{link}: no such heading among {sorted(headings(target))}"


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_no_merge_was_left_half_done(page: Path):
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(encoding="utf-8"), re.MULTILINE)


# Commands


@dataclass(frozen=True)
class Named:
    words: tuple[str, ...]
    whole: bool  # in a block, to be typed as it stands


def in_blocks(page: Path) -> Iterator[str]:
    """Each command of each block, its continued lines joined, without its comment."""
    for token in tokens(page):
        if token.type == "fence" and token.info in {"sh", "bash"}:
            yield from token.content.replace("\\\n", " ").splitlines()


def in_sentences(page: Path) -> Iterator[str]:
    for token in tokens(page):
        if token.type == "code_inline":
            yield token.content


def words_of(line: str) -> Iterator[tuple[str, ...]]:
    """The simple commands of a line of shell, without what is set for them."""
    for words in split(line):
        if rest := tuple(dropwhile(re.compile(r"sudo$|\w+=").match, words)):
            yield rest


def split(line: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    redirected = False
    for word in lexer:
        if re.fullmatch(r"[|&;()]+", word):
            yield tuple(words)
            words = []
        elif re.fullmatch(r"[<>]+", word):
            redirected = True
        elif redirected:
            redirected = False
        else:
            words.append(word)
    yield tuple(words)


@cache
def program(name: str) -> click.Group:
    return import_module(PROGRAMS[name]).main


def down(
    command: click.Command, words: tuple[str, ...]
) -> tuple[click.Command, click.Context, tuple[str, ...]]:
    """From a program to the command that the words end at, and what is left of them."""
    context = click.Context(command, info_name=command.name)
    while isinstance(command, click.Group):
        position = 0
        own = {flag: option for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        while position < len(words) and words[position].startswith("-"):
            option = own.get(words[position].partition("=")[0])
            assert option is not None or words[position] in {"--help", "-h"}, (
                f"no {words[position]} before a command"
            )
            takes = isinstance(option, click.Option) and not option.is_flag and "=" not in words[position]
            position += 1 + takes
        rest = words[position:]
        if not rest:
            break
        found = command.get_command(context, rest[0])
        if found is None and isinstance(command, click.Group) and command.invoke_without_command:
            break
        assert found is not None, f"{command.name} has no command {rest[0]}"
        command, words = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    return command, context, words


def flags(command: click.Command) -> set[str]:
    options = [option for option in command.params if isinstance(option, click.Option)]
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)} | {
        "--help",
        "-h",
        "--version",
    }


def hold_in_part(command: click.Command, words: tuple[str, ...]) -> None:
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in flags(command), f"{command.name} has no {word}"


def hold_whole(command: click.Command, context: click.Context, words: tuple[str, ...]) -> None:
    if {"--help", "-h", "--version"} & set(words):
        return
    try:
        given, left, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as fault:
        raise AssertionError(f"{command.name}: {fault.format_message()}") from fault
    assert not left, f"{command.name} does not take {left}"
    for parameter in command.params:
        missing = parameter.required and given.get(parameter.name) in (None, ())
        assert not missing or parameter.envvar, f"{command.name} wants {parameter.opts[0]}"


@pytest.mark.parametrize("page", GUIDES, ids=by_name)
def test_commands_in_blocks_are_taken_as_they_stand(page: Path):
    for line in in_blocks(page):
        for words in words_of(line):
            name = words[0].rpartition("/")[2]
            if name in PROGRAMS:
                command, context, rest = down(program(name), words[1:])
                assert not isinstance(command, click.Group) or command.invoke_without_command, line
                hold_whole(command, context, rest)


@cache
def every_command() -> dict[str, list[click.Command]]:
    found: dict[str, list[click.Command]] = {}

    def walk(group: click.Group) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            found.setdefault(name, []).append(command)
            if isinstance(command, click.Group):
                walk(command)

    for name in PROGRAMS:
        walk(program(name))
    return found


def hold_to_any(commands: list[click.Command], words: tuple[str, ...]) -> None:
    """What is named without its program must be one of these commands."""
    faults = []
    for command in commands:
        try:
            found, _, rest = down(command, words)
            hold_in_part(found, rest)
        except AssertionError as fault:
            faults.append(str(fault))
    assert len(faults) < len(commands), "; ".join(faults)


@pytest.mark.parametrize("page", GUIDES, ids=by_name)
def test_commands_in_sentences_exist(page: Path):
    all_flags = OTHERS_FLAGS.union(*(flags(command) for same in every_command().values() for command in same))
    for span in in_sentences(page):
        words = tuple(re.sub(r"[|&;<>…]", " ", span).split())
        if not words:
            continue
        if words[0] in PROGRAMS:
            command, _, rest = down(program(words[0]), words[1:])
            hold_in_part(command, rest)
        elif words[0] in every_command() and any(word.startswith("--") for word in words):
            hold_to_any(every_command()[words[0]], words[1:])
        elif words[0].startswith("--"):
            assert words[0].partition("=")[0] in all_flags, f"no command has {words[0]}"


# Everything else that has a name


@pytest.mark.parametrize("page", GUIDES, ids=by_name)
def test_what_make_is_asked_for_it_makes(page: Path):
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in (*in_blocks(page), *in_sentences(page)):
        for target in re.findall(r"(?:^|&& )make ([a-z-]+)", text):
            assert target in made, f"make {target}"


@pytest.mark.parametrize("page", GUIDES, ids=by_name)
def test_files_of_this_tree_are_there(page: Path):
    top = "agent|hw|provisioning|firmware_tools|office|systemd|tests|benchmarks|docs|requirements"
    for text in (*in_blocks(page), *in_sentences(page)):
        for path in re.findall(rf"(?:^|\s)((?:{top})/[\w./*-]*\w[/*]?)", text):
            assert [*ROOT.glob(path)], path
        for module in re.findall(
            r"python3? -m ((?:agent|hw|provisioning|firmware_tools|office|tests|benchmarks)[\w.]*)", text
        ):
            stem = ROOT / module.replace(".", "/")
            assert stem.is_dir() or stem.with_suffix(".py").is_file(), module


@pytest.mark.parametrize("page", [ROOT / "docs/wiring.md", ROOT / "docs/wiring.zh.md"], ids=by_name)
def test_the_pins_are_those_of_the_reference_board(page: Path):
    board = tomllib.loads((ROOT / "hw/boards/reference.toml").read_text(encoding="utf-8"))
    parts = [board["relay"], board["buzzer"], *board["lamps"].values(), *board["inputs"].values()]
    rows = re.findall(
        r"^\| [^|]+ \| ([\d、, ]+) \| ([\d、, ]+) \| [^|\s]", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    pins = [
        (int(pin), int(place))
        for pins, places in rows
        for pin, place in zip(*map(numbers, (pins, places)), strict=True)
    ]
    assert sorted(pin for pin, _ in pins) == sorted(part["pin"] for part in parts)
    assert all(HEADER[pin] == place for pin, place in pins)


HEADER = {17: 11, 18: 12, 27: 13, 22: 15, 23: 16, 5: 29, 6: 31, 12: 32, 13: 33, 16: 36}
"""BCM number to place on the 40-pin header. Source: Raspberry Pi documentation, GPIO."""


def numbers(cell: str) -> list[str]:
    return re.findall(r"\d+", cell)


# Words on screens


SCREENS = ("sites", "resident", "visitor", "office", "holders-page", "emergency", "training")


@cache
def said_by_the_office() -> tuple[frozenset[str], frozenset[str]]:
    """Its words in English, in lower case, and in Chinese."""
    with (ROOT / "office/web/locale/zh_Hans/LC_MESSAGES/django.mo").open("rb") as file:
        known = gettext.GNUTranslations(file)._catalog
    english = frozenset(key.lower() for key in known if isinstance(key, str))
    return english, frozenset(word for word in known.values() if isinstance(word, str))


def emphasised(page: Path) -> Iterator[str]:
    for token in tokens(page):
        if token.type == "inline":
            drawn = "".join(
                {"em_open": "\0", "em_close": "\1", "softbreak": " "}.get(one.type, one.content)
                for one in token.children
            )
            yield from re.findall("\0([^\1]*)\1", drawn)


@pytest.mark.parametrize("name", SCREENS)
def test_words_in_italics_stand_on_a_screen(name: str):
    english, _ = said_by_the_office()
    for words in emphasised(ROOT / "docs" / f"{name}.md"):
        for one in words.split(" → "):
            assert one.lower() in english, f"the office has no words {one!r}"


@pytest.mark.parametrize("name", [name for name in SCREENS if (ROOT / "docs" / f"{name}.zh.md").exists()])
def test_chinese_words_in_quotes_stand_on_a_screen(name: str):
    _, chinese = said_by_the_office()
    for words in re.findall("“([^”]+)”", (ROOT / "docs" / f"{name}.zh.md").read_text(encoding="utf-8")):
        assert words in chinese, f"the office has no words {words!r}"


# Two languages


BOTH = sorted(page for page in (ROOT / "docs").glob("*.md") if page.with_suffix(".zh.md").exists())


def commands(page: Path) -> list[tuple[str, ...]]:
    return [words for line in in_blocks(page) for words in words_of(line) if words[0] in PROGRAMS]


@pytest.mark.parametrize("page", BOTH, ids=by_name)
def test_both_languages_have_the_same_commands(page: Path):
    assert commands(page) == commands(page.with_suffix(".zh.md"))


@pytest.mark.parametrize("page", [ROOT / "README.md", *BOTH], ids=by_name)
def test_each_language_leads_to_the_other(page: Path):
    other = page.with_suffix(".zh.md")
    assert other.name in links(page)
    assert page.name in links(other)


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.zh.md", *(ROOT / "docs").glob("*.zh.md")]), ids=by_name
)
def test_a_chinese_page_says_where_a_link_leads_to_english(page: Path):
    """Specialists' pages are English only; whoever follows a link to one knows it beforehand."""
    for line in page.read_text(encoding="utf-8").splitlines():
        for words, link in re.findall(r"\[([^\]]*)\]\(([^)#\s]+(?:\.md|/))(?:#[^)]*)?\)", line):
            speaks_both = {"answers.md", page.name.replace(".zh.md", ".md")}
            if not link.endswith(".zh.md") and Path(link).name not in speaks_both:
                assert "英文" in line, f"[{words}]({link}) is English, and the line does not say so"


# One thing, one word

OTHER_WORDS = {
    "站点": "园区",
    "小区": "园区",
    "账户": "账号",
    "通行码": "通行证",
    "吊销": "注销",
    "管理处": "办公室、前台",
}


@pytest.mark.parametrize("word", OTHER_WORDS)
def test_pages_and_guides_call_one_thing_by_one_word(word: str):
    _, chinese = said_by_the_office()
    assert not [words for words in chinese if word in words], f"say {OTHER_WORDS[word]}"
    for page in (ROOT / "docs").glob("*.zh.md"):
        assert word not in page.read_text(encoding="utf-8"), f"{page.name}: say {OTHER_WORDS[word]}"


@pytest.mark.parametrize("language", ["", ".zh"])
def test_the_index_leads_to_every_page(language: str):
    index = ROOT / "docs" / f"README{language}.md"
    there = {
        page.name for page in (ROOT / "docs").glob("*.md") if page.name.endswith(".zh.md") == bool(language)
    }
    assert there - {index.name} <= {link.partition("#")[0] for link in links(index)}
