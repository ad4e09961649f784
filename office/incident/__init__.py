"""The file of an incident: what gates and office have of it, in one signed zip for whoever investigates (C11)."""
