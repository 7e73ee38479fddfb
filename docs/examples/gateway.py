"""A gateway in one file: any of four LLM APIs in front, any of them behind.

    pip install deltafold starlette httpx uvicorn
    UPSTREAM_WIRE=chat UPSTREAM_URL=https://api.openai.com/v1 python gateway.py

A client of the Responses API, Chat Completions, Anthropic Messages or Gemini finds its own API at port 8000
and is answered by the one upstream. The settings are the fields of `Settings`, in capitals, from the
environment.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import quote

import anyio
import attrs
import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.responses import Response as Reply
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from deltafold import (
    ArgumentsDelta,
    CustomToolCall,
    ErrorKind,
    ErrorReported,
    Event,
    FunctionCall,
    Heartbeat,
    Item,
    ItemFinished,
    ItemStarted,
    LimitExceeded,
    Limits,
    Loss,
    Outcome,
    Response,
    ResponseError,
    ResponseFinished,
    ResponseParser,
    ResponseStarted,
    Sign,
    StreamEncoder,
    UsageError,
    classify_http_error,
    convert_request,
    encode_response,
    sign_of,
)

log = logging.getLogger("gateway")


@attrs.frozen(kw_only=True)
class Settings:
    """What can be set. Times are in seconds."""

    upstream_url: str = "https://api.openai.com/v1"
    """With the version, without the name of a method."""
    upstream_wire: str = "responses"
    """`responses`, `chat`, `anthropic` or `gemini`."""
    upstream_key: str = ""
    """The client's own key goes upstream where this is empty."""
    upstream_model: str = ""
    """The model to ask, whatever the client asks for."""
    heartbeat: float = 15.0
    """After so much silence the client of a stream gets a sign of life."""
    stall: float = 600.0
    """An upstream that is silent for so long, or sends nothing but signs of life, is given up."""
    resumptions: int = 3
    """How often a lost connection is taken up again, where the upstream's API can do that."""
    request_bytes: int = 32 << 20
    response_bytes: int = 64 << 20

    @classmethod
    def from_environment(cls) -> Settings:
        found = {field: os.environ.get(field.name.upper()) for field in attrs.fields(cls)}
        return cls(**{field.name: type(field.default)(value) for field, value in found.items() if value})


STATUS = {
    ErrorKind.INVALID_REQUEST: 400,
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: 400,
    ErrorKind.CONTENT_POLICY: 400,
    ErrorKind.AUTHENTICATION: 401,
    ErrorKind.PERMISSION: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.QUOTA_EXCEEDED: 429,
    ErrorKind.USAGE_LIMIT_REACHED: 429,
    ErrorKind.SERVER_ERROR: 500,
    ErrorKind.UNKNOWN: 500,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
}
"""The status of an answer that is an error. One that was cut off is 502."""


ANSWERS = (Outcome.COMPLETED, Outcome.INCOMPLETE)
"""The ends of a response that is an answer, and no error."""


class Refused(Exception):
    """The upstream does not answer a request."""

    def __init__(self, error: ResponseError) -> None:
        super().__init__(error.message)
        self.error = error


def failed(kind: ErrorKind, message: str) -> ResponseError:
    """A failure that the gateway itself has found."""
    retryable = kind in (ErrorKind.SERVER_ERROR, ErrorKind.TIMEOUT)
    return ResponseError(kind, message, retryable=retryable)


# ------------------------------------------------------------------------------------------- the upstream


@attrs.frozen
class Upstream:
    """The API behind: how it is asked, and the events of its answers."""

    settings: Settings
    client: httpx.AsyncClient

    def request(
        self, method: str, path: str, came: Request, body: dict[str, Any] | None = None
    ) -> httpx.Request:
        """A request with the key, where this API wants it, and the headers that are meant for it."""
        wire, given = self.settings.upstream_wire, came.headers
        headers = {name: given[name] for name in ("anthropic-beta", "openai-beta") if name in given}
        key = self.settings.upstream_key or key_of(came)
        if wire == "anthropic":
            headers["anthropic-version"] = given.get("anthropic-version", "2023-06-01")
        name = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(wire, "authorization")
        if key:  # a server of one's own may want none
            headers[name] = f"Bearer {key}" if name == "authorization" else key
        if body is not None:
            headers["content-type"] = "application/json"
        content = None if body is None else json.dumps(body)  # in ASCII, whatever is in it
        url = self.settings.upstream_url.rstrip("/") + path
        return self.client.build_request(method, url, headers=headers, content=content)

    def generation(self, came: Request, body: dict[str, Any], model: Any, *, streamed: bool) -> httpx.Request:
        """The request for an answer, with the members that say how this API is to tell it."""
        wire = self.settings.upstream_wire
        if not isinstance(model, str) or not model:
            raise UsageError("model: a name is expected")
        if wire == "gemini":
            body.pop("model", None)
            return self.request("POST", gemini_path(model, streamed=streamed), came, body)
        body["stream"] = streamed
        if wire == "chat" and streamed:
            body["stream_options"] = {**member(body, "stream_options"), "include_usage": True}
        path = {"responses": "/responses", "chat": "/chat/completions", "anthropic": "/messages"}[wire]
        return self.request("POST", path, came, body)

    def resumption(self, parser: ResponseParser, came: Request) -> httpx.Request | None:
        """What asks for the rest of a response that the upstream has stored; None where none can be had."""
        told, number = parser.response, parser.last_sequence_number
        if self.settings.upstream_wire != "responses" or not told.id or number is None or told.error:
            return None
        path = f"/responses/{quote(told.id, safe='')}?stream=true&starting_after={number}"
        return self.request("GET", path, came)

    async def events(
        self, came: Request, request: httpx.Request, note: Counter[str]
    ) -> AsyncGenerator[Event | None, None]:
        """The events of an answer: whatever happens, the last one is `ResponseFinished`.

        None stands for the status line of a success: from then on the client may be told that all is well.
        """
        limit = self.settings.response_bytes
        limits = Limits(text_size=limit, body_bytes=limit)
        parser = ResponseParser(self.settings.upstream_wire, limits=limits)
        problem = None
        for attempt in range(1 + self.settings.resumptions):
            if attempt:
                resumption = self.resumption(parser, came)
                if resumption is None:
                    break
                await anyio.sleep((parser.reconnection_time or 250) / 1000 * attempt)
                parser.reconnect()
                note["resumed"] += 1
                request = resumption
            try:
                alive = time.monotonic()
                async with contextlib.aclosing(self.chunks(request)) as chunks:
                    async for chunk in chunks:
                        yield None
                        parser.feed(chunk)
                        for event in parser.events():
                            if sign_of(event) is not Sign.LIFE:
                                alive = time.monotonic()
                            yield event
                            if isinstance(event, ResponseFinished):
                                return
                        if time.monotonic() - alive > self.settings.stall:
                            raise TimeoutError
                problem = None
            except Refused as refused:
                problem = problem if attempt else refused.error
                break
            except (TimeoutError, httpx.TimeoutException):
                problem = failed(
                    ErrorKind.TIMEOUT, f"The upstream was silent for {self.settings.stall:g} seconds."
                )
            except httpx.RequestError as error:
                problem = failed(ErrorKind.SERVER_ERROR, f"The connection to the upstream failed: {error!r}")
            except LimitExceeded as error:
                problem = failed(
                    ErrorKind.SERVER_ERROR, f"The upstream's answer is too large: {error.message}"
                )
                yield ErrorReported(problem)
                yield ended(parser.response, problem)
                return
        parser.close()
        for event in parser.events():
            if problem and isinstance(event, ResponseFinished) and event.outcome is Outcome.TRUNCATED:
                yield ErrorReported(problem)
                event = ended(event.response, problem)
            yield event

    async def chunks(self, request: httpx.Request) -> AsyncGenerator[bytes, None]:
        """The chunks of an answer, the first of them empty: it says that the request was not refused."""
        http = await self.client.send(request, stream=True)
        try:
            await check(http)
            yield b""
            async for chunk in http.aiter_bytes():
                yield chunk
        finally:
            await http.aclose()


def ended(response: Response, error: ResponseError) -> ResponseFinished:
    """The end of a response that failed on its way."""
    return ResponseFinished(Outcome.FAILED, attrs.evolve(response, outcome=Outcome.FAILED, error=error))


async def check(http: httpx.Response) -> None:
    """Raises `Refused` where the status is that of no answer."""
    if http.is_success:
        return
    body = b""
    with contextlib.suppress(httpx.RequestError):  # then the status has to be enough
        async for chunk in http.aiter_bytes():
            body += chunk
            if len(body) > 1 << 20:
                break
    raise Refused(classify_http_error(http.status_code, http.headers, body))


def gemini_path(model: str, *, streamed: bool) -> str:
    method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return f"/models/{quote(model.removeprefix('models/'), safe='')}:{method}"


def member(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside of a body; {} where it is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def key_of(came: Request) -> str:
    """The client's key, wherever its API puts it."""
    bearer = came.headers.get("authorization", "").removeprefix("Bearer ")
    named = came.headers.get("x-api-key") or came.headers.get("x-goog-api-key")
    return (named or came.query_params.get("key") or bearer).strip()


# -------------------------------------------------------------------------------------------- the client


class CustomTools:
    """Tools whose input is free text, which Anthropic and Gemini do not have.

    There a function of one string stands for each, and calls of it become calls of the client's tool again.
    """

    def __init__(self, tools: Any, upstream_wire: str) -> None:
        self.names: set[Any] = set()
        self.open: set[int] = set()
        if upstream_wire in ("anthropic", "gemini"):
            custom = [tool for tool in tools or () if tool.get("type") == "custom"]
            self.names = {tool.get("name") or member(tool, "custom").get("name") for tool in custom}

    def back(self, event: Event) -> list[Event]:
        """The events that the client is to see in the place of one."""
        if isinstance(event, ItemStarted) and self.concerns(event.item):
            self.open.add(event.output_index)
            return [attrs.evolve(event, item=self.custom(event.item, told=""))]
        if isinstance(event, ItemFinished) and event.output_index in self.open:
            item = self.custom(event.item)
            self.open.remove(event.output_index)
            return [ArgumentsDelta(event.output_index, item.input), attrs.evolve(event, item=item)]
        if isinstance(event, ResponseFinished):
            return [attrs.evolve(event, response=self.whole(event.response))]
        # Pieces of the arguments are left out: the input stands in them as a JSON string.
        return [] if getattr(event, "output_index", None) in self.open else [event]

    def whole(self, response: Response) -> Response:
        """The whole response, as the client is to see it."""
        output = [self.custom(item) if self.concerns(item) else item for item in response.output]
        return attrs.evolve(response, output=tuple(output)) if self.names else response

    def concerns(self, item: Item) -> bool:
        return isinstance(item, FunctionCall) and item.name in self.names

    def custom(self, item: Any, told: str | None = None) -> CustomToolCall:
        if told is None:
            try:
                told = str(json.loads(item.arguments)["input"])
            except (ValueError, LookupError, TypeError):  # not whole, or not what was asked for
                told = item.arguments
        data = {"type": "custom_tool_call", "call_id": item.call_id, "name": item.name, "input": told}
        return CustomToolCall(
            item.id,
            item.call_id,
            item.name,
            told,
            item.complete,
            item.status,
            item.needs_approval,
            item.choice_index,
            data,
        )


class Exchange:
    """One request of a client, and its answer in the words of the client's API."""

    def __init__(self, upstream: Upstream, wire: str, scope: Scope, receive: Receive, send: Send) -> None:
        self.upstream, self.settings, self.wire = upstream, upstream.settings, wire
        self.scope, self.receive, self.to_client = scope, receive, send
        self.came = Request(scope, receive)
        self.began = self.sent = time.monotonic()
        self.first: float | None = None  # when the first byte of a stream went out
        self.model, self.streamed, self.array, self.usage = "", False, False, True
        self.encoder: StreamEncoder | None = None
        self.losses: tuple[Loss, ...] = ()
        self.note: Counter[str] = Counter()
        self.status, self.outcome, self.said = 0, "", ""
        self.may_beat, self.turn = False, anyio.Lock()  # what is sent, and signs of life, take turns
        self.custom = CustomTools((), "")

    async def run(self) -> None:
        """Answers, until that is done or the client is gone; and writes one line of it to the log."""
        try:
            request = await self.read()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.watch, tasks.cancel_scope)
                tasks.start_soon(self.beat)
                async with contextlib.aclosing(self.upstream.events(self.came, request, self.note)) as events:
                    with contextlib.suppress(OSError):  # some servers raise it where the client is gone
                        await (self.stream(events) if self.streamed else self.whole(events))
                tasks.cancel_scope.cancel()
        except (UsageError, ValueError, RecursionError) as error:
            await self.refuse(failed(ErrorKind.INVALID_REQUEST, str(error) or type(error).__name__))
        except Refused as refused:
            await self.refuse(refused.error)
        except ClientDisconnect:
            self.outcome = "client_gone"
        finally:
            self.write_log()

    async def read(self) -> httpx.Request:
        """The client's request, as the upstream is to be asked."""
        raw = bytearray()
        async for chunk in self.came.stream():
            raw += chunk
            if len(raw) > self.settings.request_bytes:
                raise UsageError(f"the request has more than {self.settings.request_bytes} bytes")
        body = json.loads(raw, parse_constant=no_json)
        if not isinstance(body, dict):
            raise UsageError("the request is no JSON object")
        if self.wire == "gemini":
            model, _, method = self.scope["path_params"]["call"].rpartition(":")
            self.streamed = method == "streamGenerateContent"
            if not self.streamed and method != "generateContent":
                raise Refused(failed(ErrorKind.NOT_FOUND, f"There is no method {method!r}."))
            self.array = self.streamed and self.came.query_params.get("alt") != "sse"
        else:
            model, self.streamed = body.get("model"), body.get("stream") is True
        if body.get("background") and not self.streamed:
            raise UsageError("background: this gateway keeps no responses that could be fetched later")
        self.usage = self.wire != "chat" or member(body, "stream_options").get("include_usage") is True
        self.model = self.settings.upstream_model or model
        converted = convert_request(body, self.wire, self.settings.upstream_wire, model=self.model)
        self.losses = converted.losses
        self.custom = CustomTools(body.get("tools"), self.settings.upstream_wire)
        return self.upstream.generation(self.came, converted.request, self.model, streamed=self.streamed)

    # -------------------------------------------------------------------------------------------- answers

    async def whole(self, events: AsyncIterator[Event | None]) -> None:
        """An answer in one piece."""
        async for event in events:
            self.note["events"] += event is not None
            if isinstance(event, ResponseFinished):
                if event.outcome in ANSWERS:
                    self.outcome = event.outcome
                    response = named(self.custom.whole(event.response), self.wire)
                    await self.reply(200, encode_response(response, self.wire))
                else:
                    await self.fail(event.response)

    async def stream(self, events: AsyncIterator[Event | None]) -> None:
        """An answer as it comes. What fails before anything was said gets a status that says so."""
        held: list[Event] = []
        async for event in events:
            if event is None:
                self.may_beat = True
                continue
            self.note["events"] += 1
            held.append(event)
            if self.first is None:
                if isinstance(event, ResponseFinished) and event.outcome not in ANSWERS:
                    await self.fail(event.response)
                    return
                if isinstance(event, (Heartbeat, ErrorReported)):
                    continue
                await self.begin()
            written = b"".join([self.written(told) for event in held for told in self.custom.back(event)])
            held.clear()
            if isinstance(event, ResponseFinished):
                self.outcome, self.said = event.outcome, message_of(event.response)
                await self.send(written, more=False)
            elif written:
                await self.send(written)

    def written(self, event: Event) -> bytes:
        """What an event is on the client's wire."""
        if self.encoder is None:
            unnamed = not (isinstance(event, ResponseStarted) and event.response_id)
            self.encoder = StreamEncoder(
                self.wire,
                response_id=new_id(self.wire) if unnamed else None,
                created=int(time.time()),
                include_usage=self.usage,
            )
        if not self.array:
            return self.encoder.encode(event)
        said = b""
        for payload in self.encoder.payloads(event):
            said += (b",\r\n" if self.note["payloads"] else b"[") + json.dumps(payload).encode()
            self.note["payloads"] += 1
        if isinstance(event, ResponseFinished):
            said += b"]" if self.note["payloads"] else b"[]"
        return said

    async def fail(self, response: Response) -> None:
        """The answer to a request of which nothing came."""
        if response.error and response.error.code in ("nothing_understood", "wrong_dialect"):
            # The upstream speaks another API than it was said to, which is not the client's fault.
            error = failed(ErrorKind.SERVER_ERROR, response.error.message or "")
            response = attrs.evolve(response, error=error)
        self.outcome, self.said = response.outcome or "", message_of(response)
        status, body = error_of(response, self.wire)
        headers = {}
        if response.error is not None and response.error.retry_after is not None:
            headers["retry-after"] = str(math.ceil(response.error.retry_after))
        await self.reply(status, [body] if self.array else body, headers)

    async def refuse(self, error: ResponseError) -> None:
        """The answer to a request that cannot be passed on."""
        await self.fail(failure(error))

    # ----------------------------------------------------------------------------------------- the socket

    async def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status = status
        reply = JSONResponse(body, status, {**self.headers(), **(headers or {})})
        await reply(self.scope, self.receive, self.to_client)

    def headers(self) -> dict[str, str]:
        """What got lost of the request. Of the answer, that is not known yet: it goes to the log."""
        losses = ", ".join(f"{loss.code} {loss.path or ''}".strip() for loss in self.losses)
        return {"x-losses": re.sub(r"[^ -~]", "?", losses)[:2000]} if losses else {}

    async def begin(self) -> None:
        """A stream begins."""
        self.status, self.first = 200, time.monotonic()
        kind = "application/json" if self.array else "text/event-stream; charset=utf-8"
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no", **self.headers()}
        start = Reply(None, 200, headers, media_type=kind)
        del start.headers["content-length"]
        async with self.turn:
            await self.to_client({"type": "http.response.start", "status": 200, "headers": start.raw_headers})

    async def send(self, data: bytes, *, more: bool = True) -> None:
        self.sent = time.monotonic()
        self.note["bytes"] += len(data)
        async with self.turn:
            await self.to_client({"type": "http.response.body", "body": data, "more_body": more})

    async def beat(self) -> None:
        """Signs of life in a silent stream, where the client's wire has any."""
        sign = b"\r\n" if self.array else StreamEncoder(self.wire).encode(Heartbeat("comment"))
        while self.streamed and sign:
            await anyio.sleep(self.settings.heartbeat / 4)
            if self.may_beat and time.monotonic() - self.sent >= self.settings.heartbeat:
                if self.first is None:
                    await self.begin()
                await self.send(sign)

    async def watch(self, scope: anyio.CancelScope) -> None:
        """A client that goes away takes everything with it: the connection to the upstream is closed."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.outcome = self.outcome or "client_gone"
        scope.cancel()

    def write_log(self) -> None:
        """One line for each request, without anything that was said in it."""
        now = time.monotonic()
        lost = Counter(
            str(loss.code) for loss in (*self.losses, *(self.encoder.losses if self.encoder else ()))
        )
        line = (
            f"{self.wire}->{self.settings.upstream_wire} model={self.model!r:.80} status={self.status}"
            f" outcome={self.outcome or 'crashed'}"
            f" events={self.note['events']} bytes={self.note['bytes']}"
            f" first={(self.first or now) - self.began:.3f} total={now - self.began:.3f}"
            f" resumed={self.note['resumed']} losses={dict(lost)} error={self.said!r:.300}"
        )
        log.log(logging.INFO if self.outcome in ANSWERS else logging.WARNING, "%s", line)


def failure(error: ResponseError) -> Response:
    """A response of which there is nothing but its error."""
    return Response(None, None, "failed", Outcome.FAILED, (), None, error, None, "error", {})


def error_of(response: Response, wire: str) -> tuple[int, dict[str, Any]]:
    """The status that fits a failed response, and the body in the words of an API."""
    status = 502 if response.error is None else STATUS[response.error.kind]
    if wire == "anthropic" and status == 503:
        status = 529  # which its clients know as overloaded
    # OpenAI's two APIs tell an error alike.
    body = encode_response(response, "chat" if wire == "responses" else wire)
    if wire == "gemini":
        body["error"]["code"] = status
    return status, body


def no_json(constant: str) -> None:
    raise UsageError(f"{constant} is no JSON")


def message_of(response: Response) -> str:
    return response.error.message or "" if response.error else ""


def new_id(wire: str) -> str:
    stem = {"responses": "resp_", "chat": "chatcmpl-", "anthropic": "msg_", "gemini": ""}[wire]
    return stem + uuid.uuid4().hex


def named(response: Response, wire: str) -> Response:
    """The response with an id, where the upstream gave it none."""
    return response if response.id else attrs.evolve(response, id=new_id(wire))


# ------------------------------------------------------------------------------------------------ the app


@attrs.frozen
class Generation:
    """The place where clients of one API ask for answers."""

    upstream: Upstream
    wire: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Exchange(self.upstream, self.wire, scope, receive, send).run()


@attrs.frozen
class Plain:
    """What is asked beside answers: which models there are, and how many tokens a request has."""

    upstream: Upstream

    async def ask(self, request: httpx.Request) -> dict[str, Any]:
        """The JSON of an answer."""
        http = await self.upstream.client.send(request, stream=True)
        try:
            await check(http)
            told = json.loads(await http.aread())
            if not isinstance(told, dict):
                raise ValueError("no object")
            return told
        except ValueError as error:
            raise Refused(failed(ErrorKind.SERVER_ERROR, f"The upstream sent no JSON: {error}")) from error
        finally:
            await http.aclose()

    async def models(self, came: Request) -> Reply:
        """The models, in the words of all APIs at once; or one of them."""
        names = [self.upstream.settings.upstream_model]
        if not names[0]:
            told = await self.ask(self.upstream.request("GET", "/models", came))
            cards = told.get("data") or told.get("models") or ()
            found = [str(card.get("id") or card.get("name")) for card in cards if isinstance(card, dict)]
            names = [name.removeprefix("models/") for name in found]
        known = {name: model_card(name) for name in names}
        if name := came.path_params.get("name"):
            if name not in known:
                raise Refused(ResponseError(ErrorKind.NOT_FOUND, f"There is no model {name!r}."))
            return JSONResponse(known[name])
        cards = list(known.values())
        return JSONResponse({"object": "list", "data": cards, "models": cards, "has_more": False})

    async def count(self, came: Request) -> Reply:
        """The upstream's own count, where it has the client's API: there is no other honest one."""
        wire = wire_of(came)
        if wire != self.upstream.settings.upstream_wire:
            raise Refused(ResponseError(ErrorKind.NOT_FOUND, "This upstream does not count tokens."))
        path = re.sub("^/v1(beta)?", "", came.url.path)
        body = json.loads(await came.body())
        if not isinstance(body, dict):
            raise ValueError("the request is no JSON object")
        if self.upstream.settings.upstream_model and wire != "gemini":
            body["model"] = self.upstream.settings.upstream_model
        return JSONResponse(await self.ask(self.upstream.request("POST", path, came, body)))


def model_card(name: str) -> dict[str, Any]:
    of_openai = {"id": name, "object": "model", "created": 0, "owned_by": "upstream"}
    of_anthropic = {"type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
    of_gemini = {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }
    return {**of_openai, **of_anthropic, **of_gemini}


def wire_of(came: Request) -> str:
    """The API that a client speaks, where the path does not settle it."""
    path = came.url.path
    if path.startswith("/v1beta") or re.search(r":\w+$", path):
        return "gemini"
    if "anthropic-version" in came.headers or path.startswith("/v1/messages"):
        return "anthropic"
    return "responses" if path.startswith("/v1/responses") else "chat"


async def say_why(came: Request, error: Exception) -> Reply:
    """An error of what is no generation, in the client's words."""
    if isinstance(error, Refused):
        why = error.error
    elif isinstance(error, httpx.TimeoutException):
        why = failed(ErrorKind.TIMEOUT, "The upstream was silent.")
    elif isinstance(error, httpx.RequestError):
        why = failed(ErrorKind.SERVER_ERROR, f"The connection to the upstream failed: {error!r}")
    elif isinstance(error, ValueError):
        why = failed(ErrorKind.INVALID_REQUEST, str(error))
    else:
        why = failed(ErrorKind.NOT_FOUND, f"There is no {came.method} {came.url.path}.")
    status, body = error_of(failure(why), wire_of(came))
    log.warning("%s %s status=%d error=%r", came.method, came.url.path, status, why.message)
    return JSONResponse(body, status)


def make_app(settings: Settings, client: httpx.AsyncClient | None = None) -> Starlette:
    """The gateway, as an ASGI application."""
    timeout = httpx.Timeout(settings.stall, connect=10, pool=None)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    upstream = Upstream(settings, client or httpx.AsyncClient(timeout=timeout, limits=limits))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with upstream.client:
            yield

    async def alive(_: Request) -> Reply:
        return Reply(status_code=200)

    async def no_socket(socket: WebSocket) -> None:  # some clients try one first
        await socket.send_denial_response(Reply(status_code=404))

    plain = Plain(upstream)
    post = ["POST"]
    routes = [
        Route("/v1/responses", Generation(upstream, "responses"), methods=post),
        Route("/v1/chat/completions", Generation(upstream, "chat"), methods=post),
        Route("/v1/messages", Generation(upstream, "anthropic"), methods=post),
        Route("/v1beta/models/{name}:countTokens", plain.count, methods=post),
        Route("/v1beta/models/{call:path}", Generation(upstream, "gemini"), methods=post),
        Route("/v1/models/{name}:countTokens", plain.count, methods=post),
        Route("/v1/models/{call:path}", Generation(upstream, "gemini"), methods=post),
        Route("/v1/responses/input_tokens", plain.count, methods=post),
        Route("/v1/messages/count_tokens", plain.count, methods=post),
        Route("/v1/models", plain.models),
        Route("/v1beta/models", plain.models),
        Route("/v1/models/{name:path}", plain.models),
        Route("/v1beta/models/{name:path}", plain.models),
        Route("/", alive),
        WebSocketRoute("/{path:path}", no_socket),
    ]
    faults = (Refused, httpx.RequestError, ValueError, 404, 405)
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=dict.fromkeys(faults, say_why))


app = make_app(Settings.from_environment())

if __name__ == "__main__":
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        app,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        access_log=False,
    )
