"""A code that no frame shows whole is joined from several; two codes never are."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from agent.core.passes import STEP_S
from agent.vision import Reader, ReaderConfig
from agent.vision.stages.zxing import scan
from agent.vision.views import Views
from agent.vision.votes import ANOTHER, FORGOTTEN_AFTER, MOST_CODES, Votes
from hw.sim.codes import flat, matrix
from hw.sim.holder import Holder
from tests.core.builders import ed25519, id_of

CARD = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
WIDE, TALL = 640, 480


def before_a_lamp(text, lamp_at, *, grain=0, wide_px=110):
    """A code on a grey wall, and over it a lamp's reflection, through which nothing is seen."""
    code = flat(text, module_px=8)
    wall = np.full((TALL, WIDE), 128, np.uint8)
    top, left = (TALL - code.shape[0]) // 2, (WIDE - code.shape[1]) // 2
    wall[top : top + code.shape[0], left : left + code.shape[1]] = code
    x = left + round(lamp_at * code.shape[1])
    cv2.ellipse(wall, (x, TALL // 2 + 40), (wide_px // 2, 130), 12, 0, 360, 255, -1)
    noise = np.random.default_rng(round(lamp_at * 1000)).normal(0, grain, wall.shape)
    return cv2.add(wall, noise, dtype=cv2.CV_8U)


ACROSS = (0.50, 0.54, 0.58, 0.62, 0.66, 0.70, 0.74)
"""Of the code's width; at each of these places the lamp covers more than the error correction bears."""


def read_in(frames, **config):
    reader = Reader(ReaderConfig(budget_ms=1000, **config))
    return [[(one.text, one.stage) for one in reader.read(frame)] for frame in frames]


def test_no_single_frame_of_the_lamp_is_read():
    """Or the tests below would show nothing."""
    for at in ACROSS:
        assert Reader(ReaderConfig.still()).read(before_a_lamp(CARD, at)) == ()


def test_a_card_is_read_while_a_lamps_reflection_crosses_it():
    seen = [sighting for frame in read_in(before_a_lamp(CARD, at) for at in ACROSS) for sighting in frame]
    assert (CARD, "joined") in seen
    assert {text for text, _ in seen} == {CARD}


def test_its_corners_are_the_codes():
    reader = Reader(ReaderConfig(budget_ms=1000))
    (sighting,) = [one for at in ACROSS for one in reader.read(before_a_lamp(CARD, at))][:1]
    side = flat(CARD, module_px=8).shape[0]
    low, high = (WIDE - side) // 2 + 32, (WIDE + side) // 2 - 32
    top, bottom = (TALL - side) // 2 + 32, (TALL + side) // 2 - 32
    wanted = [(low, top), (high, top), (high, bottom), (low, bottom)]
    assert np.abs(np.array(sighting.corners) - wanted).max() < 12


def passes_at(*utcs):
    """What a phone shows at these times."""
    holder = Holder(id_of("alice"), ed25519("alice"), "willow-court")
    return [holder.text_at(utc) for utc in utcs]


@pytest.mark.parametrize("step", range(4))
def test_a_rotating_pass_is_never_joined_over_its_step(step):
    """In the middle of the lamp's way the phone shows its next code; what is read is one of them, whole."""
    utc = 1_800_000_000 + 100 * step * STEP_S
    before, after = passes_at(utc, utc + STEP_S)
    reader = Reader(ReaderConfig(budget_ms=1000))
    joined = set()
    for text, at in [*((before, at) for at in ACROSS), *((after, at) for at in ACROSS)]:
        seen = {(one.text, one.stage) for one in reader.read(before_a_lamp(text, at))}
        assert seen <= {(text, "joined")}, "of the code that is shown, not of the one before"
        joined |= seen
    assert joined


def cast(votes, text, at):
    """Let the looks at one frame vote, as the reader has them do; returns the votes on each code."""
    views = Views(before_a_lamp(text, at))
    votes.look([(views, each) for each in scan(views.full, views.full, invert=True)])
    return votes.cast


def test_the_next_step_has_a_ballot_of_its_own():
    before, after = passes_at(1_800_000_000, 1_800_000_000 + STEP_S)
    votes = Votes()
    assert len(cast(votes, before, 0.50)) == 1
    (first,) = cast(votes, before, 0.54)
    assert first > 1
    assert cast(votes, after, 0.58)[1:] == (first,)


def test_steps_differ_by_more_than_grain_and_glare_do():
    """The figures that the two tests above stand on."""
    codes = [matrix(text) for text in passes_at(*(1_800_000_000 + n * STEP_S for n in range(40)))]
    assert min(np.mean(one != other) for one, other in pairwise(codes)) > ANOTHER + 0.05


def test_votes_are_forgotten_when_nobody_is_there():
    votes = Votes()
    assert cast(votes, CARD, 0.50)
    for _ in range(FORGOTTEN_AFTER):
        votes.look(())
    assert votes.cast
    votes.look(())
    assert votes.cast == ()


def test_no_more_codes_are_remembered_than_people_hold_up():
    votes = Votes()
    for text in passes_at(*(1_800_000_000 + n * STEP_S for n in range(10))):
        cast(votes, text, 0.50)
    assert len(votes.cast) == MOST_CODES


def test_a_decoder_that_breaks_on_a_joined_code_costs_only_that():
    reader = Reader(ReaderConfig(budget_ms=1000))
    reader._votes.look = Breaks.look
    assert [one for at in ACROSS for one in reader.read(before_a_lamp(CARD, at))] == []
    assert set(reader.faults) == {"joined"}
    assert [one.text for one in reader.read(flat(CARD))] == [CARD]


class Breaks:
    def look(self):
        raise ValueError
