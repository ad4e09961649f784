"""The key ceremony, as the people at the table run it."""

import json
import os
import pty
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tuf.api.metadata import Metadata, Root, Targets

from firmware_tools.cli import main
from office.faults import OfficeFault
from office.keyring import Keyring

COMMAND = Path(sys.executable).with_name("menshen-firmware")
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The machine without a network: a passphrase file, and what the office brought on a stick."""
    monkeypatch.chdir(tmp_path)
    Path("passphrase").write_text(PASSPHRASE + "\n")
    Path("passphrase").chmod(0o600)
    keyring = Keyring.make(Path("office-keys"))
    Path("office-public.json").write_text(json.dumps(keyring.office_public("harbour")))
    return tmp_path


def keys(*arguments, **options):
    return CliRunner().invoke(main, ["keys", *arguments], **options)


def make(*more):
    return keys("make", "--out", "KEYS", "--passphrase-file", "passphrase", *more)


def sign(*more):
    usual = ("--keys", "KEYS", "--office", "office-public.json", "--out", "TRUST")
    return keys("sign", *usual, "--passphrase-file", "passphrase", *more)


def told(result, *words):
    """One sentence for people, exit code 1, no traceback."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output
    return True


def test_a_stranger_follows_the_help_text_to_a_root_of_trust(table):
    def run(*arguments):
        return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=True).stdout

    assert "keys make --out KEYS" in run("keys", "--help")
    made = run("keys", "make", "--out", "KEYS", "--passphrase-file", "passphrase")
    assert made.count("made KEYS/") == 7
    usual = ("--keys", "KEYS", "--office", "office-public.json", "--passphrase-file", "passphrase")
    assert "wrote TRUST/1.root.json" in run("keys", "sign", *usual, "--out", "TRUST")
    root = Metadata[Root].from_file("TRUST/1.root.json")
    targets = Metadata[Targets].from_file("TRUST/1.targets.json")
    root.verify_delegate("root", root)
    root.verify_delegate("targets", targets)


def test_each_role_has_its_keys_thresholds_paths_and_end(table):
    make()
    sign()
    root = Metadata[Root].from_file("TRUST/1.root.json").signed
    targets = Metadata[Targets].from_file("TRUST/1.targets.json").signed
    assert {name: (len(role.keyids), role.threshold) for name, role in root.roles.items()} == {
        "root": (3, 2), "targets": (2, 2), "snapshot": (1, 1), "timestamp": (1, 1),
    }  # fmt: skip
    delegated = targets.delegations.roles
    assert {name: (len(role.keyids), role.threshold, role.paths) for name, role in delegated.items()} == {
        "allowlist": (1, 1, ["al/*"]), "revoke": (1, 1, ["rv/*"]), "firmware": (2, 2, ["fw/*"]),
    }  # fmt: skip
    assert all(role.terminating for role in delegated.values())
    assert root.consistent_snapshot
    assert root.unrecognized_fields == {"x-menshen-site": "harbour"}
    year = root.expires - datetime.now(UTC)
    assert timedelta(days=364) < year < timedelta(days=366)
    assert timedelta(days=181) < targets.expires - datetime.now(UTC) < timedelta(days=183)


def test_keys_are_encrypted_and_for_their_keeper_alone(table):
    make()
    files = sorted(Path("KEYS").glob("*.pem"))
    assert [file.stem for file in files] == [
        "firmware-1", "firmware-2", "root-1", "root-2", "root-3", "targets-1", "targets-2",
    ]  # fmt: skip
    assert stat.S_IMODE(Path("KEYS").stat().st_mode) == 0o700
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        with pytest.raises(TypeError):
            load_pem_private_key(file.read_bytes(), None)
        load_pem_private_key(file.read_bytes(), PASSPHRASE.encode())


def test_show_lists_fingerprints_and_asks_nothing(table):
    make()
    Path("KEYS/root-3.pem").unlink()
    shown = keys("show", "KEYS").output
    assert "root: 2 of 3 must sign" in shown
    sign()
    for keyid in Metadata[Root].from_file("TRUST/1.root.json").signed.roles["root"].keyids:
        assert keyid in shown
    assert shown.count("not in this directory") == 1


def test_nothing_is_overwritten(table):
    make()
    before = {path: path.read_bytes() for path in Path("KEYS").iterdir()}
    assert told(make(), "found KEYS in use", "never overwritten")
    assert {path: path.read_bytes() for path in Path("KEYS").iterdir()} == before
    sign()
    assert told(sign(), "found 1.root.json, 1.targets.json in TRUST")
    with pytest.raises(OfficeFault, match="wanted none there"):
        Keyring.make(Path("office-keys"))


def test_a_dry_run_writes_nothing(table):
    dry = make("--dry-run")
    assert (dry.exit_code, dry.output.count("would make KEYS/")) == (0, 7)
    assert not Path("KEYS").exists()
    make()
    assert "dry run: nothing written to TRUST" in sign("--dry-run").output
    assert not Path("TRUST").exists()
    assert sorted(path.name for path in table.iterdir()) == [
        "KEYS", "office-keys", "office-public.json", "passphrase",
    ]  # fmt: skip


def test_one_lost_root_key_is_borne_two_are_not(table):
    make()
    Path("KEYS/root-1.pem").unlink()
    assert sign().exit_code == 0
    root = Metadata[Root].from_file("TRUST/1.root.json")
    assert len(root.signatures) == 2
    Path("KEYS/root-2.pem").unlink()
    assert told(sign("--out", "ANOTHER"), "found 1 root keys, wanted 2; bring the others")
    assert not Path("ANOTHER").exists()


def test_a_wrong_passphrase_opens_nothing(table):
    make()
    Path("passphrase").write_text("not the passphrase")
    assert told(sign(), "KEYS/root-1.pem does not open")


def test_a_key_of_another_ceremony_is_noticed(table):
    make()
    keys("make", "--out", "OTHER", "--passphrase-file", "passphrase")
    Path("OTHER/root-1.pem").replace("KEYS/root-1.pem")
    assert told(sign(), "found another key in KEYS/root-1.pem")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"\0" * 1_000_000])
def test_a_damaged_key_file_is_told(table, content):
    make()
    Path("KEYS/targets-2.pem").write_bytes(content)
    assert told(sign(), "KEYS/targets-2.pem does not open")


@pytest.mark.parametrize(
    ("line", "mode", "words"),
    [
        ("short", 0o600, "wanted at least 12"),
        ("", 0o600, "found 0 bytes on the first line"),
        ("x" * 2_000_000, 0o600, "wanted 1 to 1024"),
        (PASSPHRASE, 0o644, "run: chmod 600 passphrase"),
    ],
)
def test_a_passphrase_file_must_be_private_and_worth_its_name(table, line, mode, words):
    Path("passphrase").write_text(line)
    Path("passphrase").chmod(mode)
    assert told(make(), words)
    assert not Path("KEYS").exists()


def test_a_typed_passphrase_is_asked_twice_and_a_slip_is_caught(table):
    typed = f"{PASSPHRASE}\n{PASSPHRASE}\n"
    assert keys("make", "--out", "KEYS", input=typed).exit_code == 0
    slip = f"{PASSPHRASE}\n{PASSPHRASE}x\n"
    assert keys("make", "--out", "OTHER", input=slip).exit_code == 1
    assert not Path("OTHER").exists()


def test_a_typed_passphrase_is_not_shown(table):
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "keys", "make", "--out", "KEYS"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    ) as people:
        os.close(inside)
        seen = b""
        for _ in range(2):
            while not seen.endswith(b": "):
                seen += os.read(terminal, 100)
            os.write(terminal, PASSPHRASE.encode() + b"\n")
            seen += b"\n"
        while people.poll() is None or b"made" not in seen:
            try:
                seen += os.read(terminal, 1000)
            except OSError:
                break
    os.close(terminal)
    assert people.returncode == 0
    assert b"made KEYS/root-1.pem" in seen
    assert PASSPHRASE.encode() not in seen


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda office: office.pop("site"), "site: Field required"),
        (lambda office: office.update(site="../harbour"), "site: String should match pattern"),
        (lambda office: office.update(format=2), "format"),
        (lambda office: office.update(extra=1), "extra"),
        (lambda office: office["roles"].pop("snapshot"), "no keys for snapshot"),
        (lambda office: office["roles"].update(root=office["roles"]["snapshot"]), "roles.root"),
        (lambda office: office["roles"]["allowlist"].update(threshold=2), "can never be met"),
        (lambda office: office["roles"]["allowlist"].update(threshold=0), "threshold"),
        (lambda office: office["roles"]["allowlist"].update(threshold=True), "threshold"),
        (
            lambda office: office["roles"]["revoke"]["keys"].append(office["roles"]["revoke"]["keys"][0]),
            "twice",
        ),
        (lambda office: office["roles"]["revoke"]["keys"].clear(), "at least 1 item"),
        (lambda office: office["roles"]["revoke"]["keys"][0].update(alg="rsa"), "alg"),
        (lambda office: office["roles"]["revoke"]["keys"][0].update(key="00"), "key"),
    ],
)
def test_a_fault_in_the_offices_file_is_named(table, change, words):
    office = json.loads(Path("office-public.json").read_text())
    change(office)
    Path("office-public.json").write_text(json.dumps(office))
    make()
    assert told(sign(), words)
    assert not Path("TRUST").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[" * 60_000, b"[]", b"{" + b" " * 10_000_000, b"9" * 5000]
)
def test_an_offices_file_of_rubbish_is_told(table, content):
    Path("office-public.json").write_bytes(content)
    assert told(sign(), "office-public.json")


def test_missing_files_are_told(table):
    assert told(sign(), "KEYS/keys.json can't be read")
    assert told(keys("show", "KEYS"), "KEYS/keys.json can't be read")
    make()
    assert told(sign("--office", "absent.json"), "absent.json can't be read")
    assert told(sign("--passphrase-file", "absent"), "the passphrase file absent can't be read")
    Path("blocked").write_text("a file")
    assert told(sign("--out", "blocked/TRUST"), "can't be written")


def test_the_offices_keys_are_its_own(table):
    for file in Path("office-keys").glob("*.pem"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring.load(Path("office-keys")).office_public("harbour") == json.loads(
        Path("office-public.json").read_text()
    )
    assert "PRIVATE" not in Path("office-public.json").read_text()
    Path("office-keys/ack.pem").chmod(0o640)
    with pytest.raises(OfficeFault, match="wanted 0600"):
        Keyring.load(Path("office-keys"))
    Path("office-keys/ack.pem").chmod(0o600)
    Path("office-keys/ack.pem").write_bytes(b"torn")
    with pytest.raises(OfficeFault, match=r"ack\.pem can't be read"):
        Keyring.load(Path("office-keys"))
    Path("office-keys/ack.pem").unlink()
    with pytest.raises(OfficeFault, match="restore the office's home"):
        Keyring.load(Path("office-keys"))
