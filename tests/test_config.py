"""A gate's configuration: what is wrong with it is told whole, and a spoilt one does not close the gate."""

import tomllib

import pytest

from agent.config import ConfigFault, GateConfig, defaults, examine, load
from agent.last_good import load_or_last_good, remember_good

GOOD = 'site = "garden"\ngate = "north"\n[board]\nname = "simulator"\npins = "mock"\n'


@pytest.fixture
def gate_toml(tmp_path):
    (tmp_path / "root.json").write_text("{}")

    def write(text: str):
        path = tmp_path / "gate.toml"
        path.write_text(text)
        return path

    return write


def faults(path) -> dict[str, str]:
    _, sentences = examine(path)
    return dict(sentence.split(": ", 1) for sentence in sentences)


def test_two_names_and_a_board_are_enough(gate_toml):
    config = load(gate_toml(GOOD))
    assert (config.site, config.gate, config.direction, config.door.open_s) == (
        "garden",
        "north",
        "both",
        5.0,
    )


def test_paths_are_beside_the_file(gate_toml, tmp_path):
    config = load(gate_toml('state = "here"\n' + GOOD + '[list]\nsource = "dir:published"\n'))
    assert config.root == tmp_path / "root.json"
    assert config.journal_file == tmp_path / "here" / "gate" / "journal.db"
    assert config.list.source == f"dir:{tmp_path / 'published'}"


def test_every_fault_is_named_at_once_with_its_key_value_and_what_is_allowed(gate_toml):
    told = faults(
        gate_toml(
            'site = "Garden"\ngate = "north"\ndirection = "up"\nroot = "nowhere.json"\nzones = "main"\n'
            '[board]\nname = "toaster"\npins = "mock"\n[door]\nopen_s = 90\nheld_after_s = "long"\n'
            '[broker]\nport = 99999\nhots = "mqtt"\n[camera]\nkind = "eye"\n'
        )
    )
    assert told["site"] == "found 'Garden', allowed: 1 to 32 of a-z, 0-9 and -, the first not a -"
    assert told["direction"] == "found 'up', allowed: 'in', 'out' or 'both'"
    assert told["zones"].startswith("unknown key; allowed here: zone (did you mean this?), site, gate")
    assert told["door.open_s"] == "found 90, allowed: at most 30"
    assert told["door.held_after_s"].startswith("found 'long', allowed: a valid number")
    assert told["broker.host"] == "missing; it has no default"
    assert told["broker.hots"].startswith("unknown key; allowed here: host (did you mean this?)")
    assert "99999" in told["broker.port"]
    assert "picamera2" in told["camera.kind"]
    assert "toaster" in told["board.name"], "faults of meaning are told beside faults of shape"
    assert told["root"].endswith("nowhere.json, wanted a file that this user can read")


def test_a_pulse_longer_than_the_boards_ceiling_is_a_fault(gate_toml):
    told = faults(gate_toml(GOOD + "[door]\nopen_s = 20\n"))
    assert told == {"door.open_s": "found 20.0, allowed: at most 10.0, the pulse ceiling of board simulator"}


def test_a_secret_that_cannot_be_read_is_named_by_its_file(gate_toml, tmp_path):
    told = faults(gate_toml(GOOD + '[broker]\nhost = "b"\nusername = "north"\npassword_file = "secret"\n'))
    assert told == {
        "broker.password_file": f"found {tmp_path / 'secret'}, wanted a file that this user can read"
    }


@pytest.mark.parametrize("text", ["", "= = =", "site = 3\n", "\x00", "[board]\n" * 2, "site = " + "[" * 5000])
def test_rubbish_is_told_and_never_raised(gate_toml, text):
    config, sentences = examine(gate_toml(text))
    assert config is None
    assert sentences
    with pytest.raises(ConfigFault):
        load(gate_toml(text))


def test_an_unknown_key_like_no_other_is_told(gate_toml):
    told = faults(gate_toml('qqqq = "x"\n' + GOOD + "[door]\nzzzz = 1\n"))
    assert told["qqqq"].startswith("unknown key; allowed here: site, gate")
    assert told["door.zzzz"].startswith("unknown key; allowed here: purpose, open_s")


def test_a_file_that_is_not_text_or_far_too_long_is_told(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe" * 100)
    (tmp_path / "long.toml").write_bytes(b"#" * 300_000)
    assert faults(tmp_path / "binary.toml")["file"].startswith("cannot be read as TOML")
    assert "262144" in faults(tmp_path / "long.toml")["file"]
    assert faults(tmp_path / "absent.toml")["file"].startswith("cannot be read")


def test_the_defaults_that_are_shown_are_the_defaults_that_are_used():
    shown = tomllib.loads("\n".join(defaults()))
    used = GateConfig(site="s", gate="g")
    assert shown["door"]["open_s"] == used.door.open_s
    assert tuple(shown["reader"]["stages"]) == used.reader.stages
    assert shown["camera"]["width_px"] == used.camera.width_px


def test_a_spoilt_file_leaves_the_last_good_one_in_use(gate_toml, tmp_path, monkeypatch):
    (tmp_path / "gate").mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "gate"))
    good = load(gate_toml(f'state = "{tmp_path}"\n' + GOOD))
    remember_good(good)
    config, sentences = load_or_last_good(gate_toml("site = 'garden"))
    assert config == good
    assert sentences[0].startswith("file: cannot be read as TOML")
    assert load_or_last_good(gate_toml(f'state = "{tmp_path}"\n' + GOOD)) == (good, ())


def test_a_bench_gate_elsewhere_keeps_nothing(gate_toml, tmp_path, monkeypatch):
    (tmp_path / "gate").mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "gate"))
    remember_good(load(gate_toml('state = "elsewhere"\n' + GOOD)))
    assert load_or_last_good(gate_toml("")) == (None, examine(gate_toml(""))[1])


def test_the_gate_does_not_ask_for_the_files_that_only_sync_may_read(gate_toml, tmp_path):
    broker = f'[broker]\nhost = "broker"\nusername = "north"\npassword_file = "{tmp_path}/hidden/password"\n'
    path = gate_toml(GOOD + broker)
    assert any(fault.startswith("broker.password_file: found") for fault in examine(path)[1])
    config, faults = load_or_last_good(path)
    assert (faults, config.broker.username) == ((), "north")
