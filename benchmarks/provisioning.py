"""Both ends of the provisioning link over a simulated line of 115,200 baud.

    make bench-provisioning

What a line of that rate could carry stands beside each figure: bytes that had to go,
divided by 11,520 a second.
"""

import contextlib
import logging
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from provisioning import wire
from provisioning.authority import Authority
from provisioning.bench import Bench
from provisioning.cable import Cable, noise
from provisioning.check import Checker
from provisioning.credentials import Credentials
from provisioning.device import Kiosk
from provisioning.enrol import enrol
from provisioning.enrolment import Enrolments
from provisioning.link import Link
from provisioning.machine import Machine
from provisioning.service import Service
from provisioning.site_file import GatePlan, Site, read
from tests.provisioning.workbench import make_site

BYTES_PER_S = 11_520
LOG_BYTES = 1_000_000


class _Quiet:
    def say(self, words: str) -> None:
        pass

    def sent(self, done: int, whole: int) -> None:
        pass


@contextlib.contextmanager
def _kiosk_on_a_line(folder: Path, rate: float = 0.0, check: tuple[str, ...] = ("true",)) -> Iterator[Path]:
    """A kiosk behind a slow cable; gives the near end's path."""
    for name in ("etc", "state"):
        (folder / name).mkdir(parents=True)
    near, far = folder / "near", folder / "far"
    machine = Machine(log=("head", "-c", str(LOG_BYTES), "/dev/urandom"))
    kiosk = Kiosk(
        folder / "state", Enrolments(folder / "etc", Checker(check), unsealed=True), time.time, machine
    )
    stop = threading.Event()
    with contextlib.closing(Cable(near, far, noise(rate), bytes_per_s=BYTES_PER_S)):
        thread = threading.Thread(target=Service(kiosk, str(far)).run, args=(stop,))
        thread.start()
        try:
            yield near
        finally:
            stop.set()
            thread.join()


def _enrolment(site: Site, authority: Authority, folder: Path, rate: float) -> tuple[float, int]:
    """Seconds, and bytes of files."""
    agent_check = (str(Path(sys.executable).parent / "menshen-agent"), "check")
    with _kiosk_on_a_line(folder, rate, agent_check) as near:
        began = time.monotonic()
        enrol(
            lambda: Bench(Link(str(near)), "bench"),
            site,
            GatePlan("north", "in", "main"),
            _Quiet(),
            credentials=Credentials(authority=authority),
        )
        took_s = time.monotonic() - began
    return took_s, sum(path.stat().st_size for path in (folder / "etc" / "enrolled").iterdir())


def _logs(folder: Path) -> float:
    with _kiosk_on_a_line(folder) as near, Bench(Link(str(near)), "bench") as bench:
        bench.hello()
        bench.call(wire.IDENTIFY, wire.Nothing())
        began = time.monotonic()
        data = bench.read("log")
        took_s = time.monotonic() - began
    if len(data) != LOG_BYTES:
        raise SystemExit(f"found {len(data)} bytes of log, wanted {LOG_BYTES}")
    return took_s


def main() -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make_site(folder / "site")
        path.write_text(
            path.read_text().replace('username = "{gate}"', 'username = "{gate}"\ntls_ca = "ca.pem"')
            + '[identity]\nauthority = "enrolment"\n'
        )
        authority = Authority.make(folder / "site" / "enrolment", "garden", secrets.token_bytes(16))
        (folder / "site" / "ca.pem").write_bytes((authority.folder / "enrolment-ca.pem").read_bytes())
        site = read(path)
        print(f"{'at 115,200 baud':44}{'s':>8}  {'the line alone':>14}")
        for words, rate in (("a quiet line", 0.0), ("1 byte in 1,000 wrong", 0.001), ("1 byte in 100", 0.01)):
            took_s, size = _enrolment(site, authority, folder / f"kiosk {rate}", rate)
            print(f"{f'enrolment, {words}':44}{took_s:8.1f}  {size / BYTES_PER_S:14.1f}")
        took_s = _logs(folder / "logs")
        ideal_s = LOG_BYTES / BYTES_PER_S
        print(
            f"{'1 MB of log that does not compress':44}{took_s:8.1f}  {ideal_s:14.1f}  {ideal_s / took_s:.1%}"
        )


if __name__ == "__main__":
    main()
