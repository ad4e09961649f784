"""`menshen-provision`: the commands at both ends of the cable, one file for each kind."""

import click

from provisioning import site_file
from provisioning.cli.cable import cable
from provisioning.cli.change import backup, config, decommission, restore
from provisioning.cli.device import device, first_boot, gadget
from provisioning.cli.enrol import batch, enrol, guided
from provisioning.cli.keys import ca, technician
from provisioning.cli.look import doctor, identify, inside, logs, network, ports, support, time
from provisioning.cli.test import test, test_card


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--port", metavar="PATH", help="The kiosk's port, if it can't be found by its USB ids.")
@click.version_option(package_name="menshen", message="%(package)s %(version)s")
@click.pass_context
def main(context: click.Context, port: str | None) -> None:
    """Make a blank kiosk a gate of a site, over one USB cable.

    Without a command: finds the kiosk, asks what only you know, and ends with PASS or FAIL, a record for the
    office and a label. The site's enrolment file is site.toml in this folder, or MENSHEN_SITE_FILE.

    Exit codes: 0 done; 1 not done, with FAIL and the reason; 2 the command line is wrong.
    """
    if context.invoked_subcommand is None:
        guided(port)
    elif port:
        raise click.UsageError("--port belongs after the command: menshen-provision COMMAND --port PATH")


@click.command("site-file")
def explain_site_file() -> None:
    """Explain the site's enrolment file, with an example.

    \b
    Example:
      menshen-provision site-file > site.toml.example
    """
    click.echo(site_file.__doc__)


for _command in (
    *(enrol, batch, test, test_card, identify, ports, network, time, logs, doctor, support, inside),
    *(config, backup, restore, decommission),
    *(ca, technician, explain_site_file, device, gadget, first_boot, cable),
):
    main.add_command(_command)

__all__ = ["main"]
