"""Answers in words: the page on the wall, the prompts, and a voice that keeps nobody waiting."""

import shutil
import sys
import time
import wave
from pathlib import Path

import pytest

from agent.core import answers
from agent.core.decision import Reason
from agent.core.phrases import LANGUAGES, REASONS, SPOKEN
from hw.answers_page import page
from hw.board import load_board
from hw.outputs import GpioOutputs
from hw.voice import Voice, make_prompts, sound_device
from tests.pins import open_factory

PAGE = Path(__file__).parent.parent / "docs" / "answers.md"
NOTES = "import sys, time; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n'); time.sleep(60)"


@pytest.fixture
def spoken(tmp_path):
    """A voice whose player writes down what it was asked to play, and plays it for a minute."""
    for language in LANGUAGES:
        (tmp_path / language).mkdir()
        for name in SPOKEN:
            (tmp_path / language / f"{name}.wav").touch()
    notes = tmp_path / "notes"
    notes.touch()
    voice = Voice(tmp_path, LANGUAGES, (sys.executable, "-c", NOTES, str(notes)))
    yield (
        voice,
        lambda: [[Path(file).stem for file in line.split()] for line in notes.read_text().splitlines()],
    )
    voice.close()


def soon(true) -> bool:
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(true())


def test_the_page_on_the_wall_says_what_the_gate_plays():
    assert PAGE.read_text() == page(), "run make answers-page"


def test_every_reason_has_a_sentence_in_both_languages_of_its_own():
    assert set(REASONS) == set(Reason)
    for language in LANGUAGES:
        sentences = [getattr(phrase, language) for phrase in REASONS.values()]
        assert len(set(sentences)) == len(sentences)
        assert all(5 <= len(sentence) <= 80 for sentence in sentences)


def test_each_answer_is_said_in_both_languages_and_a_newer_one_ends_it(spoken):
    voice, notes = spoken
    voice.say("admitted")
    assert soon(lambda: notes() == [["admitted", "admitted"]])
    voice.say("refused.expired")
    assert soon(lambda: notes()[1:] == [["refused.expired", "refused.expired"]])


def test_ten_posters_are_one_sentence(spoken):
    voice, notes = spoken
    for _ in range(10):
        voice.say("refused.malformed")
    assert soon(lambda: len(notes()) == 1)
    time.sleep(0.2)
    assert len(notes()) == 1


def test_a_voice_without_prompts_or_without_a_player_is_silent(tmp_path):
    mute = Voice(tmp_path, LANGUAGES)
    mute.say("admitted")
    mute.close()
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "admitted.wav").touch()
    playerless = Voice(tmp_path, ("en",), (str(tmp_path / "no-player"),))
    playerless.say("admitted")
    playerless.say("unknown pattern")
    playerless.close()


def test_a_machine_without_a_sound_card_has_no_voice(tmp_path):
    cards = tmp_path / "cards"
    assert not sound_device(cards)
    cards.write_text("--- no soundcards ---\n")
    assert not sound_device(cards)
    cards.write_text(" 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n")
    assert sound_device(cards) == (shutil.which("aplay") is not None)


def test_the_lights_do_not_wait_for_the_voice(spoken):
    voice, notes = spoken
    for factory in open_factory("mock"):
        outputs = GpioOutputs(load_board("simulator"), factory, voice=voice)
        outputs.show(answers.WELCOME)
        assert soon(lambda: notes() == [["admitted", "admitted"]])
        outputs.close()


@pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed here; the gate is silent without it"
)
def test_prompts_are_made_for_every_answer_in_both_languages(tmp_path):
    assert make_prompts(tmp_path) == len(LANGUAGES) * len(SPOKEN)
    for language in LANGUAGES:
        for name in SPOKEN:
            with wave.open(str(tmp_path / language / f"{name}.wav")) as prompt:
                assert 0.2 < prompt.getnframes() / prompt.getframerate() < 8
