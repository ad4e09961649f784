"""Django's handle on the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Accounts, and what the pages keep beside the registry."""

    name = "office.web"
    label = "web"
    verbose_name = "Office pages"

    def ready(self) -> None:
        from office.web import doorbook  # noqa: PLC0415  models are ready only now

        doorbook.open()
