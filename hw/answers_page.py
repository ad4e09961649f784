"""The page of answers, docs/answers.md, written from the tables that the gate plays.

python -m hw.answers_page > docs/answers.md
"""

from agent.core.answers import (
    ALARM,
    CODES,
    DOOR_HELD,
    FREE,
    HIGH_HZ,
    IDENTIFY,
    LOW_HZ,
    NOTED,
    WELCOME,
    Pattern,
)
from agent.core.phrases import REASONS, SPOKEN

_HEAD = f"""# What the gate answers · 门禁应答

Every answer is light and sound together. A refusal is a count: long flashes with a low tone ({LOW_HZ} Hz),
then short flashes with a high one ({HIGH_HZ} Hz). The long count names the family, the short one the member, so
nobody needs to see the colour, or to hear, to tell them apart. Hang this page beside the gate.

每个应答都同时有灯光和声音。拒绝以次数表示：先是长闪（低音 {LOW_HZ} Hz），再是短闪（高音 {HIGH_HZ} Hz）。
长闪次数是类别，短闪次数是原因；不辨颜色、听不见或看不见的人都能分清。请将本页张贴在门旁。

This page is written from the gate's own tables by `make answers-page`; a test compares them.

## Yes, and other news · 通过及其他

| answer 应答 | light 灯 | tones 声音 | lasts 时长 | 中文 | English |
|---|---|---|---|---|---|
"""
_REFUSED = """
## No · 拒绝

1 is about time, 2 about this pass, 3 about the code itself, 4 about the gate.
一长：时间；二长：通行证；三长：二维码；四长：本门。

| long 长 | short 短 | as seen and heard 灯光与声音 | reason 原因 | 中文 | English |
|---|---|---|---|---|---|
"""
_WORDS = {IDENTIFY.name: ("这是本门。", "This is the gate that you asked for.")}


def page() -> str:
    """The whole page."""
    news = "".join(_row(pattern) for pattern in (WELCOME, NOTED, FREE, DOOR_HELD, ALARM, IDENTIFY))
    refused = "".join(
        f"| {long} | {short} | {'━' * long} {'·' * short} | `{reason}` | {REASONS[reason].zh} | {REASONS[reason].en} |\n"
        for reason, (long, short) in sorted(CODES.items(), key=lambda item: item[1])
    )
    return _HEAD + news + _REFUSED + refused


def _row(pattern: Pattern) -> str:
    lights = ", ".join(dict.fromkeys(str(beat.light) for beat in pattern.beats if beat.light))
    tones = ", ".join(dict.fromkeys(f"{beat.tone_hz} Hz" for beat in pattern.beats if beat.tone_hz))
    spoken = SPOKEN.get(pattern.name)
    zh, en = (spoken.zh, spoken.en) if spoken else _WORDS[pattern.name]
    flashes = "steady" if all(beat.light for beat in pattern.beats) else "flashing"
    return f"| `{pattern.name}` | {lights}, {flashes} | {tones} | {pattern.lasts_s:.1f} s | {zh} | {en} |\n"


if __name__ == "__main__":
    print(page(), end="")
