"""Cards wear (C17): harder to read with every scratch, stain and summer, and named before they fail."""

from datetime import timedelta
from itertools import pairwise
from statistics import median

import cv2
import numpy as np
import pytest
import segno
from django.db import connections
from django.utils import timezone

from agent.core.events import Kind
from agent.vision import Reader
from agent.vision.fading import faded
from office.home import prepare

prepare()

from office import models  # noqa: E402
from office.wear import AT_FIRST, judged  # noqa: E402
from tests.core.builders import static  # noqa: E402
from tests.signing_gate import SITE, SigningGate  # noqa: E402
from tests.test_office import Desk  # noqa: E402

PX = 6
CODE = segno.make_qr(static("visitor"), error="m", mode="alphanumeric", boost_error=False)
CARD = cv2.resize(
    np.array([[0 if dark else 200 for dark in row] for row in CODE.matrix_iter(border=4)], np.uint8),
    None,
    fx=PX,
    fy=PX,
    interpolation=cv2.INTER_NEAREST,
)


def held(card, turn):
    """A card before the camera, a few degrees turned, in a little blur and grain."""
    side = card.shape[0]
    place = cv2.getRotationMatrix2D((side / 2, side / 2), turn, 1)
    place[:, 2] += 640 - side / 2, 360 - side / 2
    forecourt = np.full((720, 1280), 110, np.uint8)
    frame = cv2.warpAffine(card, place, (1280, 720), forecourt, borderMode=cv2.BORDER_TRANSPARENT)
    grain = np.random.default_rng(turn).normal(0, 3, frame.shape)
    return np.clip(cv2.GaussianBlur(frame, (3, 3), 0.8) + grain, 0, 255).astype(np.uint8)


def faded_by(share):
    return np.clip(200 + (CARD.astype(float) - 200) * (1 - share), 0, 255).astype(np.uint8)


def scratched(times):
    card, where = CARD.copy(), np.random.default_rng(5)
    for _ in range(times):
        x0, y0, x1, y1 = map(int, where.integers(0, card.shape[0], 4))
        cv2.line(card, (x0, y0), (x1, y1), 200, 2)
    return card


def stained(times):
    card, where = CARD.copy(), np.random.default_rng(7)
    for _ in range(times):
        x, y = map(int, where.integers(30, card.shape[0] - 30, 2))
        cv2.circle(card, (x, y), 14, 90, -1)
    return card


@pytest.mark.parametrize(
    ("wear", "years"),
    [(faded_by, (0, 0.6, 0.7, 0.8, 0.9)), (scratched, (0, 2, 5, 6, 8)), (stained, (0, 1, 2, 4, 6))],
)
def test_c17_the_more_a_card_is_worn_the_more_effort_it_takes(wear, years):
    efforts = []
    for age in years:
        reads = [Reader().read(held(wear(age), turn)) for turn in range(0, 18, 3)]
        efforts.append(median(sightings[0].effort for sightings in reads if sightings))
    assert efforts[0] < 0.02
    assert all(older > newer for newer, older in pairwise(efforts)), efforts


@pytest.mark.parametrize("light", [1.0, 0.5, 0.2])
def test_a_dim_gate_fades_no_card(light):
    frame = (held(CARD, 0) * light).astype(np.uint8)
    assert faded(frame, Reader().read(held(CARD, 0))[0].corners) == 0.0


def test_a_code_without_corners_or_at_the_frames_edge_is_no_trouble():
    frame = held(CARD, 0)
    assert faded(frame, ()) == 0.0
    assert 0 <= faded(frame, ((-50.0, -50.0), (5.0, -50.0), (5.0, 5.0), (-50.0, 5.0))) <= 1


# --- at the office ------------------------------------------------------------------------

DAY = 86400.0


def readings(*efforts, every_s=DAY, until):
    start = until.timestamp() - every_s * len(efforts)
    return [(start + n * every_s, effort) for n, effort in enumerate(efforts)]


def test_a_card_that_stays_as_it_was_is_not_named():
    now = timezone.now()
    assert judged("00", readings(*[0.35] * 60, until=now), now) is None, "it was never easy"
    assert judged("00", readings(*[0.0] * 30, *[0.3] * 3, *[0.0] * 27, until=now), now) is None, "a bad day"
    assert judged("00", readings(*[n / 20 for n in range(2 * AT_FIRST - 1)], until=now), now) is None


def test_a_card_that_wears_is_named_with_the_day_on_which_it_fails():
    now = timezone.now()
    worn = judged("00", readings(*[0.004 * n for n in range(90)], until=now), now)
    assert (round(worn.at_first, 2), round(worn.now, 2), worn.readings) == (0.02, 0.34, 90)
    assert abs(worn.fails - (now + timedelta(days=60))) < timedelta(days=2)


def test_a_card_that_is_past_it_fails_now_and_one_read_in_one_moment_has_no_day():
    now = timezone.now()
    gone = judged("00", readings(*[0.1] * 10, *[0.9] * 40, until=now), now)
    assert gone.fails == now
    assert judged("00", readings(*[0.0] * 10, *[0.3] * 10, every_s=0.0, until=now), now).fails is None


def test_c17_the_command_names_worn_cards_and_no_phones(tmp_path):
    office = Desk(tmp_path / "home")
    office.done("site", SITE, "--zones", "main", "--utc-offset", "+00:00")
    day = timezone.now().date()
    for name in ("Zhao Min", "Sun Yue"):
        pass_id = office.done(*office.issue(name, "visitor", **{"from": str(day), "until": str(day)}))
        office.done("approve", pass_id, "--by", "wang")
    assert "no card wears out" in office.run("worn").stderr
    worn, fresh = models.Pass.objects.order_by("pk").values_list("pass_id", flat=True)
    gate = SigningGate().opened()
    record = models.Gate.objects.create(
        site=models.Site.objects.get(), name="north", device_id="d", journal_key=str(gate.public), record={}
    )
    now = timezone.now().timestamp()
    for n in range(40):
        for pass_id, effort in ((worn, 0.01 * n), (fresh, 0.0)):
            gate.journal(Kind.ADMITTED, effort=effort, **{"pass": pass_id})
            models.Event.objects.create(
                gate=record,
                epoch=gate.epoch,
                seq=len(gate.bodies),
                at_utc=now - (40 - n) * DAY,
                kind="pass.admitted",
                pass_id=pass_id,
                body=gate.bodies[-1],
            )
    (line,) = office.done("worn").splitlines()
    assert line.split("\t")[:4] == [worn, "0.04", "0.35", "40"]
    connections.close_all()
