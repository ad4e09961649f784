"""What the machine says of itself, and what is made of a machine that says nothing."""

from hw.machine import disk_free_mb, temperature_c, throttled


def test_a_pi_tells_its_temperature_and_its_throttling(tmp_path):
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("51540\n")
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    assert temperature_c(tmp_path) == 51.5
    assert throttled(tmp_path) == 0x50005


def test_what_cannot_be_read_is_none(tmp_path):
    assert temperature_c(tmp_path) is None
    assert throttled(tmp_path) is None
    assert disk_free_mb(tmp_path / "nowhere") is None
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_bytes(b"\xff warm")
    assert temperature_c(tmp_path) is None


def test_the_card_has_room(tmp_path):
    assert disk_free_mb(tmp_path) > 0
