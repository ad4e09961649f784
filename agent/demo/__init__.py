"""The demonstration: an office, a broker and two gates on one machine, for half a minute.

It is a stranger to the rooms it shows: everything is done by the commands
that a site would use, over a simulated cable, a real broker and real files.
Only the cameras' pictures and the boards' pins are simulated.
"""
