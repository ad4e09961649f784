"""The office's keys were stolen: new ones take their place, gates follow, and the thief's are worth nothing."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from django.db import connections

from agent.core.passes import StaticPass, parse
from firmware_tools.cli import main as firmware
from office.cli import main
from office.home import prepare
from office.keyring import Keyring
from tests.small_office import SITE

prepare()

from tests.test_office_and_gate import Site  # noqa: E402


@pytest.fixture
def office(tmp_path):
    """An office whose list 1, with Li's card, is at its gate."""
    site = Site(tmp_path)
    site.card = site.issue("Li")
    site.office("approve", site.card, "--by", "wang")
    site.publish()
    site.gates_list()
    yield site
    connections.close_all()


def ceremony(office):
    public = office.folder / "home" / "office-public.json"
    words = ["--keys", office.folder / "offline", "--trust", office.trust, "--office", public]
    words += ["--passphrase-file", office.folder / "passphrase"]
    result = CliRunner().invoke(firmware, ["keys", "rotate", *map(str, words)])
    assert result.exit_code == 0, result.output


def opens(office, code):
    head = office.gates_list().head
    seen = parse(code)
    assert isinstance(seen, StaticPass)
    return seen.holds(head.issuers[seen.key_id], SITE)


def test_gates_follow_to_the_new_keys_and_leave_the_stolen_ones(office, tmp_path):
    stolen = Path(shutil.copytree(tmp_path / "home", tmp_path / "stolen"))
    before = office.office("code", office.card).strip()
    assert opens(office, before)
    office.office("new-keys")
    ceremony(office)
    assert office.office("new-keys", "--take", "--trust", office.trust).split() == [office.card]
    office.publish()
    after = office.office("code", office.card).strip()
    assert opens(office, after)
    assert not opens(office, before)
    assert office.gates_list().head.ack_keys == (Keyring.load(tmp_path / "home" / "keys").ack.public,)
    words = ["publish", "--home", stolen, "--trust", office.trust, "--out", tmp_path / "thiefs"]
    thief = CliRunner().invoke(main, list(map(str, words)))
    assert thief.exit_code == 1
    assert "refuse" in thief.stderr


def test_the_office_goes_on_with_the_old_keys_until_the_ceremony_has_signed(office, tmp_path):
    office.office("new-keys")
    office.publish()
    said = office.office("new-keys", "--take", "--trust", office.trust, exit_code=1)
    assert "the ceremony has not signed for the new key" in said
    office.publish()
    again = (tmp_path / "home" / "office-public.json").read_bytes()
    office.office("new-keys")
    assert (tmp_path / "home" / "office-public.json").read_bytes() == again


def test_an_exchange_that_was_interrupted_goes_on(office, tmp_path):
    office.office("new-keys")
    ceremony(office)
    beside, keys = tmp_path / "home" / "keys-next", tmp_path / "home" / "keys"
    shutil.copytree(beside, tmp_path / "made")
    office.office("new-keys", "--take", "--trust", office.trust)
    beside.mkdir()
    for name in ("ack", "order"):  # as if it had stopped before these two
        (keys / f"{name}.pem").rename(beside / f"{name}.pem")
    office.office("new-keys", "--take", "--trust", office.trust)
    assert not beside.exists()
    for made in (tmp_path / "made").iterdir():
        assert (keys / made.name).read_bytes() == made.read_bytes()


def test_a_second_persons_key_still_counts(office, tmp_path):
    public = office.office("signer", "--out", tmp_path / "wangs-stick").strip()
    before = Path(public).read_text().count('"key"')
    office.office("new-keys")
    assert Path(public).read_text().count('"key"') == before


def test_one_step_does_not_pass_for_the_other(office):
    assert "go together" in office.office("new-keys", "--take", exit_code=2)
    assert "make them first" in office.office("new-keys", "--take", "--trust", office.trust, exit_code=1)
