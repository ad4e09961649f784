"""What every provisioning test begins with: a site's folder, a kiosk's room, a cable."""

import contextlib

import pytest

from provisioning import site_file
from provisioning.cable import Cable

from .workbench import Room, make_site


@pytest.fixture(scope="module")
def site_path(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("site") / "garden")


@pytest.fixture(scope="module")
def site(site_path):
    return site_file.read(site_path)


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


@pytest.fixture
def cable(room):
    with contextlib.closing(Cable(room.near, room.far)) as laid:
        yield laid
