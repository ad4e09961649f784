"""The fire drill: everything between a gate and its office is killed at random, and nothing may be lost.

python -m tests.drill --rounds 500          (make drill)

gate     a process that journals as the gate does, as fast as a busy morning
site     the parts of a site as processes: gate, sync, broker, ingesters, database
__main__ the rounds, and what must be true after them
"""
