"""Loaded once by the process from which all sites' processes are forked: all of the office, and nothing opened."""

import gc

from office.home import prepare

prepare()

from django.core.asgi import get_asgi_application  # noqa: E402

import office.cli.feeds  # noqa: E402
import office.web.site  # noqa: E402, F401

get_asgi_application()
gc.collect()
gc.freeze()  # what is shared stays shared: the collector does not write to it
