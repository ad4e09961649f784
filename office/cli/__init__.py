"""`menshen-office`: the site office's commands, a file for each group."""

from typing import Final

import click

from office.cli.common import Office

MODULES: Final = {
    "site": "sites",
    "group": "groups",
    "each": "eachsite",
    "signer": "sites",
    "new-keys": "new_keys",
    "gate": "gates",
    "fellows-key": "gates",
    "issue": "passes",
    "import": "passes",
    "approve": "passes",
    "suspend": "passes",
    "resume": "passes",
    "revoke": "passes",
    "code": "passes",
    "passes": "passes",
    "worn": "passes",
    "invite": "phones",
    "lost-phone": "phones",
    "schedule": "rules",
    "passback": "rules",
    "trusted": "rules",
    "unlisted": "rules",
    "history": "passes",
    "publish": "lists",
    "sign": "lists",
    "renew": "lists",
    "mirror": "lists",
    "order": "orders",
    "ingest": "feeds",
    "feed": "feeds",
    "alerts": "feeds",
    "gap": "gaps",
    "audit": "audit",
    "retention": "retention",
    "forget": "retention",
    "export": "sheets",
    "incident": "incidents",
    "backup": "backups",
    "check-backup": "backups",
    "restore": "backups",
    "differences": "differences",
    "muster": "musters",
    "reconcile": "closings",
    "broker": "brokers",
    "broker-rules": "brokers",
    "serve": "pages",
    "account": "pages",
}
"""Where each command is; a file is imported when one of its commands is asked for."""


@click.group(cls=Office, modules=MODULES, context_settings={"help_option_names": ["-h", "--help"]})
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
