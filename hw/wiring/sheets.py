"""What is connected to what: one function for each sheet."""

from collections.abc import Callable

from hw.wiring.draw import COLD, FIRE, HOT, SIGNAL, Sheet


def fail_safe() -> Sheet:
    """A magnet that holds while it has current."""
    sheet = Sheet(
        "fail-safe",
        "Fail-safe lock (magnet): locked while it has current",
        (
            "The lock is on the relay's NC contact: an energised relay takes the current away, and so does a power cut.",
            "The fire panel's contact and the break-glass unit are in the same wire, before the relay: they release the",
            "door whatever the kiosk does. Use this for every door on an escape route. The diode sits at the lock.",
            "Supply: a listed door supply with its own battery; fuse at 1.5 times the lock's current.",
        ),
        height=600,
    )
    sheet.box(40, 110, 150, 90, "Door supply", "12 V DC, battery", "fused")
    sheet.wire((190, 135), (260, 135), colour=HOT)
    sheet.text(198, 127, "+12 V", "s")
    sheet.contact(290, 135, "fire panel, NC", closed=True, colour=FIRE)
    sheet.wire((320, 135), (390, 135), colour=FIRE)
    sheet.contact(420, 135, "break glass, NC", closed=True, colour=FIRE)
    sheet.wire((450, 135), (540, 135), colour=FIRE)
    sheet.area(500, 68, 140, 204, "relay module")
    sheet.contact(570, 135, "COM - NC", closed=True, colour=HOT)
    sheet.wire((600, 135), (690, 135), colour=HOT)
    sheet.text(570, 170, "NO: free", "s", "middle")
    sheet.box(520, 200, 100, 56, "coil", "BCM 17")
    sheet.wire((570, 200), (570, 180), dashed=True)
    sheet.joint(690, 135, HOT)
    sheet.wire((690, 135), (850, 135), (850, 180), colour=HOT)
    sheet.box(790, 180, 120, 80, "Magnet lock", "12 V, 0.5 A")
    sheet.wire((850, 260), (850, 310), (115, 310), (115, 200), colour=COLD)
    sheet.wire((690, 135), (690, 194))
    sheet.diode(690, 220, "1N4007")
    sheet.wire((690, 246), (690, 310))
    sheet.joint(690, 310, COLD)
    sheet.text(198, 302, "0 V of the door supply, not joined to the kiosk's", "s")
    sheet.box(500, 356, 140, 76, "Kiosk", "5 V supply of its own", "header pin 11")
    sheet.wire((570, 356), (570, 256), colour=SIGNAL)
    sheet.text(578, 344, "control (opto-isolated)", "s")
    sheet.box(40, 356, 200, 76, "Fire panel", "second contact, NC", "to the kiosk's fire input")
    sheet.wire((240, 394), (500, 394), colour=SIGNAL, dashed=True)
    sheet.text(262, 386, "so that it is known and recorded", "s")
    return sheet


def fail_secure() -> Sheet:
    """A strike that opens while it has current."""
    sheet = Sheet(
        "fail-secure",
        "Fail-secure lock (electric strike): locked without current",
        (
            "The strike is on the relay's NO contact: an energised relay gives it current. A power cut leaves it shut,",
            "so people inside need a handle that opens mechanically. The fire panel's NO contact lies across the relay's",
            "and releases without the kiosk, while the supply lasts; on an escape route use a fail-safe lock instead.",
            "An AC strike takes a varistor in place of the diode.",
        ),
        height=600,
    )
    sheet.box(40, 130, 150, 90, "Door supply", "12 V DC, battery", "fused")
    sheet.wire((190, 155), (400, 155), colour=HOT)
    sheet.text(198, 147, "+12 V", "s")
    sheet.joint(400, 155, HOT)
    sheet.area(440, 120, 140, 190, "relay module")
    sheet.wire((400, 155), (480, 155), colour=HOT)
    sheet.contact(510, 155 + 10, "", closed=False, colour=HOT)
    sheet.wire((480, 155), (480, 165), colour=HOT)
    sheet.wire((540, 165), (540, 155), (740, 155), colour=HOT)
    sheet.text(510, 200, "COM - NO", "s", "middle")
    sheet.box(460, 240, 100, 56, "coil", "BCM 17")
    sheet.wire((510, 240), (510, 206), dashed=True)
    sheet.wire((400, 155), (400, 92), (480, 92), colour=FIRE)
    sheet.contact(510, 92, "fire panel, NO", closed=False, colour=FIRE)
    sheet.wire((540, 92), (660, 92), (660, 155), colour=FIRE)
    sheet.joint(660, 155, HOT)
    sheet.joint(700, 155, HOT)
    sheet.wire((740, 155), (850, 155), (850, 190), colour=HOT)
    sheet.box(790, 190, 120, 80, "Strike", "12 V, 0.3 A")
    sheet.wire((850, 270), (850, 340), (115, 340), (115, 220), colour=COLD)
    sheet.wire((700, 155), (700, 208))
    sheet.diode(700, 234, "1N4007")
    sheet.wire((700, 260), (700, 340))
    sheet.joint(700, 340, COLD)
    sheet.text(198, 332, "0 V of the door supply, not joined to the kiosk's", "s")
    sheet.box(440, 376, 140, 70, "Kiosk", "5 V supply of its own", "header pin 11")
    sheet.wire((510, 376), (510, 296), colour=SIGNAL)
    sheet.text(518, 364, "control (opto-isolated)", "s")
    sheet.box(40, 376, 200, 70, "Handle inside", "opens the strike's door", "mechanically, always")
    return sheet


def relay_driver() -> Sheet:
    """From a pin to a coil."""
    sheet = Sheet(
        "relay-driver",
        "Relay driver: from the pin to the coil, isolated",
        (
            "A pin gives 3 V and a few mA: never a coil. The 10 k resistor holds the driver off from power-on until the",
            "software has its pin, and again when the pin floats. The diode across the coil takes the coil's kick.",
            "The optocoupler keeps the door's cables off the Pi: supply the coil from a source of its own and leave out",
            "the jumper that joins JD-VCC to VCC on the usual modules. All values for a 5 V, 70 mA relay.",
        ),
    )
    sheet.box(40, 130, 150, 150, "Raspberry Pi", "BCM 17, header 11", "(board file:", "relay.pin)")
    sheet.wire((190, 170), (300, 170), colour=SIGNAL)
    sheet.text(198, 162, "3.3 V out", "s")
    sheet.joint(230, 170, SIGNAL)
    sheet.wire((230, 170), (230, 215))
    sheet.resistor(230, 235, "10 k")
    sheet.wire((230, 255), (230, 330))
    sheet.resistor(320, 170, "330 R", upright=False, colour=SIGNAL)
    sheet.wire((340, 170), (420, 170), (420, 204), colour=SIGNAL)
    sheet.area(385, 120, 190, 190, "optocoupler PC817")
    sheet.diode(420, 230, "", up=False)
    sheet.wire((420, 256), (420, 330))
    sheet.wire((190, 255), (205, 255), (205, 330), (420, 330))
    sheet.joint(230, 330)
    sheet.ground(320, 330)
    sheet.text(262, 352, "0 V Pi", "s", "middle")
    sheet.wire((440, 215), (478, 215), dashed=True, colour=FIRE)
    sheet.wire((440, 240), (478, 240), dashed=True, colour=FIRE)
    sheet.wire((500, 200), (500, 260))
    sheet.wire((500, 222), (540, 196), (540, 90), (690, 90), colour=HOT)
    sheet.wire((500, 238), (540, 264), (540, 285))
    sheet.wire((540, 285), (620, 285))
    sheet.resistor(600, 285, "1 k", upright=False)
    sheet.wire((620, 285), (672, 285))
    sheet.wire((672, 262), (672, 308))
    sheet.wire((672, 275), (730, 250))
    sheet.wire((672, 295), (730, 322), (730, 350))
    sheet.text(742, 292, "BC337", "s")
    sheet.ground(730, 350)
    sheet.text(764, 364, "0 V relay", "s")
    sheet.box(690, 135, 80, 76, "coil", "5 V", "70 mA")
    sheet.wire((730, 211), (730, 250))
    sheet.wire((690, 90), (730, 90), (730, 135), colour=HOT)
    sheet.joint(730, 90, HOT)
    sheet.text(600, 82, "+5 V, relay's own", "s")
    sheet.wire((730, 90), (820, 90), (820, 148), colour=HOT)
    sheet.diode(820, 174, "1N4148")
    sheet.wire((820, 200), (820, 232), (730, 232))
    sheet.joint(730, 232)
    sheet.wire((640, 173), (690, 173), dashed=True)
    sheet.text(590, 195, "its contact: on", "s")
    sheet.text(590, 211, "the lock's sheet", "s")
    return sheet


def inputs() -> Sheet:
    """The five loops."""
    sheet = Sheet(
        "inputs",
        "Inputs: button, contacts and loops of the reference board",
        (
            "Drawn at rest: door shut, housing whole, no fire, nobody at the button. A loop is closed to 0 V while all is",
            "well, so that a cut wire reads as an open door, a broken housing, a fire. The button alone closes on a press,",
            "and it may also have a second pole in the lock's own wire, so that the way out needs no software at all.",
            "Up to 30 m: shielded pair, 1 k in series and 100 nF to 0 V at the kiosk. Longer, or from other buildings: opto.",
        ),
        height=650,
    )
    sheet.box(40, 90, 150, 400, "Raspberry Pi", "0 V: header 9")
    rows = (
        (150, "BCM 5, header 29", "exit button, inside", False, "opens the way out"),
        (220, "BCM 6, header 31", "door contact", True, "closed: leaf shut"),
        (290, "BCM 12, header 32", "tamper loop", True, "two switches in series"),
        (360, "BCM 16, header 36", "second door (interlock)", True, "closed: its leaf shut"),
        (430, "BCM 13, header 33", "fire", True, "through an optocoupler"),
    )
    for y, pin, label, closed, note in rows:
        sheet.text(46, y + 4, pin, "s")
        sheet.wire((190, y), (300, y), colour=SIGNAL)
        sheet.resistor(250, y, "1 k", upright=False, colour=SIGNAL)
        if label == "tamper loop":
            sheet.contact(390, y, "lid", closed=True)
            sheet.contact(470, y, "wall", closed=True)
            sheet.wire((300, y), (360, y), colour=SIGNAL)
            sheet.wire((420, y), (440, y))
            sheet.wire((500, y), (560, y))
        elif label == "fire":
            sheet.wire((300, y), (350, y), colour=SIGNAL)
            sheet.area(345, y - 42, 150, 72, "optocoupler")
            sheet.contact(420, y, "", closed=True)
            sheet.wire((350, y), (390, y), colour=SIGNAL)
            sheet.wire((450, y), (560, y))
            sheet.wire((420, y + 30), (420, y + 62), (600, y + 62), colour=FIRE)
            sheet.text(610, y + 66, "24 V from the panel, 2.2 k, while no alarm", "s")
        else:
            sheet.wire((300, y), (390, y), colour=SIGNAL)
            sheet.contact(420, y, "", closed=closed)
            sheet.wire((450, y), (560, y))
        sheet.joint(560, y)
        sheet.text(585, y - 2, label, "b")
        sheet.text(585, y + 14, note, "s")
    sheet.wire((560, 150), (560, 470), (190, 470))
    sheet.text(200, 462, "0 V", "s")
    sheet.text(200, 116, "internal pull-ups of the Pi; board file hw/boards/reference.toml", "s")
    return sheet


def fire_path() -> Sheet:
    """The two ways a fire takes."""
    sheet = Sheet(
        "fire-path",
        "The fire path: what wires do, and what software does beside them",
        (
            "1: the panel takes the lock's current away by itself; no processor is in this path. This is what a fire safety",
            "case rests on. 2: the kiosk reads a second contact, releases its relay as well, records the alarm and shows a",
            "green light; it holds the lock released even when the gate's main process hangs. Test 1 with the kiosk off,",
            "then 2 with the kiosk on, at commissioning and each year; write both into the inspection record.",
        ),
        height=520,
    )
    sheet.box(40, 150, 160, 120, "Fire panel", "two contacts,", "potential-free")
    sheet.wire((200, 175), (300, 175), colour=FIRE)
    sheet.text(208, 167, "1", "b")
    sheet.box(300, 140, 200, 70, "in the lock's own wire", "NC contact, fail-safe lock")
    sheet.wire((500, 175), (780, 175), colour=FIRE)
    sheet.text(530, 167, "current is gone: the door is free", "s")
    sheet.box(780, 140, 140, 130, "Lock")
    sheet.wire((200, 245), (300, 245), colour=SIGNAL)
    sheet.text(208, 237, "2", "b")
    sheet.box(300, 225, 90, 56, "opto", "fire input")
    sheet.wire((390, 253), (420, 253), colour=SIGNAL)
    sheet.box(420, 225, 100, 56, "gate", "records")
    sheet.wire((520, 253), (550, 253), colour=SIGNAL)
    sheet.box(550, 225, 110, 56, "supervisor", "holds the pin")
    sheet.wire((660, 253), (690, 253), colour=SIGNAL)
    sheet.box(690, 225, 64, 56, "relay")
    sheet.wire((754, 253), (780, 253), colour=SIGNAL)
    sheet.text(420, 305, "within 1 s, and recorded", "s")
    sheet.box(300, 330, 200, 54, "break-glass unit", "in the same wire as 1")
    sheet.wire((400, 330), (400, 300), colour=FIRE, dashed=True)
    sheet.wire((400, 300), (275, 300), (275, 175), colour=FIRE, dashed=True)
    sheet.joint(275, 175, FIRE)
    return sheet


SHEETS: tuple[Callable[[], Sheet], ...] = (fail_safe, fail_secure, relay_driver, inputs, fire_path)
