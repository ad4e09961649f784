"""Spoken answers, for gates with a loudspeaker: prompts made beforehand, played by aplay.

Knows files named after patterns. Refuses to make anybody wait: a prompt plays
in a process of its own, a newer one ends it, and where there is no sound
device, no player or no file, there is silence and nothing else.

    python -m hw.voice FOLDER     makes the prompts, zh/ and en/, with espeak-ng
"""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import structlog

from agent.core.phrases import LANGUAGES, SPOKEN

CARDS: Final = Path("/proc/asound/cards")
AGAIN_AFTER_S: Final = 3.0
"""The same words are not said again sooner: ten posters are one sentence."""

_VOICES: Final = {"zh": ("cmn", "150"), "en": ("en-gb", "155")}
_log = structlog.get_logger("hw.voice")


def sound_device(cards: Path = CARDS) -> bool:
    """Whether this machine has a sound card and a player.

    Source: the kernel's ALSA documentation, /proc/asound/cards.
    """
    try:
        listed = cards.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "no soundcards" not in listed and bool(listed.strip()) and shutil.which("aplay") is not None


class Voice:
    """Says what patterns mean, in the given languages one after another.

    Args:
        prompts: a folder with a folder for each language, WAV files named after patterns.
        languages: of LANGUAGES; empty says nothing.
        player: a command that takes file names.
    """

    def __init__(
        self, prompts: Path, languages: tuple[str, ...], player: tuple[str, ...] = ("aplay", "-q")
    ) -> None:
        self._files = {
            name: [
                str(path) for path in (prompts / one / f"{name}.wav" for one in languages) if path.is_file()
            ]
            for name in SPOKEN
        }
        self._player = player
        self._changed = threading.Condition()
        self._next: list[str] = []
        self._closed = False
        self._said, self._said_at = "", float("-inf")
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def say(self, name: str) -> None:
        """Begin to say what the pattern of this name means; returns at once, and never raises."""
        files = self._files.get(name)
        mono = time.monotonic()
        if not files or (name == self._said and mono - self._said_at < AGAIN_AFTER_S):
            return
        with self._changed:
            self._said, self._said_at, self._next = name, mono, files
            self._changed.notify_all()

    def close(self) -> None:
        """Be silent; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1.0)

    def _run(self) -> None:
        playing: subprocess.Popen[bytes] | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next)
                files, self._next = self._next, []
            if playing is not None:
                playing.kill()
                playing.wait()
            if self._closed:
                return
            playing = self._begin(files)

    def _begin(self, files: list[str]) -> "subprocess.Popen[bytes] | None":
        asked, none = [*self._player, *files], subprocess.DEVNULL
        try:
            return subprocess.Popen(asked, stdin=none, stdout=none, stderr=none)
        except OSError as fault:
            _log.warning("voice.failed", why=repr(fault))
            return None


def make_prompts(folder: Path) -> int:
    """Make every prompt in every language with espeak-ng; returns how many.

    Raises:
        FileNotFoundError: espeak-ng is not installed.
        CalledProcessError: it refused a sentence.
    """
    made = 0
    for language in LANGUAGES:
        voice, words_a_minute = _VOICES[language]
        (folder / language).mkdir(parents=True, exist_ok=True)
        for name, phrase in SPOKEN.items():
            target = folder / language / f"{name}.wav"
            asked = [
                "espeak-ng",
                "-v",
                voice,
                "-s",
                words_a_minute,
                "-w",
                str(target),
                getattr(phrase, language),
            ]
            subprocess.run(asked, check=True, capture_output=True, timeout=30)
            made += 1
    return made


if __name__ == "__main__":
    try:
        print(f"{make_prompts(Path(sys.argv[1]))} prompts in {sys.argv[1]}")
    except FileNotFoundError:
        print(
            "prompts: espeak-ng is not installed here (Debian: apt install espeak-ng); the gate stays silent"
        )
        raise SystemExit(3) from None
