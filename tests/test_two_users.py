"""The two processes are two users: each reads the other's file and may write nothing beside it."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from agent.core.events import Event, Kind
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from tests.core.builders import SITE, at, ed25519

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

AS_SYNC = """
import os, sys
from pathlib import Path
from agent.stores.journal_reader import JournalReader
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(65533)
reader = JournalReader(Path(sys.argv[1]))
print(reader.newest(), flush=True)
for line in sys.stdin:
    if reader.displaced():
        reader.close()
        reader = JournalReader(Path(sys.argv[1]))
    print(reader.newest(), flush=True)
"""

GROUP = 65532


@pytest.fixture
def journal(tmp_path):
    """A journal in a directory of the gate's user that its group may read, as tmpfiles.d makes it."""
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if folder.stat().st_uid == 0 and str(folder).startswith(str(tmp_path.parents[2])):
            folder.chmod(0o755)
    place = tmp_path / "gate"
    place.mkdir(mode=0o750)
    os.chown(place, 65534, GROUP)
    before = os.umask(0o027)
    path = place / "journal.db"
    yield path
    os.umask(before)


def written(path, events: int) -> JournalStore:
    store = JournalStore(path, SITE, "north", ed25519("gate").sign)
    store.begin_epoch(at(0))
    store.append([Event(Kind.EXIT, at(n)) for n in range(events)])
    for file in path.parent.iterdir():
        os.chown(file, 65534, GROUP)
    return store


def ask_as_sync(path):
    return subprocess.Popen(
        [sys.executable, "-c", AS_SYNC, str(path), str(GROUP)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_sync_reads_the_journal_while_the_gate_writes_it(journal):
    with closing(written(journal, 3)) as store, ask_as_sync(journal) as sync:
        assert sync.stdout.readline() == "4\n"
        store.append([Event(Kind.EXIT, at(9))])
        sync.stdin.write("\n")
        sync.stdin.flush()
        assert sync.stdout.readline() == "5\n"
        sync.stdin.close()


def test_sync_reads_what_a_gate_left_that_ended_cleanly_and_notices_its_return(journal):
    written(journal, 3).close()
    assert not journal.with_name("journal.db-wal").exists()
    with ask_as_sync(journal) as sync:
        assert sync.stdout.readline() == "4\n"
        with closing(written(journal, 1)):
            sync.stdin.write("\n")
            sync.stdin.flush()
            assert sync.stdout.readline() == "6\n"
        sync.stdin.close()


def test_a_journal_that_is_not_there_is_an_error_and_not_a_new_file(tmp_path):
    with pytest.raises(Exception, match="unable to open"):
        JournalReader(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
