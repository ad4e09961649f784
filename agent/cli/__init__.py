"""menshen-agent: the commands of a gate, one file each.

A command's file is loaded when the command is asked for, and not before: people stand before a gate that
starts, and every module costs a Pi some milliseconds.
"""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "check": "agent.cli.check:check",
    "console": "agent.cli.console:console",
    "decode": "agent.cli.decode:decode",
    "doctor": "agent.cli.doctor:doctor",
    "focus": "agent.cli.focus:focus",
    "gate": "agent.cli.gate:gate",
    "hand": "agent.cli.hand:hand",
    "healthy": "agent.cli.healthy:healthy",
    "inside": "agent.cli.inside:inside",
    "journal": "agent.cli.journal:journal",
    "replay": "agent.cli.replay:replay",
    "rest-pins": "agent.cli.gate:rest_pins",
    "run": "agent.cli.run:run",
    "safe": "agent.cli.safe:safe",
    "selftest": "agent.cli.selftest:selftest",
    "support": "agent.cli.support:support",
    "sync": "agent.cli.sync:sync",
}


class LoadedWhenAsked(click.Group):
    """A group that knows its commands by name."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, command = COMMANDS[name].partition(":")
        made: click.Command = getattr(import_module(module), command)
        return made


@click.group(
    cls=LoadedWhenAsked, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="menshen")
def main() -> None:
    """The gate agent: what runs on the Raspberry Pi at a gate.

    \b
    On a gate, systemd runs two processes that do not trust each other:
      menshen-agent gate   has the camera and the lock, and no network
      menshen-agent sync   has the network, and neither
    On a bench, `menshen-agent run` starts both.

    \b
    Exit codes, of every command:
      0   done
      1   done, but something was found wrong; it is named on standard output
      2   the command line is wrong
      3   this machine or its configuration does not allow it; says why
    """


__all__ = ["main"]
