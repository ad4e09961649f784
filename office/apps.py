"""Django's handle on the office."""

from django.apps import AppConfig


class OfficeConfig(AppConfig):
    """One app holds the registry, the feed and what was published."""

    name = "office"
    verbose_name = "Site office"
