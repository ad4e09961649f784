"""A list over a broker's retained topics: complete, in time, and no more believed than from anywhere else."""

import contextlib
import shutil
import threading
import time
from contextlib import closing

import pytest

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.allowlist import Status
from agent.refresher import Refresher
from agent.stores.lists import ListReader, open_store
from agent.stores.mqtt_source import MqttSource, list_prefix
from agent.stores.sources import SourceFault, Unreachable
from agent.stores.updates import Missed, Renewed, Switched, Unchanged
from office import repository
from office.faults import OfficeFault
from office.ingest.subscriber import Address
from office.mirror import Mirror, keep_for_ever
from office.mirror_link import Link, LinkFault
from tests import brokers, thieves
from tests.small_office import eventually
from tests.test_trust import refused
from tests.trusted_site import SITE, TrustedSite, pass_id


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    return TrustedSite(tmp_path_factory.mktemp("founded") / "site").folder


@pytest.fixture
def site(founded, tmp_path):
    site = TrustedSite.standing(shutil.copytree(founded, tmp_path / "site"))
    site.publish(1)
    return site


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory):
    with brokers.mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture
def clean(mosquitto):
    """The broker with nothing retained: it keeps nothing on disk."""
    mosquitto.kill()
    mosquitto.start()
    return mosquitto


def link_to(broker, name="publisher"):
    return closing(Link(Address("127.0.0.1", broker.port), name))


def mirrored(site, broker):
    with link_to(broker) as link:
        return Mirror(site.repo, SITE, site.folder / "mirrored.json").bring(link)


@contextlib.contextmanager
def source_at(broker, *, silence_s=1.0, name="north"):
    config = BrokerConfig(host="127.0.0.1", port=broker.port, retry_first_s=0.05, retry_most_s=0.2)
    with closing(PahoBroker(config, client_id=name, status_topic=f"site/{SITE}/gate/{name}/status")) as paho:
        yield MqttSource(paho.mailbox(list_prefix(SITE)), SITE, silence_s)


def put(broker, path, data):
    with link_to(broker, "thief") as link:
        link.put({f"site/{SITE}/list/{path}": data})


def test_a_list_and_its_successors_come_over_the_broker(site, clean):
    first = mirrored(site, clean)
    assert first.files == sum(1 for path in site.repo.rglob("*") if path.is_file() and path.stat().st_size)
    with source_at(clean) as source:
        assert isinstance(site.sync(source), Switched)
        assert site.sync(source) == Unchanged(1)
        site.publish(2, range(1, 300))
        assert site.sync(source) == Unchanged(1), "not yet mirrored"
        assert mirrored(site, clean).files < first.files + 5
        eventually(lambda: site.sync(source).number == 2)
    assert site.gate().find(pass_id(299)) is not None


def test_hundreds_of_parts_come_in_batches_and_none_is_lost(site, clean):
    site.shard_bits = 10
    site.publish(2, range(1, 3000))
    mirrored(site, clean)
    with source_at(clean) as source:
        switched = site.sync(source)
    assert switched.parts > 900
    assert all(site.gate().find(pass_id(n)) for n in range(1, 3000, 100))


def test_a_gate_hears_of_a_revocation_without_asking(site, clean):
    mirrored(site, clean)
    stop = threading.Event()
    with source_at(clean) as source:
        clock = type("Clock", (), {"now": lambda _: site.moment()})()
        refresher = Refresher(lambda: open_store(site.list_file), source, site.anchor("sync"), clock)
        thread = threading.Thread(target=refresher.serve, args=(stop, 3600.0))
        thread.start()
        try:
            with closing(ListReader(site.list_file)) as reader:
                eventually(lambda: reader.generation() == 1)
                repository.renew(
                    site.repo, site.trust, site.keyring, site.now + 1, {pass_id(1): Status.REVOKED}
                )
                assert mirrored(site, clean).bytes <= 3000
                eventually(lambda: reader.generation() == 2)
                assert site.gate(reader).find(pass_id(1)).status is Status.REVOKED
        finally:
            stop.set()
            thread.join()


def test_the_publisher_puts_back_what_a_broker_forgot(site, clean):
    stop = threading.Event()
    mirror = Mirror(site.repo, SITE, site.folder / "mirrored.json")
    keeper = threading.Thread(
        target=keep_for_ever, args=(mirror, lambda: Link(Address("127.0.0.1", clean.port), "keeper"), stop)
    )
    keeper.start()
    try:
        with source_at(clean) as source:
            eventually(lambda: isinstance(site.sync(source), Switched))
            clean.kill()
            clean.start()  # every retained topic is gone
            shutil.rmtree(site.list_file.parent)
            eventually(lambda: isinstance(site.sync(source), Switched))
            site.publish(2)
            eventually(lambda: site.sync(source).number == 2)
    finally:
        stop.set()
        keeper.join()


def test_topics_of_old_lists_are_cleared(site, clean):
    for number in range(2, 9):
        site.publish(number, range(100 * number, 100 * number + 40))
        mirrored(site, clean)
    with link_to(clean) as link:
        gone = [f"site/{SITE}/list/{n}.allowlist.json" for n in range(1, 6)]
        assert link.read(gone) == {}
        assert len(link.read([f"site/{SITE}/list/{n}.allowlist.json" for n in range(6, 9)])) == 3


def test_a_part_that_the_mirror_lacks_is_a_refusal_and_not_a_wait_for_ever(site, clean):
    mirrored(site, clean)
    part = site.part_files()[0]
    put(clean, f"al/{part.name}", b"")
    with source_at(clean, silence_s=0.3) as source:
        assert refused(site.sync(source), "is its mirror complete?")
        put(clean, f"al/{part.name}", part.read_bytes())
        assert isinstance(site.sync(source), Switched)


def test_what_a_hostile_broker_sends_is_refused(site, clean):
    mirrored(site, clean)
    shard = site.part_files()[0]
    role = "1.allowlist.json"
    for path, data, why in (
        (f"al/{shard.name}", bytes(300), "of another hash"),
        (f"al/{shard.name}", bytes(300_000), "larger than"),
        (role, b"[" * 100_000, ""),
        (role, b'{"signed":' * 12_000, ""),
        (role, bytes(200_000), ""),
        ("timestamp.json", bytes(900_000), ""),
    ):
        shutil.rmtree(site.anchor("sync").state, ignore_errors=True)  # else it looks no further
        put(clean, path, data)
        with source_at(clean, silence_s=0.3) as source:
            assert refused(site.sync(source), why)
        put(clean, path, (site.repo / path).read_bytes())
    put(clean, "hint", b"9" * 5000)
    with source_at(clean, silence_s=0.3) as source:
        assert isinstance(site.sync(source), Switched), "it only waits in vain for another root"


def test_a_frame_larger_than_any_file_ends_the_connection_and_nothing_else(site, clean):
    mirrored(site, clean)
    shard = site.part_files()[0]
    put(clean, f"al/{shard.name}", bytes(5_000_000))
    with source_at(clean, silence_s=0.5) as source:
        assert refused(site.sync(source), "")
        put(clean, f"al/{shard.name}", shard.read_bytes())
        eventually(lambda: isinstance(site.sync(source), Switched))


def test_an_old_list_over_the_broker_is_rolled_back_and_refused(site, clean):
    old = site.copy_of_repo()
    site.now += 3600
    site.publish(2)
    mirrored(site, clean)
    with source_at(clean) as source:
        assert site.sync(source).number == 2
        thieves.resign(site, old)
        with link_to(clean, "thief") as link:
            Mirror(old, SITE, site.folder / "thiefs.json").bring(link)
        eventually(lambda: refused(site.sync(source), "rolled back"))
    assert site.gate().head.number == 2


def test_without_a_broker_the_list_in_use_stays_and_nothing_was_refused(site, clean):
    port = brokers.free_port()
    with source_at(type("Nobody", (), {"port": port}), silence_s=0.2) as source:
        outcome = site.sync(source)
        assert isinstance(outcome, Missed)
        assert "can't be reached" in outcome.why
        with pytest.raises(SourceFault, match="inside the repository"):
            source.fetch("al/#", 10)
        with pytest.raises(Unreachable):
            source.fetch("timestamp.json", 10)


def test_a_broker_without_a_list_is_waited_for(site, clean):
    with source_at(clean, silence_s=0.2) as source:
        outcome = site.sync(source)
        assert isinstance(outcome, Missed)
        assert "has no list of this site" in outcome.why


def test_a_publisher_is_told_what_a_broker_does_not_let_it_do(site, tmp_path):
    (tmp_path / "word").write_text("w\n")
    users = {"publisher": "w", "north": "w"}
    with brokers.mosquitto(tmp_path / "strict", users=users, acl=brokers.acl(SITE)) as broker:
        mirror = Mirror(site.repo, SITE, site.folder / "mirrored.json")
        word = tmp_path / "word"
        with closing(Link(Address("127.0.0.1", broker.port, "publisher", word), "p")) as link:
            assert mirror.bring(link).files > 5
        other = Mirror(site.repo, SITE, site.folder / "other.json")
        site.publish(2)
        with (
            closing(Link(Address("127.0.0.1", broker.port, "north", word), "n")) as link,
            pytest.raises(OfficeFault, match="did not keep"),
        ):
            other.bring(link)
        with pytest.raises(LinkFault, match="refused us"):
            Link(Address("127.0.0.1", broker.port, "stranger", word), "s")
    with pytest.raises(LinkFault, match="can't be reached"):
        Link(Address("127.0.0.1", broker.port), "p")


def test_a_file_that_no_gate_would_take_is_not_mirrored(site, clean):
    (site.repo / "9.targets.json").write_bytes(bytes(600_000))
    with pytest.raises(OfficeFault, match="wanted a file that gates take"):
        mirrored(site, clean)


def test_a_renewal_that_changes_nothing_else_moves_little(site, clean):
    mirrored(site, clean)
    site.now += 86400
    repository.renew(site.repo, site.trust, site.keyring, site.now)
    assert mirrored(site, clean).bytes < 3000
    with source_at(clean) as source:
        began = time.monotonic()
        assert isinstance(site.sync(source), Switched | Renewed)
        assert time.monotonic() - began < 30
