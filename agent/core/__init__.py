"""The rules of a gate, pure: no clock, file, thread or network is reachable from here.

Wire formats live here once, for the gate, the office and the technician's
tools alike. Everything takes the moment it happens at as an argument and
answers with values; performing an answer is the shell's work.
"""
