"""A day at an estate: sites, gates and people, from midnight to midnight, through the product's own parts.

python -m tests.estate          (make estate; ESTATE_PEOPLE, ESTATE_GATES, SEED)

plan     who comes where and when, and what ought to come of it: the truth, written before anything runs
stories  the day's incidents: each with its showings, its steps and what ought to come of it
gate     one gate as a process: the real one, but for its clock and what stands before its camera
site     a site's office, gates and files, made by the product's own commands
day      the conductor: plays the plan, cuts cables, starts fires
found    what gates and offices say afterwards
verdict  the one held against the other
table    the day, for a terminal
"""
