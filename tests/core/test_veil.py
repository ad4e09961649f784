"""What leaves for support holds no key, no code and nobody."""

from agent.core.veil import REMOVED, Veil

VEIL = Veil(b"k" * 32)
PASS = "00c0ffee00c0ffee"


def test_a_pass_is_followed_and_not_found_out():
    log = VEIL.text(f"pass.refused pass={PASS} reason=expired\npass.admitted pass={PASS}\n")
    assert PASS not in log
    assert log.count(VEIL.mask(PASS)) == 2
    assert Veil(b"j" * 32).mask(PASS) != VEIL.mask(PASS)


def test_secrets_go():
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"
    text = VEIL.text(
        f"before {key} after\ntls://north:hunter2@broker:8883\npassword = hunter2\n"
        'psk="correct horse"\nAPI_KEY: abc\nM1' + "ABC123$:%+" * 12 + " end"
    )
    assert "MC4" not in text
    assert "hunter2" not in text
    assert "horse" not in text
    assert "abc" not in text
    assert "ABC123" not in text
    assert "before [private key removed] after" in text
    assert f"tls://{REMOVED}@broker:8883" in text
    assert f"password = {REMOVED}\n" in text


def test_half_a_key_goes_whole():
    assert VEIL.text("-----BEGIN -----\nMC4CAQ") == "[block removed]"


def test_people_go_and_ordinary_words_stay():
    text = VEIL.text("wang@example.com 13812345678 11010519491231002X at 2026-11-26T01:07:21 10.0.0.7 v0.2.0")
    assert "wang" not in text
    assert "13812345678" not in text
    assert "11010519491231002X" not in text
    assert text.endswith(" at 2026-11-26T01:07:21 10.0.0.7 v0.2.0")


def test_an_event_keeps_its_figures_and_its_known_words():
    event = {
        "id": "e/1",
        "time": "2026-11-26T01:07:21Z",
        "type": "menshen.order.obeyed",
        "specversion": 1,
        "data": {"by": "wang.wei", "what": "open", "effort": 3, "late": True, "pass": PASS, "zone": None},
    }
    shown = VEIL.event(event)
    assert shown == {
        "id": "e/1",
        "time": "2026-11-26T01:07:21Z",
        "type": "menshen.order.obeyed",
        "data": {
            "by": VEIL.mask("wang.wei"),
            "what": "open",
            "effort": 3,
            "late": True,
            "pass": VEIL.mask(PASS),
            "zone": None,
        },
    }


def test_what_is_no_event_shows_nothing():
    assert VEIL.event({"data": ["wang"], "type": 3}) == {"data": {}}
