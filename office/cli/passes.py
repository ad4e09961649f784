"""`issue`, `approve`, `suspend`, `resume`, `revoke`, `code`, `passes`, `worn`, `history`."""

from functools import partial
from pathlib import Path

import click
from django.db import transaction
from django.utils import timezone

from agent.core.allowlist import PassKind
from office import issuing, registry, times
from office.cli.common import by_option, home_option, say, use, why_option
from office.faults import OfficeFault
from office.models import Act, Pass, PassState
from office.wear import worn_cards

picture = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--kind", required=True, type=click.Choice([str(kind) for kind in PassKind]), help="Whose it is."
)
@click.option(
    "--person",
    required=True,
    metavar="NAME",
    help="One name, one file; add the flat where two people share a name.",
)
@click.option("--zone", "zones", required=True, multiple=True, help="May be given several times.")
@click.option("--from", "begins", required=True, metavar="TIME", help="2026-01-01 or 2026-01-01T08:00.")
@click.option("--until", "ends", required=True, metavar="TIME", help="A date alone is included.")
@click.option("--uses", type=click.IntRange(0, 15), default=0, help="How often it opens; 0 is any number.")
@click.option("--holder-key", default="", metavar="KEY", help="ed25519:…, p256:… or p256:odd:… of the phone.")
@click.option("--on-phone", is_flag=True, help="For a phone that is invited once the pass is approved.")
@click.option(
    "--duress", is_flag=True, help="A second pass, to show under a threat: it opens, and alarms the office."
)
@by_option
@why_option
@home_option
def issue(  # noqa: PLR0913, PLR0917  an option each
    kind: str,
    person: str,
    zones: tuple[str, ...],
    begins: str,
    ends: str,
    uses: int,
    holder_key: str,
    on_phone: bool,
    duress: bool,
    by: str,
    why: str,
    home: Path | None,
) -> None:
    """Draft a pass; its id is printed. It opens nothing until somebody else has approved it.

    It is a printed or mailed code, which is made at approval, unless it is for a phone: then
    `invite` follows, or --holder-key names the phone's key if it is known.

    \b
    Example:
      menshen-office issue --kind visitor --person "Zhao Min" --zone main \\
          --from 2026-05-01T09:00 --until 2026-05-01T18:00 --uses 2 --by chen --why "visits 3-502"
    """
    use(home)
    offset_min = registry.the_site().utc_offset_min
    made = registry.draft(
        registry.Application(
            kind=PassKind(kind),
            person=person,
            zones=zones,
            not_before=times.parse(begins, offset_min),
            not_after=times.parse(ends, offset_min, end=True),
            uses=uses,
            holder_key=holder_key,
            on_phone=on_phone,
            duress=duress,
        ),
        by=by,
        why=why,
    )
    click.echo(made.pass_id)
    say(f"drafted; next: another person runs `menshen-office approve {made.pass_id} --by NAME`")


@click.command()
@click.argument("pass_ids", metavar="PASS_ID...", nargs=-1, required=True)
@by_option
@why_option
@click.option("--png", type=picture, help="Draw a printed pass's code here.")
@click.option("--svg", type=picture, help="The same as SVG.")
@home_option
def approve(  # noqa: PLR0913, PLR0917  an option each
    pass_ids: tuple[str, ...], by: str, why: str, png: Path | None, svg: Path | None, home: Path | None
) -> None:
    """Approve a draft; only somebody else than its drafter may.

    What the issuer signs for it is printed: the code of a printed pass, or the certificate that a
    phone shows beside its own codes, for gates whose list does not name it yet. Of several drafts
    all are approved or none, and each line begins with the pass id.

    \b
    Examples:
      menshen-office approve 1f6c0a9b2d3e4f50 --by wang --png zhao-min.png
      menshen-office approve $(cat drafted) --by wang > codes
    """
    use(home)
    codes = issuing.Codes.here()
    if len(pass_ids) > 1:
        if png or svg:
            raise OfficeFault(f"found {len(pass_ids)} passes for one picture; draw each with `code`")
        with transaction.atomic():
            many = [registry.approve(pass_id, by=by, why=why) for pass_id in pass_ids]
        click.echo("\n".join(f"{one.pass_id}\t{codes.of(one)}" for one in many))
        say(f"{len(many)} approved; next: `menshen-office publish` tells the gates")
        return
    _check_pictures(registry.find(pass_ids[0]), png, svg)
    _show_code(codes.of(registry.approve(pass_ids[0], by=by, why=why)), png, svg)
    say("approved; next: `menshen-office publish` tells the gates")


def _check_pictures(one: Pass, png: Path | None, svg: Path | None) -> None:
    for file, suffix in ((png, ".png"), (svg, ".svg")):
        if file is None:
            continue
        if one.on_phone:
            raise OfficeFault(
                f"pass {one.pass_id} has no code to draw: its holder's phone makes a new one each time"
            )
        if file.suffix.lower() != suffix:
            raise OfficeFault(f"found {file}, wanted a file name ending in {suffix}")


def _show_code(text: str, png: Path | None, svg: Path | None) -> None:
    if text:
        click.echo(text)
    for file in filter(None, (png, svg)):
        issuing.draw(text, file)


@click.command()
@click.argument("pass_id")
@click.option("--png", type=picture, help="Draw it here.")
@click.option("--svg", type=picture, help="The same as SVG.")
@home_option
def code(pass_id: str, png: Path | None, svg: Path | None, home: Path | None) -> None:
    """Print an approved pass's code or certificate again, or draw a worn card's code.

    \b
    Example:
      menshen-office code 1f6c0a9b2d3e4f50 --svg card.svg
    """
    use(home)
    one = registry.find(pass_id)
    text = issuing.Codes.here().of(one)
    if not text:
        raise OfficeFault(
            f"pass {pass_id} is {one.state} and has no code to print; wanted a live printed pass, or one on "
            "a phone without a limit of uses or a schedule of its own"
        )
    _check_pictures(one, png, svg)
    _show_code(text, png, svg)


def _move(what: str, pass_id: str, by: str, why: str, home: Path | None) -> None:
    place = use(home)
    moved = registry.move(what, pass_id, by=by, why=why)
    from office.telling import tell_at_once  # noqa: PLC0415  TUF takes a quarter of a second to import

    try:
        told = tell_at_once(place)
    except OfficeFault as fault:
        raise OfficeFault(
            f"pass {pass_id} is {moved.state}, but the gates could not be told: {fault}"
        ) from fault
    if told and what != "resume":
        say(f"pass {pass_id} is {moved.state}, and the gates are told")
    else:
        say(f"pass {pass_id} is {moved.state}; next: `menshen-office publish` tells the gates")


def _mover(what: str, does: str) -> click.Command:
    example = f"\b\nExample:\n  menshen-office {what} 1f6c0a9b2d3e4f50 --by chen --why TEXT"
    command: click.Command = click.command(what, help=f"{does}\n\n{example}")(
        click.argument("pass_id")(by_option(why_option(home_option(partial(_move, what)))))
    )
    return command


suspend = _mover("suspend", "Stop a pass for a time; every gate is told at once, if a list was published.")
resume = _mover("resume", "Let a suspended pass open again.")
revoke = _mover("revoke", "End a pass for good; every gate is told at once, if a list was published.")


@click.command()
@click.option("--state", type=click.Choice(PassState.values), help="Only these.")
@home_option
def passes(state: str | None, home: Path | None) -> None:
    """List the passes: id, state, kind, beginning, end, zones, person.

    \b
    Example:
      menshen-office passes --state draft
    """
    use(home)
    site = registry.the_site()
    found = Pass.objects.select_related("person__key").order_by("pk")
    for one in found.filter(state=state) if state else found:
        zones = ",".join(zone for bit, zone in enumerate(site.zones) if one.zones >> bit & 1)
        click.echo(
            f"{one.pass_id}\t{one.state}\t{one.kind}\t{times.show(one.not_before, site.utc_offset_min)}\t"
            f"{times.show(one.not_after, site.utc_offset_min)}\t{zones}\t{one.person.name}"
        )


@click.command()
@home_option
def worn(home: Path | None) -> None:
    """List the cards that wear out, the one that fails first before the others.

    One line each: pass id, effort of reading it when it was new and now (0 easy to 1 hardly), readings,
    and about when it will fail. Print it again with `code`; it stays the same pass.

    \b
    Example:
      menshen-office worn
    """
    use(home)
    now = timezone.now()
    found = worn_cards(now)
    for one in found:
        fails = "now" if one.fails == now else f"{one.fails:%Y-%m-%d}" if one.fails else "not within a year"
        click.echo(f"{one.pass_id}\t{one.at_first:.2f}\t{one.now:.2f}\t{one.readings}\t{fails}")
    if not found:
        say("no card wears out, as far as the gates' readings of half a year tell")


@click.command()
@click.argument("subject", required=False)
@home_option
def history(subject: str | None, home: Path | None) -> None:
    """Who did what, when and why; of one pass or gate if SUBJECT is given.

    \b
    Example:
      menshen-office history 1f6c0a9b2d3e4f50
    """
    use(home)
    offset_min = registry.the_site().utc_offset_min
    found = Act.objects.order_by("pk")
    for act in found.filter(subject=subject) if subject else found:
        click.echo(f"{times.show(act.at, offset_min)}\t{act.who}\t{act.what}\t{act.subject}\t{act.why}")


@click.command("import")
@click.argument("sheet", type=click.Path(dir_okay=False, path_type=Path))
@by_option
@home_option
def import_people(sheet: Path, by: str, home: Path | None) -> None:
    """Draft a pass for each row of SHEET, CSV or XLSX; if one row is faulty, for none.

    Its first row names the columns: name, kind, zones, from, until; if you like uses, form
    (card or phone), holder_key, pass_id, unit, phone, note. The drafts' ids are printed.

    \b
    Example:
      menshen-office import people.csv --by chen
    """
    use(home)
    from office.web import importing  # noqa: PLC0415  its models want the home

    try:
        with sheet.open("rb") as opened:
            made, faults = importing.draft_all(opened, sheet.name, by)
    except OSError as fault:
        raise OfficeFault(f"the sheet {sheet} can't be read: {fault.strerror}") from fault
    if faults:
        rows = "\n".join(f"  row {one.row}: {one.why}" for one in faults)
        raise OfficeFault(f"nothing was drafted, since {len(faults)} rows can't be taken:\n{rows}")
    click.echo("\n".join(made))
    say(f"{len(made)} drafted; next: another person runs `menshen-office approve` with these ids")


COMMANDS = (import_people, issue, approve, suspend, resume, revoke, code, passes, worn, history)
