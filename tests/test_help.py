"""Every command's --help is a page that can be followed: an example that parses, a word for each option."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

PROGRAMS = {
    "menshen-agent": "agent.cli",
    "menshen-firmware": "firmware_tools.cli",
    "menshen-office": "office.cli",
    "menshen-provision": "provisioning.cli",
}


def program(name: str) -> click.Group:
    return importlib.import_module(PROGRAMS[name]).main


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


LEAVES = dict(leaf for name in PROGRAMS for leaf in commands(program(name), name))


def examples(text: str) -> list[str]:
    """The lines of a help page that begin with one of the programs, those that go on joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return re.findall(r"^ *(?:sudo )?(menshen-(?:agent|firmware|office|provision) .*)$", joined, re.MULTILINE)


def parse(line: str) -> None:
    """Parse a command line without doing anything.

    Raises:
        click.UsageError: no such command, option or argument.
    """
    words = shlex.split(re.split(r" [|>] | && ", line)[0], comments=True)
    command: click.Command = program(words[0])
    while isinstance(command, click.Group):
        name, words = words[0], words[1:]
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            raise click.UsageError(f"{name} has no command {words[0]}")
        command = found
    try:
        command.parse_args(click.Context(command), words[1:])
    except click.BadParameter as fault:
        if "does not exist" not in fault.message:  # the example's file, which is the reader's
            raise


@pytest.mark.parametrize("path", LEAVES)
def test_a_command_shows_an_example_that_parses(path):
    found = [line for line in examples(LEAVES[path].help or "") if line.startswith(path)]
    assert found, f"{path} has no example of its own"
    for line in found:
        parse(line)


@pytest.mark.parametrize("path", LEAVES)
def test_every_option_says_what_it_is(path):
    unsaid = [
        option.opts[0]
        for option in LEAVES[path].params
        if isinstance(option, click.Option) and not option.help and not option.hidden
    ]
    assert not unsaid


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_tells_its_exit_codes_and_its_version(name):
    def run(word: str) -> subprocess.CompletedProcess[str]:
        command = Path(sys.executable).parent / name
        return subprocess.run([command, word], capture_output=True, text=True, check=False, timeout=60)

    assert "Exit codes" in run("-h").stdout
    assert run("--version").returncode == 0
    wrong = run("no-such")
    assert wrong.returncode == 2
    assert "No such command 'no-such'" in wrong.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["menshen-agent", "do"], "doctor"),
        (["menshen-firmware", "update", "roll"], "rollback"),
        (["menshen-office", "rec"], "reconcile"),
        (["menshen-provision", "enrol", "--si"], "--site-file"),
    ],
)
def test_the_shell_completes(typed, offered):
    name = typed[0]
    environ = {
        **os.environ,
        f"_{name.replace('-', '_').upper()}_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
    }
    command = Path(sys.executable).parent / name
    said = subprocess.run([command], env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert f"plain,{offered}" in said.stdout.splitlines()
