"""The site's rules for kinds of passes: named hours, holidays, passes that come in twice, and doubt.

People give hours names; gates know them by number. What is changed here is in
the next list, and in the history.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.db import transaction

from agent.core.allowlist import MAX_HOLIDAYS, MAX_WINDOWS, NAME, PassKind
from agent.core.passback import Mode, Passback
from agent.core.schedule import ALWAYS, AS_KIND, DAY_MIN, HOLIDAY, Window, day_number
from office import registry
from office.faults import OfficeFault
from office.models import Pass, Schedule, Site

AS_KIND_NAME: Final = "as-kind"
ALWAYS_NAME: Final = "always"
DOUBTS: Final = {"clock-unknown": "admit_when_clock_unknown", "list-dead": "admit_when_dead"}
UNLISTED: Final = {"cards": "unlisted_static", "phones": "unlisted_holders"}
_RESERVED: Final = {AS_KIND_NAME: AS_KIND, ALWAYS_NAME: ALWAYS}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
_WINDOW: Final = re.compile(r"([a-z,-]+) (\d\d):(\d\d)-(\d\d):(\d\d)")


def define(name: str, windows: Sequence[str], *, by: str) -> Schedule:
    """Give hours a name, or a name other hours.

    Args:
        windows: such as `mon-fri 08:00-18:00`, `sat,sun,holiday 22:00-06:00`, `all 00:00-24:00`.
    Raises:
        OfficeFault: a name or hours of no use, or no number is left.
    """
    if not NAME.fullmatch(name) or name in _RESERVED:
        raise OfficeFault(
            f"found schedule name {name!r}, wanted 1 to 32 of a-z, 0-9 and -, and neither "
            f"{' nor '.join(_RESERVED)}"
        )
    if not 1 <= len(windows) <= MAX_WINDOWS:
        raise OfficeFault(f"found {len(windows)} windows, wanted 1 to {MAX_WINDOWS}")
    parsed = [parse_window(text) for text in windows]
    with transaction.atomic():
        site = registry.the_site()
        known = Schedule.objects.filter(site=site, name=name).first()
        number = known.number if known else _free_number(site)
        made, _ = Schedule.objects.update_or_create(
            site=site,
            name=name,
            defaults={
                "number": number,
                "windows": [[sorted(one.days), one.from_min, one.to_min] for one in parsed],
            },
        )
        registry.note(by, "schedule.set", name, "; ".join(windows))
    return made


def _free_number(site: Site) -> int:
    taken = set(Schedule.objects.filter(site=site).values_list("number", flat=True))
    for number in range(AS_KIND + 1, ALWAYS):
        if number not in taken:
            return number
    raise OfficeFault("found 254 schedules, as many as there can be; give an old name other hours")


def parse_window(text: str) -> Window:
    """Hours of some days.

    Raises:
        OfficeFault: none.
    """
    found = _WINDOW.fullmatch(" ".join(text.lower().split()))
    days = _days(found[1]) if found else None
    if found and days:
        start, end = (60 * int(found[place]) + int(found[place + 1]) for place in (2, 4))
        minutes_exist = int(found[3]) < 60 and int(found[5]) < 60
        if minutes_exist and start < DAY_MIN and end <= DAY_MIN and start != end:
            return Window(days, start, end)
    raise OfficeFault(
        f"found window {text!r}, wanted days and hours such as 'mon-fri 08:00-18:00' or "
        f"'sat,sun,holiday 22:00-06:00'; days are {', '.join(_DAYS)} and all"
    )


def _days(text: str) -> frozenset[int] | None:
    if text == "all":
        return frozenset(range(1, HOLIDAY + 1))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in _DAYS or last not in _DAYS or _DAYS.index(first) > _DAYS.index(last):
            return None
        days.update(range(_DAYS.index(first) + 1, _DAYS.index(last) + 2))
    return frozenset(days)


def window_text(days: Iterable[int], from_min: int, to_min: int) -> str:
    """The reverse of parse_window, a name for each day."""
    names = ",".join(_DAYS[day - 1] for day in days)
    return f"{names} {from_min // 60:02}:{from_min % 60:02}-{to_min // 60:02}:{to_min % 60:02}"


def give_to_kind(name: str, kind: PassKind, *, by: str) -> None:
    """Let the passes of a kind follow a schedule, but for those with one of their own.

    Raises:
        OfficeFault: there is none of this name.
    """
    with transaction.atomic():
        site = registry.the_site()
        number = number_of(site, name)
        rest = {one: old for one, old in site.kind_schedules.items() if one != kind}
        site.kind_schedules = rest if number in (AS_KIND, ALWAYS) else {**rest, str(kind): number}
        site.save(update_fields=["kind_schedules"])
        registry.note(by, "schedule.give", f"kind {kind}", name)


def give_to_pass(name: str, pass_id: str, *, by: str) -> Pass:
    """Let one pass follow a schedule of its own; `as-kind` takes it back.

    Raises:
        OfficeFault: there is no such schedule or pass.
    """
    with transaction.atomic():
        one = registry.find(pass_id, to_change=True)
        one.schedule = number_of(registry.the_site(), name)
        one.save(update_fields=["schedule"])
        registry.note(by, "schedule.give", one.pass_id, name)
    return one


def number_of(site: Site, name: str) -> int:
    """A schedule's number on lists.

    Raises:
        OfficeFault: there is none of this name.
    """
    if name in _RESERVED:
        return _RESERVED[name]
    found = Schedule.objects.filter(site=site, name=name).first()
    if found is None:
        names = [*_RESERVED, *Schedule.objects.filter(site=site).values_list("name", flat=True)]
        raise OfficeFault(
            f"found schedule {name!r}, wanted one of {', '.join(names)}; make it with "
            f"`menshen-office schedule set {name} 'mon-fri 08:00-18:00' --by NAME`"
        )
    return int(found.number)


def set_holidays(dates: Sequence[str], *, by: str) -> None:
    """Say which days are holidays, all of them; none takes them away.

    Raises:
        OfficeFault: a date that is none, or too many.
    """
    if len(dates) > MAX_HOLIDAYS:
        raise OfficeFault(f"found {len(dates)} holidays, wanted at most {MAX_HOLIDAYS}; leave out the past")
    for text in dates:
        try:
            day_number(text)
        except ValueError as fault:
            raise OfficeFault(
                f"found holiday {text!r}, wanted a date such as 2026-10-01 ({fault})"
            ) from fault
    with transaction.atomic():
        site = registry.the_site()
        site.holidays = sorted(set(dates))
        site.save(update_fields=["holidays"])
        registry.note(by, "holidays.set", site.name, f"{len(site.holidays)} days")


def set_passback(kind: PassKind, mode: Mode, minutes: int, *, by: str) -> None:
    """Say what becomes of a pass of a kind that comes in without having gone out.

    Raises:
        OfficeFault: minutes that do not go with the mode.
    """
    try:
        rule = Passback(mode, minutes)
    except ValueError as fault:
        raise OfficeFault(f"no such rule: {fault}") from fault
    with transaction.atomic():
        site = registry.the_site()
        site.passback = {**site.passback, str(kind): [str(rule.mode), rule.minutes]}
        site.save(update_fields=["passback"])
        registry.note(by, "passback.set", f"kind {kind}", f"{mode} {minutes or ''}".strip())


def set_trusted(doubt: str, kinds: Sequence[PassKind], *, by: str) -> None:
    """Say which kinds come in although something is in doubt; none takes it back.

    Args:
        doubt: `clock-unknown` or `list-dead`.
    """
    field = DOUBTS[doubt]
    with transaction.atomic():
        site = registry.the_site()
        setattr(site, field, sorted({str(kind) for kind in kinds}))
        site.save(update_fields=[field])
        registry.note(by, "trusted.set", doubt, ", ".join(kinds))


def set_unlisted(what: str, *, admitted: bool, by: str) -> None:
    """Say whether what the issuer signed opens before the list names it.

    Args:
        what: `cards` or `phones`.
    """
    field = UNLISTED[what]
    with transaction.atomic():
        site = registry.the_site()
        setattr(site, field, admitted)
        site.save(update_fields=[field])
        registry.note(by, "unlisted.set", what, "admitted" if admitted else "not admitted")


def for_head(
    site: Site,
) -> tuple[dict[int, tuple[Window, ...]], dict[PassKind, int], frozenset[int], Mapping[PassKind, Passback]]:
    """What a list's head says of these rules: schedules, kind_schedules, holidays, passback."""
    schedules = {
        one.number: tuple(Window(frozenset(days), start, end) for days, start, end in one.windows)
        for one in Schedule.objects.filter(site=site)
    }
    kinds = {PassKind(kind): number for kind, number in site.kind_schedules.items()}
    passback = {
        PassKind(kind): Passback(Mode(mode), minutes) for kind, (mode, minutes) in site.passback.items()
    }
    return schedules, kinds, frozenset(map(day_number, site.holidays)), passback
