"""What the real picamera2 lacks off a Raspberry Pi, supplied before it is imported.

Only what surrounds the driver's path is replaced: a screen's library, the
kernel's memory pool, and the sensor's raw stream. Configuration, requests,
mapped buffers and their return are picamera2's and libcamera's own.
"""

import os
import sys
import types

import libcamera


class _AnyName:
    def __getattr__(self, name):
        return name


# Previews on a screen, which a gate has not.
sys.modules["kms"] = types.ModuleType("kms")
sys.modules["kms"].PixelFormats = _AnyName()

import picamera2  # noqa: E402
from picamera2 import dma_heap  # noqa: E402
from picamera2.allocators import dmaallocator  # noqa: E402


class Memory:
    """A pool of ordinary memory in place of /dev/dma_heap."""

    isValid = True  # noqa: N815  the real one's name

    def alloc(self, name, size):
        number = os.memfd_create(name)
        os.ftruncate(number, size)
        return dma_heap.UniqueFD(number)

    def close(self):
        pass


class TwoPlanes:
    """libcamera's virtual camera wants luma and chroma as planes of their own."""

    Plane = libcamera.FrameBuffer.Plane

    def __new__(cls, planes):
        luma, chroma = planes[0], libcamera.FrameBuffer.Plane()
        whole = luma.length
        chroma.fd = luma.fd
        luma.length = chroma.offset = whole * 2 // 3
        chroma.length = whole - luma.length
        return libcamera.FrameBuffer([luma, chroma])


class _Libcamera:
    FrameBuffer = TwoPlanes

    def __getattr__(self, name):
        return getattr(libcamera, name)


def _video_without_raw(self, *arguments, _made=picamera2.Picamera2.create_video_configuration, **settings):
    return _made(self, *arguments, **{**settings, "raw": None})


dmaallocator.DmaHeap = Memory
dmaallocator.libcamera = _Libcamera()
dmaallocator.fcntl = types.SimpleNamespace(ioctl=lambda *_: 0)  # ordinary memory needs no fence
picamera2.Picamera2._get_raw_modes = lambda _: [{"format": "NV12", "size": (1280, 720)}]
picamera2.Picamera2.create_video_configuration = _video_without_raw
