"""Files that are made while they are sent, on whichever kind of server."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import get_language, override


def download(
    request: HttpRequest, chunks: Iterator[bytes], name: str, content_type: str
) -> StreamingHttpResponse:
    """Send chunks as a file to be saved; under ASGI one by one, where Django would collect them all first."""
    content = _one_by_one(chunks) if isinstance(request, ASGIRequest) else chunks
    return StreamingHttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _one_by_one(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    language = get_language()

    def following() -> bytes | None:
        with override(language):
            return next(chunks, None)

    try:
        while (chunk := await sync_to_async(following)()) is not None:
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            await sync_to_async(close)()
