"""One site of the estate: its office, its keys, its people's passes and its gates' files, by the product's commands.

python -m tests.estate.site DAY.json SITE builds it, so that sites are built beside each other.
"""

import contextlib
import csv
import io
import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hw.sim.holder import Holder, SigningKey
from tests import brokers
from tests.core.builders import ed25519, p256, public
from tests.estate.plan import DAY, GatePlan, Person, Plan, Showing
from tests.estate.stories import day_of

CLERK, APPROVER = "chen", "wang"


class EstateFault(Exception):
    """The day can't be played; says which command said what."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a day follows from, and where it is kept.

    Args:
        midnight_utc: when the day begins; its site's clocks are set so that this is midnight.
        udp: the port of each gate, by which gates of a site tell each other.
    """

    folder: str
    seed: int
    people: int
    gates: int
    rendered: float
    midnight_utc: int
    broker: int
    udp: dict[str, int] = field(default_factory=dict)

    def plan(self) -> Plan:
        return day_of(self.seed, self.people, self.gates, self.rendered)

    def write(self) -> Path:
        file = Path(self.folder) / "day.json"
        file.write_text(json.dumps(asdict(self)))
        return file

    @classmethod
    def read(cls, file: Path) -> "Size":
        return cls(**json.loads(file.read_text()))

    @property
    def address(self) -> str:
        """The broker's."""
        return f"{brokers.LOOPBACK}:{self.broker}"

    @property
    def offset_min(self) -> int:
        """Minutes east of UTC at which the day's beginning is midnight."""
        minute = self.midnight_utc // 60 % 1440
        return -minute if minute <= 720 else 1440 - minute

    def clock(self, at_s: float) -> str:
        """A second of the day as people say it, `17:35:05`."""
        minutes, seconds = divmod(int(at_s), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"

    def local(self, at_s: float) -> str:
        """A second of the day as the office's commands take it."""
        there = datetime.fromtimestamp(self.midnight_utc + at_s + 60 * self.offset_min, UTC)
        return f"{there:%Y-%m-%dT%H:%M}"

    @property
    def date(self) -> str:
        return self.local(DAY / 2)[:10]


@dataclass(slots=True)
class Estate:
    """One site's folder."""

    size: Size
    site: str
    codes: dict[str, str] = field(default_factory=dict)
    old_codes: dict[str, str] = field(default_factory=dict)
    _phones: dict[Person, Holder] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return Path(self.size.folder) / self.site

    @property
    def home(self) -> Path:
        return self.folder / "office"

    @property
    def offline(self) -> Path:
        return self.folder / "offline"

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def published(self) -> Path:
        return self.folder / "published"

    @property
    def passphrase(self) -> Path:
        return self.folder / "passphrase"

    def toml(self, gate: str) -> Path:
        return self.folder / gate / "gate.toml"

    # --- the office's commands ---------------------------------------------------------

    def office(self, *words: object) -> str:
        """One command of the office, in this process; what it printed.

        Raises:
            EstateFault: it was not done; with its last words.
        """
        from office.cli import main  # noqa: PLC0415  half a second, and not every process is an office

        return _done(main, *words, "--home", self.home)

    def firmware(self, *words: object, secret: bool = True) -> str:
        """One command of the vendor's, with the passphrase of the offline keys if it wants one."""
        from firmware_tools.cli import main  # noqa: PLC0415  as above

        return _done(main, *words, *(("--passphrase-file", self.passphrase) if secret else ()))

    # --- building ----------------------------------------------------------------------

    def build(self, plan: Plan) -> None:
        """Everything, from an empty folder to a published list."""
        self.folder.mkdir()
        self._found()
        for gate in plan.gates_of(self.site):
            self._enrol(gate, plan)
        self._rules()
        self._issue([one for one in plan.people if one.site == self.site and one.is_issued and not one.late])
        for one in plan.people:
            if one.site == self.site and one.suspended:
                self.office("suspend", one.pass_id, "--by", APPROVER, "--why", "left the keys in the door")
        self.office("publish", "--trust", self.trust, "--out", self.published)
        (self.folder / "codes.json").write_text(json.dumps(self.codes))

    def recall(self) -> "Estate":
        """The codes that were issued when it was built."""
        self.codes = json.loads((self.folder / "codes.json").read_text())
        return self

    def _found(self) -> None:
        offset = self.size.offset_min
        zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
        self.office("site", self.site, "--zones", "main,archive", "--utc-offset", zone)
        self.passphrase.touch(mode=0o600)
        self.passphrase.write_text("a passphrase of a day that never was")
        self.firmware("keys", "make", "--out", self.offline)
        public_file = self.home / "office-public.json"
        self.firmware("keys", "sign", "--keys", self.offline, "--office", public_file, "--out", self.trust)
        self.office("fellows-key", self.folder / "fellows.key", "--by", CLERK)

    def _rules(self) -> None:
        self.office("schedule", "set", "works", "all 07:00-19:00", "--by", CLERK)
        self.office("schedule", "give", "works", "--kind", "contractor", "--by", CLERK)
        self.office("passback", "staff", "hard", "--by", CLERK)

    def _enrol(self, gate: GatePlan, plan: Plan) -> None:
        """What the serial cable would have brought."""
        folder = self.folder / gate.name
        keys = folder / "state" / "keys" / "gate"
        keys.mkdir(parents=True)
        (folder / "root.json").write_bytes((self.trust / "1.root.json").read_bytes())
        key = Ed25519PrivateKey.generate()
        pem = keys / "journal.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        others = [
            f"{brokers.LOOPBACK}:{self.size.udp[one.key]}" for one in plan.gates_of(self.site) if one != gate
        ]
        settings = {
            "site": self.site,
            "gate": gate.name,
            "direction": gate.direction,
            "state": "state",
            "camera": {"kind": "sim", "width_px": 960, "height_px": 540},
            "board": {"name": "simulator", "pins": "mock"},
            "door": {"open_s": 1.0},
            "journal": {"patience_s": 2.0},
            "list": {"source": f"dir:{self.published}", "refresh_s": 1.0},
            "broker": {
                "host": brokers.LOOPBACK,
                "port": self.size.broker,
                "retry_first_s": 0.1,
                "retry_most_s": 0.5,
            },
            "fellows": {
                "lan": True,
                "broker": False,
                "port": self.size.udp[gate.key],
                "group": "",
                "interface": brokers.LOOPBACK,
                "others": others,
                "key_file": "../fellows.key",
            },
            "clock": {"trust": "synced"},
        }
        self.toml(gate.name).write_text(tomli_w.dumps(settings))
        record = {
            "site": self.site,
            "gate": gate.name,
            "device_id": f"device-{gate.name}",
            "journal_key": str(public(key)),
            "direction": gate.direction,
            "zone": "main",
        }
        (folder / "record.json").write_text(json.dumps(record))
        self.office("gate", "add", folder / "record.json")

    def _issue(self, people: list[Person]) -> None:
        """One sheet, drafted by the clerk, and approved by a colleague."""
        sheet = io.StringIO()
        rows = csv.writer(sheet)
        rows.writerow(
            ("name", "kind", "zones", "from", "until", "uses", "form", "holder_key", "pass_id", "unit")
        )
        for one in people:
            rows.writerow(
                (
                    one.name,
                    one.kind,
                    one.zone,
                    self.size.local(one.begins_s),
                    self.size.local(one.ends_s),
                    one.uses,
                    "phone" if one.key else "card",
                    str(public(key_of(one))) if one.key else "",
                    one.pass_id,
                    f"{1 + one.number % 30}-{one.number // 30:03}",
                )
            )
        file = self.folder / f"people-{people[0].number}.csv"
        file.write_text(sheet.getvalue())
        drafted = self.office("import", file, "--by", CLERK).split()
        for line in self.office("approve", *drafted, "--by", APPROVER).splitlines():
            pass_id, _, code = line.rpartition("\t")
            self.codes[pass_id or drafted[0]] = code
        file.unlink()

    # --- what is done during the day -----------------------------------------------------

    def new_keys(self, late: Person) -> None:
        """The office's keys were stolen: new ones take their place, every card is printed anew, and one more is issued."""
        public_file = self.home / "office-public.json"
        self.office("new-keys")
        self.firmware(
            "keys", "rotate", "--keys", self.offline, "--trust", self.trust, "--office", public_file
        )
        printed = self.office("new-keys", "--take", "--trust", self.trust).split()
        self.office("publish", "--trust", self.trust)
        self.old_codes, self.codes = self.codes, self.codes | self._codes_of(printed)
        self._issue([late])
        self.office("publish")

    def _codes_of(self, pass_ids: list[str]) -> dict[str, str]:
        """What is printed on these cards; `menshen-office code` would take half a minute for all."""
        from office.issuing import Codes  # noqa: PLC0415  the home is in use since the last command
        from office.models import Pass  # noqa: PLC0415

        codes = Codes.here()
        held = Pass.objects.filter(pass_id__in=pass_ids).select_related("person__site")
        return {one.pass_id: text for one in held if (text := codes.of(one))}

    # --- what people hold ----------------------------------------------------------------

    def text(self, showing: Showing) -> str:
        """The code that is held up."""
        who = showing.who
        at_s = showing.at_s if showing.copied_from_s is None else showing.copied_from_s
        utc = self.size.midnight_utc + at_s
        if who.false == "poster":
            return f"https://example.com/menu/{who.number}"
        if not who.key:
            return (self.old_codes if showing.old_card else self.codes)[who.pass_id]
        if who not in self._phones:
            self._phones[who] = Holder(
                bytes.fromhex(who.pass_id), key_of(who, forged=who.false == "forged"), self.site
            )
        return self._phones[who].text_at(utc)


def key_of(who: Person, *, forged: bool = False) -> SigningKey:
    """The key on somebody's phone, or that of a forger who imitates it."""
    secret = f"{who.site} {who.number} {'forged' if forged else ''}"
    return p256(secret) if who.key == "p256" else ed25519(secret)


def _done(command: Any, *words: object) -> str:
    import click  # noqa: PLC0415  not every process has commands

    out, err = io.StringIO(), io.StringIO()
    told = [str(word) for word in words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command.main(told, standalone_mode=False)
    except click.ClickException as fault:
        raise EstateFault(f"{' '.join(told[:4])} …: {fault.format_message()}") from fault
    except SystemExit as ended:
        if ended.code:
            raise EstateFault(f"{' '.join(told[:4])} …: {out.getvalue()}{err.getvalue()}") from ended
    return out.getvalue()


def main(day: Path, site: str) -> None:
    size = Size.read(day)
    Estate(size, site).build(size.plan())


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except EstateFault as fault:
        sys.exit(f"{sys.argv[2]}: {fault}")
