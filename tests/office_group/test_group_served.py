"""A group's one `serve`: processes that come and go, streams that end, old addresses."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from office.group import FILE, Group
from tests.office_group.group import Served, TwoSites, eventually, office, served


@pytest.fixture(scope="module")
def door(group: TwoSites) -> Iterator[Served]:
    for site in ("harbour", "garden"):
        desk = group.at(site)
        desk.event(desk.gate(f"{site}-gate"), pass_id=desk.holder(f"Li of {site}").pass_id)
    (group.path / FILE).write_text('name = "riverside"\nfirst = "harbour"\n')
    with served(group) as running:
        yield running


def _rows(stream, found: list[str]) -> None:
    found.extend(message.get("rows", "") + message.get("standing", "") for message in stream.messages())


def test_a_stream_carries_its_own_site_alone_and_ends_with_the_role(group: TwoSites, door: Served) -> None:
    wang, found = door.browser("wang"), []
    assert wang.get("/site/garden/live/stream").status == 403
    stream = wang.stream("/site/harbour/live/stream?after=0")
    reader = threading.Thread(target=_rows, args=(stream, found))
    reader.start()
    eventually(lambda: "Li of harbour" in "".join(found))
    for site in ("garden", "harbour"):
        desk = group.at(site)
        desk.seq = 1
        north = desk.gate(f"{site}-south")
        desk.event(north, "door.forced")
    eventually(lambda: "harbour-south" in "".join(found))
    assert "garden" not in "".join(found)
    assert 'href="/site/harbour/people/' in "".join(found), "links in what a thread draws are the site's"
    done = office("account", "close", "wang", "--site", "harbour", "--by", "ma", home=group.path)
    assert "sessions 1" in done.stderr, done.stderr
    reader.join(40)
    assert not reader.is_alive(), "the stream ends once there is no role any more"
    stream.close()


def test_a_site_that_falls_down_comes_back_and_the_others_don_t_notice(door: Served) -> None:
    zhou = door.browser("zhou")
    before = eventually(lambda: len(found := door.processes()) == 2 and found)
    os.kill(before["garden"], signal.SIGKILL)
    away = eventually(lambda: (answer := zhou.get("/site/garden/")).status == 503 and answer)
    assert "does not answer just now" in away.text
    assert zhou.get("/site/harbour/").status == 200
    assert "does not answer just now" in zhou.get("/").text
    eventually(lambda: zhou.get("/site/garden/").status == 200)
    assert door.processes()["harbour"] == before["harbour"]


def test_a_site_is_added_and_taken_out_while_all_goes_on(group: TwoSites, door: Served, tmp_path) -> None:
    zhou = door.browser("zhou")
    assert zhou.get("/site/quay/").status == 404
    assert office("site", "quay", home=group.path).returncode == 0
    done = office("account", "appoint", "zhou", "--role", "technician", "--site", "quay", home=group.path)
    assert done.returncode == 0, done.stderr
    eventually(lambda: zhou.get("/site/quay/").status == 200)
    assert zhou.get("/").text.count("<article") == 3
    done = office("group", "part", "quay", "--out", tmp_path / "quay", home=group.path)
    assert done.returncode == 0, done.stderr
    eventually(lambda: zhou.get("/site/quay/").status == 404)
    assert zhou.get("/").text.count("<article") == 2
    assert Group.at(group.path).sites == ("garden", "harbour")


def test_a_site_that_can_not_be_opened_stops_no_other(group: TwoSites, door: Served, tmp_path) -> None:
    assert office("site", "mill", home=group.path).returncode == 0
    office("account", "appoint", "zhou", "--role", "technician", "--site", "mill", home=group.path)
    zhou = door.browser("zhou")
    eventually(lambda: zhou.get("/site/mill/").status == 200)
    for name in ("office.db", "office.db-wal", "office.db-shm"):
        (group.path / "sites" / "mill" / name).unlink(missing_ok=True)
    (group.path / "sites" / "mill" / "office.db").write_text("no database")
    os.kill(door.processes()["mill"], signal.SIGKILL)
    eventually(lambda: "site.fault" in door.log.read_text() and "mill" in door.log.read_text())
    assert zhou.get("/site/mill/").status == 503
    assert zhou.get("/site/harbour/").status == 200
    (group.path / "sites" / "mill").rename(tmp_path / "mill")


def test_addresses_printed_before_the_group_lead_to_the_first_site(door: Served) -> None:
    stranger = door.browser()
    visit = stranger.get("/visit/harbour-gate?as=courier")
    assert (visit.status, visit.place) == (307, "/site/harbour/visit/harbour-gate?as=courier")
    assert stranger.get(stranger.get("/visit/harbour-gate").place).status == 200
    assert stranger.get("/pass/").place == "/site/harbour/pass/"
    assert stranger.get("/site/nowhere/visit/north").status == 404


def test_what_is_sent_in_pieces_and_what_is_long_passes_through(door: Served) -> None:
    """A sheet that is made while it is read, a form that is too large, a file of the pages' own."""
    zhou = door.browser("zhou")
    sheet = zhou.post(
        "/site/garden/exports", {"table": "events", "form": "csv", "since": "", "until": "", "why": "test"}
    )
    assert sheet.status == 200
    assert zhou.post("/site/garden/pass/standing", {"x": "y" * 200_000}).status in {400, 413}
    page = zhou.get("/site/garden/").text
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert zhou.get(style).status == 200
    assert zhou.get("/site/garden/pass/manifest.webmanifest").text.count('"/site/garden/pass/"') == 3
