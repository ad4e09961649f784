"""How hypothesis searches here: no example is timed, since a loaded machine is no fault of the core."""

from hypothesis import HealthCheck, settings

settings.register_profile("gate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")
