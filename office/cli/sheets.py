"""`export`: sheets of events, visits, people and attendance."""

from pathlib import Path

import click
from django.utils import translation

from office import registry, times
from office.cli.common import by_option, first_line, home_option, say, use
from office.faults import OfficeFault
from office.files import write_streamed
from office.sheets.masks import Mask
from office.sheets.sealing import SUFFIX, Seal
from office.sheets.tables import TABLES, Asked
from office.sheets.taking import Taker, take
from office.sheets.writing import FORMS


@click.command()
@click.argument("table", type=click.Choice([*TABLES]))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", metavar="TIME", help="2026-05-01 or 2026-05-01T08:30, by the site's clock.")
@click.option("--until", metavar="TIME", help="A date alone is included.")
@click.option("--gate", default="", help="Only of this gate.")
@click.option(
    "--names",
    type=click.Choice([str(one) for one in Mask]),
    default=str(Mask.PART),
    show_default=True,
    help="How much is told of who people are.",
)
@click.option(
    "--language",
    type=click.Choice(["en", "zh-hans"]),
    default="en",
    show_default=True,
    help="Of the headings.",
)
@click.option(
    "--to", "recipients", multiple=True, metavar="AGE_KEY", help="Encrypt it for this public key, age1…."
)
@click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Encrypt it by its first line; only its owner may read it.",
)
@by_option
@click.option("--why", required=True, metavar="TEXT", help="What for; kept in the history.")
@home_option
def export(  # noqa: PLR0913, PLR0917  an option each
    table: str,
    file: Path,
    since: str | None,
    until: str | None,
    gate: str,
    names: str,
    language: str,
    recipients: tuple[str, ...],
    passphrase_file: Path | None,
    by: str,
    why: str,
    home: Path | None,
) -> None:
    """Write a sheet into FILE, whose name ends with .csv or .xlsx. Attendance wants --since and --until.

    With --to or --passphrase-file it is an age file, and .age is added to its name: what names people
    leaves the office encrypted. `age -d FILE.age > FILE` opens it.

    \b
    Examples:
      menshen-office export events may.csv --since 2026-05-01 --until 2026-05-31 --by wang --why "monthly report"
      menshen-office export attendance may.xlsx --since 2026-05-01 --until 2026-05-31 --names full \\
          --by wang --why payroll
    """
    form = file.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise OfficeFault(f"found {file.name}, wanted a name that ends with .csv or .xlsx")
    use(home)
    site = registry.the_site()
    asked = Asked(
        site,
        Mask(names),
        times.parse(since, site.utc_offset_min) if since else None,
        times.parse(until, site.utc_offset_min, end=True) if until else None,
        gate,
    )
    seal = _seal(recipients, passphrase_file)
    file = file.with_name(file.name + SUFFIX) if seal else file
    with translation.override(language):
        try:
            write_streamed(file, take(table, form, asked, Taker(by, why), seal))
        except OSError as fault:
            raise OfficeFault(f"{file} can't be written: {fault.strerror}") from fault
    say(f"{file} holds the {table}; that you took it, and what for, is in the audit log")


def _seal(recipients: tuple[str, ...], passphrase_file: Path | None) -> Seal | None:
    if recipients and passphrase_file is not None:
        raise OfficeFault("found --to and --passphrase-file, wanted one of them")
    if passphrase_file is not None:
        return Seal(words=first_line(passphrase_file))
    return Seal(recipients) if recipients else None


COMMANDS = (export,)
