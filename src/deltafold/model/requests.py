"""Requests: what a caller gives and gets, and the neutral form through which one API's becomes another's.

The classes from `Block` on are the neutral form, which `read_request()` of one dialect makes and
`write_request()` of another says. It is no public interface.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from deltafold.model.frozen import field, frozen
from deltafold.model.losses import Loss

__all__ = [
    "Approval",
    "Block",
    "ChatGPTRequest",
    "Converted",
    "InputMessage",
    "Request",
    "Setting",
    "Tool",
    "ToolChoice",
    "ToolResult",
    "Turn",
]

JSON: TypeAlias = dict[str, Any]

# ------------------------------------------------------------------------------ what callers give and get


@frozen
class ToolResult:
    """What came of a call."""

    call_id: str
    """The `call_id` of the call."""
    output: str | list[JSON] | JSON = field(hash=False)
    """Text; or content parts in the words of the Responses API (`input_text`, `input_image`, `input_file`) or
    of the target; or, for a hosted call whose output has a type of its own, that output as an object."""
    is_error: bool = False
    """Whether the tool failed."""


@frozen
class Approval:
    """Whether a call may be run."""

    approval_request_id: str
    """The id of an `mcp_approval_request`, or the `call_id` of a call that needs approval."""
    approve: bool
    reason: str | None = None
    """Why, in words for the model."""


@frozen
class Turn:
    """What the next request appends to its conversation."""

    items: tuple[JSON, ...] = field(hash=False)
    """Items (Responses), messages (Chat, Anthropic) or contents (Gemini)."""
    losses: tuple[Loss, ...] = ()


@frozen
class Converted:
    """A request in the words of another API."""

    request: JSON = field(hash=False)
    losses: tuple[Loss, ...] = ()


@frozen
class ChatGPTRequest:
    """A request to the ChatGPT backend. To be sent with POST."""

    url: str
    headers: dict[str, str] = field(hash=False, repr=False)
    """They hold the access token."""
    body: JSON = field(hash=False)
    losses: tuple[Loss, ...] = ()


# --------------------------------------------------------------------------------------- the neutral form


@attrs.define
class Block:
    """A piece of a message, of the given kind. Fields that a kind has no use for keep their defaults."""

    kind: str
    """`text`, `refusal`, `image`, `file`, `audio`, `reasoning`, `call`, `result`, or `other`: one that only
    `dialect` has."""
    path: str
    """Where it stood."""
    text: str = ""
    """Of a text, a refusal or reasoning; the arguments or the input of a call."""
    id: str = ""
    """Of a call; of a result, that of its call."""
    id_path: str = ""
    """Where that id stood."""
    name: str | None = None
    """Of the function; of the file."""
    custom: bool = False
    """Whether a call, or the call of a result, is one of a custom tool."""
    media_type: str | None = None
    data: str | None = None
    """Of media: base64."""
    url: str | None = None
    file_id: str | None = None
    """Of media that the provider has stored."""
    content: list[Block] = attrs.field(factory=list)
    """Of a result."""
    is_error: bool = False
    type: str = ""
    """Of another block: the word of its dialect."""
    dialect: str = ""
    own: JSON = attrs.field(factory=dict)
    """Of another block: the whole of it."""
    more: JSON = attrs.field(factory=dict)
    """Members that the kind has no field for, by their paths below `path`."""
    is_empty_list: bool = False
    """Whether the content of a result is an array without entries, and no empty text."""


@attrs.define
class InputMessage:
    """One side's turn: `system`, `developer`, `user`, `assistant`, or `tool`, whose blocks are results."""

    role: str
    blocks: list[Block]
    path: str
    more: JSON = attrs.field(factory=dict)


@attrs.define
class Tool:
    """A tool: `function`, `custom`, or `hosted`, which is its dialect's own."""

    kind: str
    path: str
    name: str = ""
    description: str | None = None
    schema: JSON | None = None
    """JSON Schema of the arguments."""
    strict: bool | None = None
    format: JSON | None = None
    """Of a custom tool: {type: text}, or {type: grammar, syntax, definition}."""
    type: str = ""
    dialect: str = ""
    own: JSON = attrs.field(factory=dict)
    more: JSON = attrs.field(factory=dict)
    inside: str = ""
    """Where its members stand, if they stand in a member of the tool: the beginning of their paths there."""


@attrs.define
class ToolChoice:
    """Which tools the model may call, by kind: `auto`, `none`, `required`, `function`, `custom`, `allowed`,
    or `other`, which is its dialect's own."""

    kind: str
    path: str
    name: str = ""
    names: list[tuple[str, str]] = attrs.field(factory=list)
    """Of the allowed tools: kind and name."""
    required: bool = False
    """Whether one of the allowed tools has to be called."""
    more: JSON = attrs.field(factory=dict)


@attrs.define
class Setting:
    """The value of a parameter, and the name that it had at its source."""

    value: Any
    path: str


@attrs.define
class Request:
    """A request in no API's words."""

    dialect: str
    messages: list[InputMessage] = attrs.field(factory=list)
    tools: list[Tool] = attrs.field(factory=list)
    choice: ToolChoice | None = None
    settings: dict[str, Setting] = attrs.field(factory=dict)
    """The other parameters. Those that several APIs have under different names have one name here."""
