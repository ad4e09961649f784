"""What the process of one site in a group serves, below /site/NAME/."""

from django.conf.urls import handler400, handler404  # noqa: F401  Django looks for them here

from office.web.urls import OF_A_SITE, handler403  # noqa: F401

urlpatterns = OF_A_SITE
