"""What the office reads of an update while it goes on."""

import pytest

from agent.stores.release_news import release_news
from firmware_tools.device.fetching import Progress


def test_an_update_is_followed_from_afar(tmp_path_factory):
    from tests.updates.shop import Shop  # noqa: PLC0415  keys take a second to make

    shop = Shop(tmp_path_factory.mktemp("news"))
    state = shop.place.state
    assert release_news(state) is None
    shop.first("0.1.0")
    assert release_news(state) == "installed 0.1.0"
    Progress(shop.place.progress_file, shop.site.moment()).say("fetching", "0.2.0", 40)
    assert release_news(state) == "fetching 0.2.0, 40 %"
    shop.release(shop.bundle("0.2.0"))
    shop.take("0.2.0")
    assert release_news(state) == "trial 0.2.0"
    shop.slots.go_back("camera: no pictures\x07")
    assert release_news(state) == "rolled back 0.2.0: camera: no pictures?"
    Progress(shop.place.progress_file, shop.site.moment()).say("refused", "", 0, "nobody answers")
    assert release_news(state) == "not fetched: nobody answers"


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"[]", b'{"history": 7}', b'{"history": [7]}', b'{"trial": [], "history": []}', b"[" * 60_000],
    ids=len,
)
def test_rubbish_is_no_news(tmp_path, rubbish):
    for name in ("slots/state.json", "updates/progress.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(rubbish)
    assert release_news(tmp_path) is None


def test_news_are_short(tmp_path):
    (tmp_path / "slots").mkdir()
    (tmp_path / "slots" / "state.json").write_text('{"trial": {"version": "' + "9" * 60_000 + '"}}')
    assert len(release_news(tmp_path)) == 120
