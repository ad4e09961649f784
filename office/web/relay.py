"""From the door to a site's process: requests and answers passed on as they come, over a Unix socket.

One connection for each request. What the door knows of who asks (the address,
whether it was HTTPS) is told in headers that no browser can set, since the door
puts them in the place of any that came. Bodies are never collected: a live page's stream
and a long sheet pass through piece by piece.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import h11

from office.logs import log

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

_PLACE: Final = re.compile(r"/site/([a-z0-9][a-z0-9-]{0,31})/")
_CHUNK: Final = 64 * 1024
_OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_OURS: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"})
_AWAY: Final = "This site's office does not answer just now. Try again in a minute.\n此园区的办公室暂时没有回应，请稍后再试。\n"


class Broken(Exception):
    """The site's process ended in the middle of an answer."""


class Relay:
    """An ASGI application: a site's pages come from its process, all else from the door's own application."""

    def __init__(self, door: App, sockets: Mapping[str, str]) -> None:
        """Know where to ask.

        Args:
            sockets: the path of each site's socket; may change while it runs.
        """
        self._door, self._sockets = door, sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = _PLACE.match(scope["path"]) if scope["type"] == "http" else None
        socket = self._sockets.get(place[1]) if place else None
        if socket is None:
            await self._door(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await _pass_on(socket, scope, receive, answer)
        except (OSError, Broken, h11.ProtocolError) as fault:
            log.warning(
                "relay.away", site=place[1] if place else "", found=f"{type(fault).__name__}: {fault}"
            )
            await answer.away()


async def fetch(socket: str, path: str, headers: Headers, most: int) -> tuple[int, bytes]:
    """Ask a site's process for a short page.

    Raises:
        OSError, Broken: it does not answer, or with more than `most` bytes.
    """
    try:
        return await _fetch(socket, path, headers, most)
    except h11.ProtocolError as fault:
        raise Broken(str(fault)) from fault


async def _fetch(socket: str, path: str, headers: Headers, most: int) -> tuple[int, bytes]:
    body, status = b"", 0
    async with _asked(socket) as link:
        await link.say(h11.Request(method="GET", target=path, headers=list(headers)))
        await link.say(h11.EndOfMessage())
        async for event in link.answer():
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            if len(body) > most:
                raise Broken("a longer answer than was asked for")
    return status, body


async def _pass_on(socket: str, scope: Scope, receive: Receive, answer: "_Answer") -> None:
    async with _asked(socket) as link:
        await link.say(h11.Request(method=scope["method"], target=_target(scope), headers=_headers(scope)))
        asking = asyncio.ensure_future(_ask(link, receive))
        answering = asyncio.ensure_future(_answer(link, answer))
        try:
            # The answer may come before all of the question is read; a browser that leaves ends both.
            done, _ = await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering not in done and asking.result():
                gone = asyncio.ensure_future(_left(receive))
                await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
            if answering.done():
                answering.result()
        finally:
            for task in (asking, answering):
                task.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)


async def _ask(link: "_Link", receive: Receive) -> bool:
    """Pass the question on; False if the browser left before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        if message.get("body"):
            await link.say(h11.Data(data=message["body"]))
        more = message.get("more_body", False)
    await link.say(h11.EndOfMessage())
    return True


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(link: "_Link", answer: "_Answer") -> None:
    async for event in link.answer():
        if isinstance(event, h11.Response):
            await answer.begin(event.status_code, event.headers.raw_items())
        elif isinstance(event, h11.Data):
            await answer.go_on(bytes(event.data))
        else:
            await answer.end()


def _target(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path.partition(b"?")[0] + (b"?" + query if query else b"")


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in scope["headers"] if name not in _OF_ONE_HOP | _OURS]
    names = {name for name, _ in kept}
    if b"content-length" not in names and any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        kept.append((b"transfer-encoding", b"chunked"))
    if b"host" not in names:
        kept.append((b"host", b""))
    client = scope.get("client")
    kept.append((b"x-forwarded-for", (client[0] if client else "").encode()))
    kept.append((b"x-forwarded-proto", scope["scheme"].encode()))
    return kept


class _Answer:
    """What has been sent to the browser so far."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun, self._over = send, False, False

    async def begin(self, status: int, headers: Headers) -> None:
        self._begun = True
        lower = [(name.lower(), value) for name, value in headers]
        kept = [one for one in lower if one[0] not in _OF_ONE_HOP and one[0] != b"date"]  # the door says it
        await self._send({"type": "http.response.start", "status": status, "headers": kept})

    async def go_on(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self._over = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def away(self) -> None:
        """Say that there is no answer; one that was begun is broken off, and the browser sees that it was."""
        if self._begun:
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"retry-after", b"10"),
            (b"cache-control", b"no-store"),
        ]
        await self.begin(503, headers)
        await self.go_on(_AWAY.encode())
        await self.end()


class _Link:
    """One question and its answer on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._state = h11.Connection(h11.CLIENT)

    async def say(self, event: h11.Event) -> None:
        data = self._state.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> AsyncIterator[h11.Event]:
        """Response, data, end of message."""
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as fault:
                raise Broken(str(fault)) from fault
            if event is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(_CHUNK))
            elif isinstance(event, (h11.Response, h11.Data)):
                yield event
            elif isinstance(event, h11.EndOfMessage):
                yield event
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise Broken("it hung up")


@contextlib.asynccontextmanager
async def _asked(socket: str) -> AsyncIterator[_Link]:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        yield _Link(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
