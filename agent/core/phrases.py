"""Each answer in words, Chinese and English: for the page on the wall and for the voice.

A sentence says what to do next where there is something to do. It never says
more than the lights do: nobody learns from it what the site knows of a pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.core.answers import ALARM, DOOR_HELD, FREE, NOTED, REFUSALS, WELCOME
from agent.core.decision import Reason

LANGUAGES: Final = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One answer, to be read or heard."""

    zh: str
    en: str


REASONS: Final[Mapping[Reason, Phrase]] = {
    Reason.EXPIRED: Phrase(
        "通行证已过期，请联系物业续期。", "This pass has expired. Please ask the office to renew it."
    ),
    Reason.NOT_YET_VALID: Phrase(
        "通行证尚未生效，请稍后再来。", "This pass is not valid yet. Please come back later."
    ),
    Reason.OUTSIDE_SCHEDULE: Phrase("现在不在允许的时间内。", "This pass does not open at this hour."),
    Reason.CLOCK_UNSURE: Phrase(
        "闸机时间未校准，请找值班人员。", "This gate is not sure of the time. Please ask the guard."
    ),
    Reason.UNKNOWN_PASS: Phrase("系统中没有此通行证。", "This pass is not known here."),
    Reason.REVOKED: Phrase(
        "通行证已注销，请联系物业。", "This pass has been withdrawn. Please ask the office."
    ),
    Reason.SUSPENDED: Phrase("通行证已暂停，请联系物业。", "This pass is suspended. Please ask the office."),
    Reason.USED_UP: Phrase("通行证次数已用完。", "This pass has been used up."),
    Reason.PASSED_BACK: Phrase(
        "此通行证已入内，尚未离开。", "This pass has come in already and not gone out."
    ),
    Reason.MALFORMED: Phrase(
        "这不是通行码，请出示门禁二维码。", "This is no pass. Please show the code for this gate."
    ),
    Reason.FORGED: Phrase("通行码无效。", "This code is not genuine."),
    Reason.REPLAYED: Phrase(
        "此码已使用，请刷新后再试。", "This code has been used. Please show the next one."
    ),
    Reason.WRONG_SITE: Phrase("此通行证属于其他园区。", "This pass is for another site."),
    Reason.TOO_LONG: Phrase(
        "通行证有效期过长，请联系物业。", "This pass is valid for too long. Please ask the office."
    ),
    Reason.WRONG_ZONE: Phrase("此通行证不能进入本区域。", "This pass does not open this gate."),
    Reason.LIST_DEAD: Phrase(
        "闸机名单已失效，请找值班人员。", "This gate's list is too old. Please ask the guard."
    ),
    Reason.NO_LIST: Phrase("闸机尚无名单，请找值班人员。", "This gate has no list. Please ask the guard."),
    Reason.LOCKED_DOWN: Phrase(
        "本门已封闭，请听从值班人员。", "This gate is locked down. Please follow the guard."
    ),
    Reason.INTERLOCKED: Phrase(
        "另一道门未关，请稍候再试。", "The other door is open. Please wait and try again."
    ),
    Reason.FULL: Phrase("人数已满，请稍候。", "It is full inside. Please wait."),
}

SPOKEN: Final[Mapping[str, Phrase]] = {
    WELCOME.name: Phrase("请进。", "Please come in."),
    NOTED.name: Phrase("已登记。", "You are noted."),
    ALARM.name: Phrase("警报。", "Alarm."),
    DOOR_HELD.name: Phrase("请关门。", "Please close the door."),
    FREE.name: Phrase("门已开放。", "The door is open."),
    **{REFUSALS[reason].name: phrase for reason, phrase in REASONS.items()},
}
"""By the name of the pattern that is shown with it."""
