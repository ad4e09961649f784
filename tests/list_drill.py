"""Sync killed in the middle of switching lists, again and again; a gate looks after each kill.

    python -m tests.list_drill 500

A nursery forks a sync that takes one list after another, so that a kill costs
a hundredth of a second and falls anywhere: while parts are stored, while the
list is switched, while versions are remembered.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.core.allowlist import Allowlist
from agent.stores.lists import ListReader, open_store
from agent.stores.sources import DirectorySource
from agent.stores.updates import Switched, update
from tests.trusted_site import TrustedSite, pass_id

ROOT = Path(__file__).parents[1]
LISTS = 15
PASSES = 120


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory(prefix="menshen-drill-") as folder:
        seen = drill(Path(folder), rounds)
    print(f"{rounds} kills, a whole valid list after each; {seen} switches fell between them")


def drill(folder: Path, rounds: int) -> int:
    """Kill sync so often; fails if a gate ever lacks a whole list as new as the one before.

    Returns:
        How often the list that the gate found was a newer one.
    """
    site = _published(folder / "site")
    dice = random.Random(11)
    _begin_again(site)
    began = time.monotonic()
    site.sync(DirectorySource(site.folder / "repo-2"))
    longest_s = 2.5 * (time.monotonic() - began)
    switches, number = 0, LISTS
    with _nursery(site.folder) as nursery:
        for _ in range(rounds):
            if number >= LISTS:
                number = _begin_again(site)
            nursery.stdin.write(f"{dice.uniform(0.0, longest_s)}\n")
            nursery.stdin.flush()
            assert nursery.stdout.readline() == "killed\n"
            with contextlib.closing(ListReader(site.list_file)) as reader:
                listed = site.gate(reader)
                assert isinstance(listed, Allowlist), listed
                found = listed.head.number
                assert found >= number
                assert all(listed.find(pass_id(1000 * found + n)) for n in range(0, PASSES, 7))
                assert listed.find(pass_id(1000 * (found - 1))) is None
            longest_s *= 0.9 if found > number else 1.1  # about every other kill finds a newer list
            switches += found > number
            number = found
    return switches


def _published(folder: Path) -> TrustedSite:
    """A site with every list that will be taken, each in a repository of its own."""
    site = TrustedSite(folder)
    for number in range(1, LISTS + 1):
        site.now += 60
        site.publish(number, range(1000 * number, 1000 * number + PASSES))
        shutil.copytree(site.repo, folder / f"repo-{number}")
    (folder / "now").write_text(str(site.now))
    return site


def _begin_again(site: TrustedSite) -> int:
    for gone in (site.list_file.parent, site.anchor("sync").state, site.anchor("gate").state):
        shutil.rmtree(gone, ignore_errors=True)
    assert isinstance(site.sync(DirectorySource(site.folder / "repo-1")), Switched)
    return 1


@contextlib.contextmanager
def _nursery(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", "from tests.list_drill import nurse; nurse()", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as nursery:
        try:
            yield nursery
        finally:
            nursery.stdin.close()


def nurse() -> None:
    """In a process of its own: for each line, a sync that lives as many seconds as it says."""
    import agent.stores.trust  # noqa: F401, PLC0415  once, not in each child

    site = TrustedSite.standing(Path(sys.argv[1]))
    site.now = float((site.folder / "now").read_text())
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                _sync(site)
            os._exit(0)
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("killed", flush=True)


def _sync(site: TrustedSite) -> None:
    with open_store(site.list_file) as store:
        for number in range(store.current_number() + 1, LISTS + 1):
            source = DirectorySource(site.folder / f"repo-{number}")
            update(store, source, site.anchor("sync"), site.moment())


if __name__ == "__main__":
    main()
