"""menshen-agent: the commands of a gate, one file each."""

import click

from agent.cli.check import check
from agent.cli.decode import decode
from agent.cli.doctor import doctor
from agent.cli.focus import focus
from agent.cli.gate import gate, rest_pins
from agent.cli.hand import hand
from agent.cli.healthy import healthy
from agent.cli.journal import journal
from agent.cli.replay import replay
from agent.cli.run import run
from agent.cli.safe import safe
from agent.cli.selftest import selftest
from agent.cli.support import support
from agent.cli.sync import sync


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for _command in (
    *(gate, sync, safe, run, check, doctor, support, healthy, decode, replay, focus, journal),
    *(selftest, hand, rest_pins),
):
    main.add_command(_command)

__all__ = ["main"]
