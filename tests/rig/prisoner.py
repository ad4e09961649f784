"""Stands where menshen's programs stand on a device, tries what its unit should forbid, and reports.

    prisoner.py PROGRAM COMMAND...

One line of JSON on standard output: what it was started as, and for each thing
tried "done" or the error's name. Run by systemd inside the unit's confinement.
"""

import contextlib
import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from agent.config import GateConfig
from agent.core.health import GateHealth
from agent.notify import watchdog_from
from agent.stores import vitals
from hw.board import load_board
from hw.clocks import kernel_says_synced
from hw.outputs import rest_pins
from hw.pins import pin_factory

LIVES_S = 3.0
LIVE = {"gate", "sync", "safe"}
"""What systemd waits for to say that it is ready."""
HOMES = {"sync": "sync", "update-fetch": "updates", "update-auto": "slots", "guard-begin": "slots"}
PATIENCE_S = 20.0


def main(role: str) -> None:
    tried: dict[str, str] = {}

    def attempt(name: str, what: Callable[[], object]) -> None:
        try:
            what()
            tried[name] = "done"
        except Exception as fault:  # noqa: BLE001  whichever way it fails is the finding
            tried[name] = type(fault).__name__

    attempt("speak to the network", speak)
    attempt("listen to netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close())
    attempt("set the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
    attempt("open a device that is not ours", lambda: Path("/dev/foreign").open("rb").close())
    for place in (
        *(
            "/var/lib/menshen/gate",
            "/var/lib/menshen/sync",
            "/var/lib/menshen/updates",
            "/var/lib/menshen/slots",
        ),
        *("/var/lib/menshen-office", "/var/backups/menshen-office"),
        *("/run/systemd/system", "/etc/menshen", "/etc", "/usr", "/home"),
    ):
        attempt(f"write to {place}", lambda place=place: write(Path(place, f".{role}.tried")))
    for file in (
        "/etc/menshen/gate.toml",
        "/var/lib/menshen/gate/theirs",
        "/var/lib/menshen/sync/theirs",
        "/var/lib/menshen/keys/gate/key",
        "/var/lib/menshen/keys/sync/key",
        "/etc/menshen/broker.password",
        "/proc/1/environ",
        "/proc/cpuinfo",
    ):
        attempt(f"read {file}", lambda file=file: Path(file).read_bytes())
    attempt("ask the kernel for the time's trust", kernel_says_synced)
    attempt("ask systemd for something", ask_systemd)
    attempt("give a file to another user", lambda: give_away(role))
    attempt("load the native libraries", load_native)
    if role == "gate":
        attempt("read a code with an eye behind its filter", see)
    attempt("keep a database", lambda: keep_database(role))
    attempt("rest the pins of a simulated board", rest)
    if role in {"gate", "sync"}:
        attempt("pass the gate's health on", lambda: pass_health_on(role))
    print(json.dumps({"role": role, "tried": tried}), flush=True)

    dog = watchdog_from()
    dog.ready()
    until = time.monotonic() + LIVES_S
    while role in LIVE and time.monotonic() < until:
        dog.pat()
        time.sleep(0.2)
    dog.close()


def role_of(program: str, command: list[str]) -> str:
    """Such as gate, update-fetch or guard-begin."""
    words = [word for word in command if not word.startswith(("-", "/"))]
    prefix = [program] if program in {"guard", "office"} else []
    return "-".join([*prefix, *words[:2]]) if words[0] == "update" else "-".join([*prefix, words[0]])


def write(path: Path) -> None:
    path.touch()
    path.unlink()


def ask_systemd() -> None:
    """As root asks it to start a unit: over a socket that is root's alone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mouth:
        mouth.connect("/run/systemd/private")


def give_away(role: str) -> None:
    path = Path("/var/lib/menshen", HOMES.get(role, "gate"), f".{role}.given")
    path.touch()
    try:
        os.chown(path, 1, 1)
    finally:
        path.unlink()


def speak() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.connect(("127.0.0.1", 9))


def load_native() -> None:
    """What asks for memory both writable and executable, or for a forbidden call, fails here."""
    import cv2  # noqa: PLC0415  trying the import is the point
    import numpy as np  # noqa: PLC0415
    import zxingcpp  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    picture = np.full((480, 640), 255, np.uint8)
    cv2.GaussianBlur(picture, (5, 5), 1.2)
    zxingcpp.read_barcodes(picture)
    ed25519.Ed25519PrivateKey.generate().sign(b"")


def see() -> None:
    """What the unit forbids must leave the nursery and its eye all that they need."""
    import cv2  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from agent.logs import configure  # noqa: PLC0415
    from agent.vision import ReaderConfig  # noqa: PLC0415
    from agent.vision.eye import Eye  # noqa: PLC0415

    configure(process="gate")  # to standard error: the report is on the other
    code = np.asarray(cv2.QRCodeEncoder.create().encode("A PASS"), np.uint8)
    picture = np.pad(code, 4, constant_values=255).repeat(6, axis=0).repeat(6, axis=1)
    with contextlib.closing(Eye(ReaderConfig(), Path("/run/menshen-gate/looking"), wait_s=PATIENCE_S)) as eye:
        eye.ready()
        if not eye.filtered:
            raise PermissionError
        (sighting,) = eye.read(picture)
        if sighting.text != "A PASS":
            raise LookupError


def keep_database(role: str) -> None:
    with contextlib.closing(sqlite3.connect(f"/var/lib/menshen/{HOMES.get(role, 'gate')}/tried.db")) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE IF NOT EXISTS tried (what)")
        db.commit()


def pass_health_on(role: str) -> None:
    """The gate leaves it where its configuration says; sync waits for it there."""
    path = GateConfig(site="garden", gate="north").health_file
    if role == "gate":
        vitals.write(path, GateHealth(door="locked"))
    until = time.monotonic() + PATIENCE_S
    while vitals.read(path).door != "locked":
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.1)


def rest() -> None:
    factory = pin_factory("mock")
    rest_pins(load_board("reference"), factory)
    factory.close()


if __name__ == "__main__":
    os.umask(0o027)
    main(role_of(sys.argv[1], sys.argv[2:]))
