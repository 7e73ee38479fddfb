"""Tool calls of Chat Completions: which call a fragment belongs to, and what of it is new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.table import OF_CALL, OF_CALL_ITEM, OF_FUNCTION
from deltafold.dialects.emitter import Emitter
from deltafold.machine.records import begins, empty
from deltafold.machine.values import ValuePath
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, weight
from deltafold.wire.json_text import is_strict_json

__all__ = ["CallReader", "OpenCall", "OpenCalls", "first", "number_in"]

JSON: TypeAlias = dict[str, Any]

# Whether arguments that begin again tell the same call again is seen by parsing what came so far. Text full
# of braces must not make that quadratic.
MOST_CHECKS: Final = 16
NOTHING: Final = ("{}", "[]")
ARGUMENTS: Final = ("arguments", "input", "parameters")
"""Where the arguments of a function stand; some servers pass the model's own word on."""
OPENING: Final = "{["
MOST_UPDATES: Final = 16
CONTROL_TOKEN: Final = "<|"
"""How the control tokens of models begin, which some servers leave in names: `f<|channel|>commentary`."""
LONGEST_INDEX: Final = 18


class OpenCall:
    """One tool call, found among the fragments of its choice."""

    SNAPSHOT_FIELDS: Final = (
        "place",
        "at",
        "id",
        "name",
        "custom",
        "legacy",
        "index",
        "pieces",
        "size",
        "held",
        "more",
        "updates",
        "cumulative",
        "checks",
        "checked",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, place: int | None) -> None:
        self.place = place
        """The wire's index."""
        self.at = 0
        """Its position among the calls of its choice."""
        self.id: str | None = None
        self.name = ""
        self.custom = False
        self.legacy = False
        """It came as `function_call`, the field that was there before `tool_calls`."""
        self.index: int | None = None
        """The output index, once the name is known and the item has begun."""
        self.pieces: list[str] = []
        """The arguments so far, until the item has begun."""
        self.size = 0
        """How many characters those have."""
        self.held = ""
        """A leading `{}`, which some servers send before the arguments."""
        self.more: JSON = {}
        """Fields that this library does not know."""
        self.updates = 0
        """How often its item was sent anew."""
        self.cumulative = False
        """Each fragment tells the arguments so far again."""
        self.checks = 0
        self.checked = 0

    @property
    def key(self) -> ValuePath:
        """Where the arguments stand in the item."""
        return ("input",) if self.custom else ("arguments",)


class OpenCalls:
    """The calls of one choice, and where each is found."""

    SNAPSHOT_FIELDS: Final = ("choice_index", "calls", "by_id", "by_place", "by_item", "legacy")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, choice_index: int) -> None:
        self.choice_index = choice_index
        self.calls: list[OpenCall] = []
        """In the order in which they began."""
        self.by_id: dict[str, int] = {}
        """The first call that has an id."""
        self.by_place: dict[int, int] = {}
        """The last call that came under an index of the wire."""
        self.by_item: dict[int, int] = {}
        """The call that is an item, by its output index."""
        self.legacy: int | None = None
        """The one call that `function_call` can hold."""

    def add(self, call: OpenCall) -> None:
        """A call begins."""
        call.at = len(self.calls)
        self.calls.append(call)
        if call.legacy:
            self.legacy = call.at
        elif call.place is not None:
            self.by_place[call.place] = call.at

    def of_id(self, ident: str | None) -> OpenCall | None:
        """The call that has an id."""
        at = None if ident is None else self.by_id.get(ident)
        return None if at is None else self.calls[at]

    def of_item(self, index: int) -> OpenCall:
        """The call that is the item of an output index."""
        return self.calls[self.by_item[index]]

    def of_place(self, place: int | None) -> OpenCall | None:
        """The call that came last under an index; where there is none, that which came last at all."""
        if place is None:
            return self.calls[len(self.calls) - 1] if self.calls else None
        at = self.by_place.get(place)
        return None if at is None else self.calls[at]


class CallReader:
    """Reads the calls of all choices. What it remembers is in `OpenCalls` and the emitter."""

    __slots__ = ("emitter", "late")

    def __init__(self, emitter: Emitter, late: dict[int, JSON]) -> None:
        self.emitter = emitter
        self.late = late
        """Fields of items that became known too late for their announcement. The dialect's own."""

    # ---------------------------------------------------------------------------------------- fragments

    def read(self, calls: OpenCalls, sent: JSON) -> None:
        """A fragment of a call."""
        function = function_of(sent)
        place, ident, name = self._place(sent), call_id(sent), call_name(sent, function)
        call = self._find(calls, place, ident, name, bool(argument_text(sent, function)))
        if call is None:
            call = self._begin(calls, OpenCall(place), is_custom(sent))
        self._merge_fields(calls, call, ident, name, sent, function)
        self._arguments(call, sent, function)

    def read_legacy(self, calls: OpenCalls, function: JSON) -> None:
        """A fragment of the call in `function_call`, which has neither index nor id."""
        sent: JSON = {"type": "function", "function": function}
        call = None if calls.legacy is None else calls.calls[calls.legacy]
        if call is None:
            call = OpenCall(None)
            call.legacy = True
            self._begin(calls, call, custom=False)
        self._merge_fields(calls, call, None, call_name(sent, function), sent, function)
        self._arguments(call, sent, function)

    def _begin(self, calls: OpenCalls, call: OpenCall, custom: bool) -> OpenCall:
        call.custom = custom
        self.emitter.hold_item()
        calls.add(call)
        return call

    def _place(self, sent: JSON) -> int | None:
        """The wire's index of a call. It is but a name: some count from -1, and some send it as text."""
        found = sent.get("index")
        if found is None:
            return None
        if type(found) is int:
            return self.emitter.check_index_limit(found)
        self.emitter.report_once(
            AnomalyCode.INVALID_FIELD, "call index", f"the index of a call is {found!r:.40}"
        )
        number = number_in(found)
        return None if number is None else self.emitter.check_index_limit(number)

    def _find(
        self, calls: OpenCalls, place: int | None, ident: str | None, name: str, has_text: bool
    ) -> OpenCall | None:
        """Which call a fragment belongs to; None where it begins one. This is the whole rule.

        An id that is known decides. Else the index does, unless another id together with a name says that a
        new call began under an index already taken (Gemini's endpoint gives every call index 0). Without a
        name a fragment never begins a call while one is open, whatever its id (LM Studio gives each fragment
        a new one) and, where it has none, whatever its index. Without an index the fragment goes on the last
        call, unless it has a name.
        """
        known = calls.of_id(ident)
        if known is not None:
            if place is None or known.place is None or known.place == place:
                return known
            if not name:
                return self._moved(calls, known, place)
        last = calls.of_place(place)
        if last is None and place is not None and ident is None and not name:
            return self._elsewhere(calls, place) if has_text else None
        if last is None or not name:
            return last
        if ident is not None and last.id is not None:
            begins = True  # another id, and a name
        elif not last.name:
            begins = False  # the name comes late
        elif name == last.name:
            begins = self._is_whole(last)  # the name comes with every fragment
        else:
            begins = self._has_arguments(last)  # the name comes in pieces
        if not begins:
            return last
        if place is not None:
            self.emitter.report_once(
                AnomalyCode.CALL_INDEX_REUSED, calls.choice_index, f"tool call index {place} has another call"
            )
        return None

    def _elsewhere(self, calls: OpenCalls, place: int) -> OpenCall | None:
        """The call that mere arguments belong to under an index where none began."""
        if 0 <= place < len(calls.calls) and calls.calls[place].place is None:
            found = calls.calls[place]  # those that began without an index are counted
            if found.legacy:
                return None
            found.place = place
            calls.by_place[place] = place
            return found
        last = calls.of_place(None)
        if last is None or not last.name or last.legacy or self._is_whole(last):
            return None
        return self._moved(calls, last, place)

    def _moved(self, calls: OpenCalls, call: OpenCall, place: int) -> OpenCall:
        """A call goes on under another index."""
        self.emitter.report_once(
            AnomalyCode.CALL_INDEX_CHANGED, calls.choice_index, f"tool call index {call.place} became {place}"
        )
        calls.by_place[place] = call.at
        return call

    # ------------------------------------------------------------------------------------- what is known

    def _merge_fields(
        self, calls: OpenCalls, call: OpenCall, ident: str | None, name: str, sent: JSON, function: JSON
    ) -> None:
        new: JSON = {}
        emitter = self.emitter
        if ident is not None and call.id is None:
            call.id = new["call_id"] = ident
            calls.by_id.setdefault(ident, call.at)
        elif ident is not None and ident != call.id:
            emitter.report_once(
                AnomalyCode.CALL_ID_CHANGED, call.index, f"{call.id!r:.40} became {ident[:40]!r}"
            )
        if name and name != call.name:
            if not call.name or name.startswith(call.name):
                call.name = new["name"] = name
            elif not self._has_arguments(call):
                call.name = new["name"] = call.name + name
            else:
                emitter.report_once(
                    AnomalyCode.NAME_CHANGED, call.index, f"{call.name[:40]!r} became {name[:40]!r}"
                )
            if CONTROL_TOKEN in name:
                emitter.report_once(
                    AnomalyCode.CONTROL_TOKEN_IN_NAME, calls.choice_index, f"a tool is called {name[:60]!r}"
                )
        for source, known in ((sent, OF_CALL), (function, OF_FUNCTION)):
            for key, value in source.items():
                if key in known or empty(value) or call.more.get(key) == value:
                    continue
                if key in OF_CALL_ITEM:
                    emitter.report_once(
                        AnomalyCode.INVALID_FIELD, f"call {key[:40]}", f"a call has {key[:40]} {value!r:.40}"
                    )
                else:
                    call.more[key] = new[key] = copied(value)
        if call.index is None and call.name:
            self.start(calls, call)
        elif call.index is not None and new:
            self._update(call, call.index, new)

    def _update(self, call: OpenCall, index: int, new: JSON) -> None:
        """More is known of an item that had begun. It is sent at once, but not too often: that copies all
        of the item."""
        in_fold = index in self.emitter.fold.items and index not in self.emitter.texts
        late = self.late.get(index)
        if in_fold and call.updates < MOST_UPDATES:
            call.updates += 1
            if late is not None:
                for key in new:
                    late.pop(key, None)
            self.emitter.update_item(index, new)
            return
        if late is None:
            late = self.late[index] = {}
        self.emitter.hold_text(weight(new))
        late.update(new)

    def start(self, calls: OpenCalls, call: OpenCall) -> int:
        """A call becomes an item once its name is known. Gives its index."""
        sent: JSON = {
            "type": "custom_tool_call" if call.custom else "function_call",
            "status": "in_progress",
            "call_id": call.id,
            "name": call.name,
            "input" if call.custom else "arguments": "",
            **call.more,
        }
        self.emitter.release_item()
        member = "function_call" if call.legacy else None
        index = call.index = self.emitter.begin_item(sent, choice_index=calls.choice_index, member=member)
        calls.by_item[index] = call.at
        pieces, call.pieces, call.size = call.pieces, [], 0
        text = "".join(pieces)
        self.emitter.release_text(len(text))
        for piece in [text] if text.isascii() else pieces:  # halves of characters have to meet
            self._emit_text(call, piece)
        return index

    # ----------------------------------------------------------------------------------------- arguments

    def _emit_text(self, call: OpenCall, text: str) -> None:
        """Arguments are handed on, or kept until the name is known."""
        if not text:
            return
        if call.index is None:
            self.emitter.hold_text(len(text))
            call.pieces.append(text)
            call.size += len(text)
        else:
            self.emitter.emit_text(call.index, "arguments", call.key, text)

    def so_far(self, call: OpenCall) -> str:
        """The arguments as they came."""
        if call.index is None:
            return "".join(call.pieces)
        raw = self.emitter.lifts.raw(call.index)
        return self.emitter.so_far(call.index, call.key) if raw is None else raw.text

    def _size(self, call: OpenCall) -> int:
        """How many characters `so_far()` has, without joining them."""
        if call.index is None:
            return call.size
        raw = self.emitter.lifts.raw(call.index)
        return self.emitter.size_so_far(call.index, call.key) if raw is None else raw.size()

    def _has_arguments(self, call: OpenCall) -> bool:
        if call.held:
            return True
        for piece in self._pieces_back(call):  # noqa: SIM110 - a loop is cheaper here than a generator
            if piece:
                return True
        return False

    def _pieces(self, call: OpenCall) -> Iterator[str]:
        """The pieces of the arguments so far, without joining them."""
        if call.index is None:
            return iter(call.pieces)
        raw = self.emitter.lifts.raw(call.index)
        return self.emitter.pieces(call.index, call.key) if raw is None else iter(raw.fragments)

    def _pieces_back(self, call: OpenCall) -> Iterator[str]:
        """The same, the last one first."""
        if call.index is None:
            return reversed(call.pieces)
        raw = self.emitter.lifts.raw(call.index)
        return self.emitter.pieces_back(call.index, call.key) if raw is None else reversed(raw.fragments)

    def _ends_as_json(self, call: OpenCall) -> bool:
        """Whether the arguments so far may be whole by their last character, wherever they were cut."""
        for piece in self._pieces_back(call):
            if piece and not piece.isspace():
                return piece.rstrip().endswith(("}", "]"))
        return False

    def _is_whole(self, call: OpenCall) -> bool:
        """Whether the arguments so far are a whole object or array."""
        if call.held:
            return True
        if not self._ends_as_json(call):
            return False
        size = self._size(call)
        if call.checks >= MOST_CHECKS and size < 2 * call.checked:
            return False
        call.checks += 1
        call.checked = size
        return is_strict_json(self.so_far(call))

    def _arguments(self, call: OpenCall, sent: JSON, function: JSON) -> None:
        text = argument_text(sent, function)
        emitter = self.emitter
        if isinstance(text, (dict, list)):
            emitter.report_once(
                AnomalyCode.ARGUMENTS_NOT_TEXT, call.index, f"the arguments are a {type(text).__name__}"
            )
            text = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
        elif text is not None and not isinstance(text, str):
            emitter.report_once(AnomalyCode.INVALID_FIELD, "arguments", f"arguments is {text!r:.40}")
            return
        if not text:
            return
        if not call.custom:
            if not self._has_arguments(call) and text.strip() == "{}":
                call.held = text
                return
            if call.held:
                held, call.held = call.held, ""
                if text.lstrip().startswith("{"):
                    emitter.report_once(
                        AnomalyCode.ARGUMENTS_REPEATED, call.index, "`{}` came before the arguments"
                    )
                else:
                    self._emit_text(call, held)
            text = self._new_arguments(call, text)
        self._emit_text(call, text)

    def _new_arguments(self, call: OpenCall, text: str) -> str:
        """What of a fragment is new: some servers send the arguments so far again, or all of them."""
        if text[0] not in OPENING or not self._has_arguments(call) or not self.may_repeat(call, text):
            return text
        if call.cumulative or self._is_whole(call):
            if text.strip() in NOTHING:
                self.emitter.report_once(
                    AnomalyCode.ARGUMENTS_REPEATED, call.index, "`{}` came after the arguments"
                )
                return ""
            size = self._size(call)
            if begins(self._pieces(call), text[:size]):
                self.emitter.report_once(
                    AnomalyCode.ARGUMENTS_REPEATED, call.index, "the arguments came again"
                )
                return text[size:]
        elif self._size(call) <= len(text) and self._first_piece_begins(call, text):
            so_far = self.so_far(call)
            if text.startswith(so_far) and not is_json_prefix(so_far + text):
                self.emitter.report_once(
                    AnomalyCode.ARGUMENTS_REPEATED, call.index, "the arguments so far came again"
                )
                call.cumulative = True
                return text[len(so_far) :]
        return text

    def may_repeat(self, call: OpenCall, text: str) -> bool:
        """Whether a fragment that opens something may hold what has come before: cheap tests before the dear
        ones."""
        return (
            call.held != ""
            or call.cumulative
            or self._ends_as_json(call)
            or self._first_piece_begins(call, text)
        )

    def _first_piece_begins(self, call: OpenCall, text: str) -> bool:
        """Whether a fragment begins as the arguments did, and not just with the same bracket."""
        if len(text) == 1:
            return False
        return text.startswith(next((piece for piece in self._pieces(call) if piece), ""))

    # -------------------------------------------------------------------------------------- sent whole

    def tell(self, calls: OpenCalls, position: int, sent: JSON) -> None:
        """A message tells a call whole: what had come is not sent again."""
        function, ident = function_of(sent), call_id(sent)
        known = calls.of_id(ident)
        if known is None and position < len(calls.calls):
            candidate = calls.calls[position]
            if ident is None or candidate.id is None:
                known = candidate
        if known is None:
            self.read(calls, {**sent, "index": len(calls.calls)})
        else:
            self._emit_whole(calls, known, ident, sent, function)

    def tell_legacy(self, calls: OpenCalls, function: JSON) -> None:
        """A message tells the call in `function_call` whole."""
        if calls.legacy is None:
            self.read_legacy(calls, function)
        else:
            sent: JSON = {"type": "function", "function": function}
            self._emit_whole(calls, calls.calls[calls.legacy], None, sent, function)

    def _emit_whole(
        self, calls: OpenCalls, call: OpenCall, ident: str | None, sent: JSON, function: JSON
    ) -> None:
        self._merge_fields(calls, call, ident, call_name(sent, function), sent, function)
        text = first(function, *ARGUMENTS)
        if not isinstance(text, str) or not text:
            return
        size = self._size(call)
        if size + len(call.held) <= len(text) and text.startswith(self.so_far(call) + call.held):
            if len(text) == size + len(call.held):
                return
            if call.index is not None:
                self.emitter.pending_surrogates.pop(
                    (call.index, call.key), None
                )  # the other half is sent with it
            new = text[size:]
            call.held = ""
            self._emit_text(call, new)
        elif call.index is not None:
            if call.held:
                self.emitter.report_once(
                    AnomalyCode.ARGUMENTS_REPEATED, call.index, "`{}` came before the arguments"
                )
            call.held = ""
            self.emitter.tell_value(call.index, "arguments", call.key, text, whole=False)
        else:
            self.emitter.report(
                AnomalyCode.VALUE_CONTRADICTED, "the message tells other arguments than were streamed"
            )
            call.held = ""
            self.emitter.release_text(call.size)
            call.pieces, call.size = [], 0
            self._emit_text(call, text)

    # ------------------------------------------------------------------------------------------ the end

    def end(self, calls: OpenCalls, *, cancelled: bool) -> str | None:
        """Each call has an item and an id from here on. Gives the id of the call in `function_call`.

        Where the caller gave up, what is missing might have come.
        """
        legacy: str | None = None
        for call in calls.calls:
            if call.index is None:
                if not cancelled:
                    self.emitter.report(AnomalyCode.CALL_NAME_MISSING, "a tool call ended without a name")
                self.start(calls, call)
            index = call.index
            if call.id is None and index is not None:
                call.id = f"call_{index}_synthesized"
                self.late.setdefault(index, {})["call_id"] = call.id
                if not call.legacy and not cancelled:
                    self.emitter.report(
                        AnomalyCode.CALL_ID_MISSING, f"the call of {call.name[:40]!r} has no id"
                    )
            if call.legacy:
                legacy = call.id
        return legacy

    def flush(self, call: OpenCall) -> None:
        """Arguments that were held back are handed out."""
        held, call.held = call.held, ""
        self._emit_text(call, held)


def number_in(value: Any) -> int | None:
    """The index in a text or in a number with a fraction of nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_INDEX:
        return int(value)
    return int(value) if type(value) is float and value.is_integer() and value >= 0 else None


def first(table: JSON, *names: str) -> Any:
    """The first member of those names that is sent."""
    for name in names:
        value = table.get(name)
        if value is not None:
            return value
    return None


def function_of(sent: JSON) -> JSON:
    """What a call says of its function or custom tool. Some servers send both, one of them blank."""
    function, custom = sent.get("function"), sent.get("custom")
    if isinstance(function, dict) and (any(function.values()) or not isinstance(custom, dict)):
        return function
    if isinstance(custom, dict) and (any(custom.values()) or not isinstance(function, dict)):
        return custom
    return function if isinstance(function, dict) else {}


def is_custom(sent: JSON) -> bool:
    """Whether a call is one of a custom tool."""
    custom = sent.get("custom")
    return sent.get("type") == "custom" or (isinstance(custom, dict) and any(custom.values()))


def argument_text(sent: JSON, function: JSON) -> Any:
    """The arguments, wherever a server puts them."""
    text = first(function, *ARGUMENTS)
    return first(sent, "arguments", "input") if text is None else text


def call_id(sent: JSON) -> str | None:
    """The id of a call, if it says anything."""
    ident = sent.get("id")
    return ident if isinstance(ident, str) and ident not in ("", "null") else None


def call_name(sent: JSON, function: JSON) -> str:
    """The name of a call, wherever a server puts it; "" where it is not told."""
    name = first(function, "name")
    if name is None:
        name = first(sent, "name", "function_name", "tool_name")
    return name if isinstance(name, str) else ""


def is_json_prefix(text: str) -> bool:
    """Whether a text may go on to be JSON."""
    from deltafold.arguments.reader import ArgumentsReader

    reader = ArgumentsReader()
    reader.feed(text)
    return reader.error is None
