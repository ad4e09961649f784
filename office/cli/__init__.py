"""`menshen-office`: the site office's commands, a file for each group."""

import click

from office.home import prepare

prepare()  # before any module with a model is imported

from office.cli import brokers, feeds, gates, lists, passes, sites  # noqa: E402  see above
from office.cli.common import Office  # noqa: E402


@click.group(cls=Office, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="menshen", prog_name="menshen-office")
def main() -> None:
    """Keep a site's people, passes and gates, publish its list, and read its feed.

    \b
    A first day:
      menshen-office site harbour --zones main,garage
      menshen-office gate add north.json --by chen
      menshen-office issue --kind resident --person "Li Wei" --zone main \\
          --from 2026-01-01 --until 2026-12-31 --by chen
      menshen-office approve PASS_ID --by wang --png li-wei.png
      menshen-office publish --trust ceremony/ --out repository/
      menshen-office ingest --broker 127.0.0.1:1883
      menshen-office feed --follow

    Exit codes: 0 done; 1 not done, with the reason on standard error; 2 not understood.
    """


for _group in (sites, gates, passes, lists, feeds, brokers):
    for _command in _group.COMMANDS:
        main.add_command(_command)
