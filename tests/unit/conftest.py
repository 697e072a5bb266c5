"""What all unit tests share."""

from hypothesis import HealthCheck, settings

# No deadline and no limit on slow generation: a busy machine must not fail a test.
settings.register_profile("moor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("moor")
