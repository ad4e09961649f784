"""What a group's door serves itself: signing in, one's own account, and all one's sites at a look."""

from django.conf.urls import handler400, handler404  # noqa: F401  Django looks for them here
from django.urls import path

from office.web.urls import AT_THE_DOOR, handler403  # noqa: F401
from office.web.views import sites

urlpatterns = [
    path("", sites.overview, name="overview"),
    *AT_THE_DOOR,
    path("<path:rest>", sites.first, name="first"),
]
