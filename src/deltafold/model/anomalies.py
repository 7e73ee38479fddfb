"""The named anomalies: what may be out of order in a stream, and what is made of it."""

from __future__ import annotations

from enum import StrEnum

from deltafold.model.frozen import frozen

__all__ = ["ANOMALIES", "Anomaly", "AnomalyCode"]


class AnomalyCode(StrEnum):
    """The name of a deviation that was met and resolved. `ANOMALIES` says what each one means."""

    # framing
    INVALID_UTF8 = "invalid_utf8"
    UNTERMINATED_FINAL_EVENT = "unterminated_final_event"
    UNFINISHED_FINAL_EVENT = "unfinished_final_event"
    ERROR_FIELD = "error_field"
    ARRAY_MALFORMED = "array_malformed"
    ARRAY_NOT_CLOSED = "array_not_closed"
    FRAME_DAMAGED = "frame_damaged"
    VALUE_BEFORE_EVENTS = "value_before_events"
    # the body is no event stream
    BODY_IS_JSON = "body_is_json"
    BODY_IS_HTML = "body_is_html"
    BODY_IS_COMPRESSED = "body_is_compressed"
    BODY_IS_TEXT = "body_is_text"
    # payloads
    MALFORMED_JSON = "malformed_json"
    SEVERAL_PAYLOADS = "several_payloads"
    PAYLOAD_WRAPPED = "payload_wrapped"
    PAYLOAD_IN_NO_FIELD = "payload_in_no_field"
    NOTHING_UNDERSTOOD = "nothing_understood"
    TEXT_AT_END = "text_at_end"
    GLUED_FRAME = "glued_frame"
    DOUBLED_PREFIX = "doubled_prefix"
    COMMENT_AS_DATA = "comment_as_data"
    PAYLOAD_IS_NO_OBJECT = "payload_is_no_object"
    UNREPRESENTABLE_NUMBER = "unrepresentable_number"
    CONTROL_CHARACTER = "control_character"
    DUPLICATE_KEY = "duplicate_key"
    LONE_SURROGATE = "lone_surrogate"
    # the type and the fields of an event
    TYPE_ONLY_IN_EVENT_NAME = "type_only_in_event_name"
    TYPE_MISSING = "type_missing"
    EVENT_NAME_DIFFERS = "event_name_differs"
    RESPONSE_NOT_NESTED = "response_not_nested"
    WRONG_DIALECT = "wrong_dialect"
    INVALID_FIELD = "invalid_field"
    # order
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_NOT_RISING = "sequence_not_rising"
    RESPONSE_NOT_ANNOUNCED = "response_not_announced"
    ITEM_NOT_ANNOUNCED = "item_not_announced"
    PART_NOT_ANNOUNCED = "part_not_announced"
    ANNOUNCED_TWICE = "announced_twice"
    DELTA_AFTER_DONE = "delta_after_done"
    DELTA_MISFITS = "delta_misfits"
    BLOCK_OUT_OF_ORDER = "block_out_of_order"
    BLOCK_NOT_ENDED = "block_not_ended"
    USAGE_MISSING = "usage_missing"
    DONE_BEFORE_TERMINAL = "done_before_terminal"
    EVENT_AFTER_END = "event_after_end"
    TERMINAL_REPEATED = "terminal_repeated"
    ERROR_AFTER_FAILURE = "error_after_failure"
    MISSING_TERMINAL = "missing_terminal"
    REPLAY_REFUSED = "replay_refused"
    # identity
    ITEM_ID_CHANGED = "item_id_changed"
    RESPONSE_ID_CHANGED = "response_id_changed"
    CALL_ID_CHANGED = "call_id_changed"
    CALL_ID_REPEATED = "call_id_repeated"
    NAME_CHANGED = "name_changed"
    INDEX_MISSING = "index_missing"
    INDEX_CHANGED = "index_changed"
    INDEX_REUSED = "index_reused"
    PART_INDEX_CHANGED = "part_index_changed"
    # evidence
    VALUE_CONTRADICTED = "value_contradicted"
    TEXT_IN_REFUSAL = "text_in_refusal"
    ITEM_MISSING_AT_END = "item_missing_at_end"
    OUTPUT_EMPTY_AT_END = "output_empty_at_end"
    STATUS_CONTRADICTED = "status_contradicted"
    # tool calls of Chat Completions
    CALL_INDEX_REUSED = "call_index_reused"
    CALL_INDEX_CHANGED = "call_index_changed"
    CONTROL_TOKEN_IN_NAME = "control_token_in_name"
    CONTENT_NOT_TEXT = "content_not_text"
    CALL_ID_MISSING = "call_id_missing"
    CALL_NAME_MISSING = "call_name_missing"
    ARGUMENTS_NOT_TEXT = "arguments_not_text"
    ARGUMENTS_REPEATED = "arguments_repeated"
    FINISH_REASON_MISSING = "finish_reason_missing"
    FINISH_REASON_UNKNOWN = "finish_reason_unknown"
    # what another wire has, or what Gemini streams
    DONE_OF_ANOTHER_WIRE = "done_of_another_wire"
    CALL_NOT_OPEN = "call_not_open"
    CALL_NOT_ENDED = "call_not_ended"
    PARTIAL_ARGUMENT_LOST = "partial_argument_lost"
    # lifted arguments
    LIFT_REFUSED = "lift_refused"


@frozen
class AnomalyRule:
    """One row of the table of anomalies."""

    meaning: str
    """What was met, in one sentence."""
    lenient: str
    """What lenient mode makes of it."""
    strict: bool = True
    """Whether strict mode raises a `WireError`."""


_C = AnomalyCode
ANOMALIES: dict[AnomalyCode, AnomalyRule] = {
    _C.INVALID_UTF8: AnomalyRule(
        "The data of an event are not UTF-8.", "Each bad sequence becomes U+FFFD, as WHATWG has it."
    ),
    _C.UNTERMINATED_FINAL_EVENT: AnomalyRule(
        "The stream ended inside an event whose data are one complete JSON object or `[DONE]`.",
        "The event counts.",
    ),
    _C.UNFINISHED_FINAL_EVENT: AnomalyRule(
        "The stream ended inside an event.", "The fragment is dropped, as WHATWG has it."
    ),
    _C.ERROR_FIELD: AnomalyRule(
        "An error came as an SSE field named `error`.", "It is read as an event of type `error`."
    ),
    _C.ARRAY_MALFORMED: AnomalyRule(
        "A JSON array has a comma too many or too few, or something stands outside of it.",
        "What stands there is read as an element.",
    ),
    _C.ARRAY_NOT_CLOSED: AnomalyRule(
        "The stream ended between the elements of a JSON array.", "The elements that came count."
    ),
    _C.FRAME_DAMAGED: AnomalyRule(
        "A binary frame has a wrong checksum, a length that cannot be, or headers that cannot be read.",
        "Its payload comes as `UnknownEvent`; behind a wrong length nothing more is read.",
    ),
    _C.VALUE_BEFORE_EVENTS: AnomalyRule(
        "A JSON value stands before the first event of a stream, in no frame.", "It is read as a payload."
    ),
    _C.BODY_IS_JSON: AnomalyRule(
        "The body is one JSON document, not an event stream.", "The document is read.", strict=False
    ),
    _C.BODY_IS_HTML: AnomalyRule("The body is an HTML page.", "It becomes a `server_error`."),
    _C.BODY_IS_COMPRESSED: AnomalyRule("The body is still compressed.", "It becomes an error that says so."),
    _C.BODY_IS_TEXT: AnomalyRule("The body has lines, but no event at all.", "It becomes a `server_error`."),
    _C.MALFORMED_JSON: AnomalyRule("A payload is not JSON.", "It comes as `UnknownEvent` with its text."),
    _C.SEVERAL_PAYLOADS: AnomalyRule(
        "One event holds several JSON objects, one after the other or in an array.", "Each counts, in order."
    ),
    _C.PAYLOAD_WRAPPED: AnomalyRule(
        "A gateway has wrapped a payload in a member `data`.", "What is inside counts."
    ),
    _C.PAYLOAD_IN_NO_FIELD: AnomalyRule(
        "A line of an event stream is a JSON object, not a field.", "It is read as a payload."
    ),
    _C.NOTHING_UNDERSTOOD: AnomalyRule(
        "Events came, and not one of them is of the dialect.",
        "The response fails with an error that names the wire it looks like.",
    ),
    _C.TEXT_AT_END: AnomalyRule(
        "An event stream broke off with lines of text that are no fields.",
        "They become a `server_error`, or what they say.",
    ),
    _C.GLUED_FRAME: AnomalyRule(
        "A whole payload is glued onto a broken one.",
        "The whole one counts; the broken one comes as `UnknownEvent`.",
    ),
    _C.DOUBLED_PREFIX: AnomalyRule("The data begin with another `data:`.", "The prefix is dropped."),
    _C.COMMENT_AS_DATA: AnomalyRule(
        "The data are a comment that a gateway sent on.", "It counts as a heartbeat."
    ),
    _C.PAYLOAD_IS_NO_OBJECT: AnomalyRule(
        "A payload is JSON, but not an object.", "It comes as `UnknownEvent` with its value."
    ),
    _C.UNREPRESENTABLE_NUMBER: AnomalyRule(
        "A number is NaN, infinite, too large for a double, or has more digits than Python reads.",
        "It is read as null.",
    ),
    _C.CONTROL_CHARACTER: AnomalyRule(
        "A string holds a control character that JSON wants escaped.", "It is read as it came."
    ),
    _C.DUPLICATE_KEY: AnomalyRule("An object has the same key twice.", "The last one wins."),
    _C.LONE_SURROGATE: AnomalyRule("Half a surrogate pair stands alone.", "It becomes U+FFFD."),
    _C.TYPE_ONLY_IN_EVENT_NAME: AnomalyRule("A payload has no `type`.", "The SSE event name is taken."),
    _C.TYPE_MISSING: AnomalyRule(
        "A payload has no `type`, nor an event name.", "What it holds decides; else it is unknown."
    ),
    _C.EVENT_NAME_DIFFERS: AnomalyRule(
        "The SSE event name is not the payload's `type`.", "The `type` counts."
    ),
    _C.RESPONSE_NOT_NESTED: AnomalyRule(
        "A life cycle event has the response's fields at its top.", "They are read there."
    ),
    _C.WRONG_DIALECT: AnomalyRule(
        "A payload belongs to another wire API.", "The response fails with an error that says so."
    ),
    _C.INVALID_FIELD: AnomalyRule("A field has the wrong type.", "That field counts as not sent."),
    _C.SEQUENCE_GAP: AnomalyRule("Sequence numbers are missing.", "What came is used."),
    _C.SEQUENCE_NOT_RISING: AnomalyRule(
        "A sequence number is not above the last one (reported once).", "Events count in the order they came."
    ),
    _C.RESPONSE_NOT_ANNOUNCED: AnomalyRule(
        "The response began without `response.created`.", "It begins with what is known."
    ),
    _C.ITEM_NOT_ANNOUNCED: AnomalyRule(
        "Something came for an item before its `output_item.added`.", "The item begins with what is known."
    ),
    _C.PART_NOT_ANNOUNCED: AnomalyRule(
        "Something came for a part before its `part.added`.", "The part begins with what is known."
    ),
    _C.ANNOUNCED_TWICE: AnomalyRule(
        "An item or part was announced again.", "It goes on; its fields are merged."
    ),
    _C.DELTA_AFTER_DONE: AnomalyRule(
        "A fragment came after its value had been sent whole.",
        "Text goes on, and so do input of a custom tool and arguments that were not whole, unless it comes "
        "again from its beginning or its number is one of those before; of all else the whole value stands.",
    ),
    _C.DELTA_MISFITS: AnomalyRule(
        "A fragment does not fit its block, or that block never began.",
        "Text goes to a block of its kind; what alters a call comes as `UnknownEvent`.",
    ),
    _C.BLOCK_OUT_OF_ORDER: AnomalyRule(
        "A block began before the one before it had ended, under a number that is not the next, or after the "
        "stop reason.",
        "Blocks are told apart by their numbers, and stand in the order in which they began.",
    ),
    _C.BLOCK_NOT_ENDED: AnomalyRule("A message ended before its blocks.", "They end with it."),
    _C.USAGE_MISSING: AnomalyRule(
        "The end of a message came without its usage.", "What had been sent of it stands."
    ),
    _C.DONE_BEFORE_TERMINAL: AnomalyRule(
        "`[DONE]` came before the end of the response.", "It is passed over."
    ),
    _C.EVENT_AFTER_END: AnomalyRule("Something came after the end.", "It changes nothing.", strict=False),
    _C.TERMINAL_REPEATED: AnomalyRule(
        "The end of the response was sent again.", "The first one stands.", strict=False
    ),
    _C.ERROR_AFTER_FAILURE: AnomalyRule(
        "An error came after the response had failed.", "The fuller error becomes the response's."
    ),
    _C.MISSING_TERMINAL: AnomalyRule(
        "The transport ended before the server sent the end.", "The outcome is `truncated`."
    ),
    _C.REPLAY_REFUSED: AnomalyRule(
        "After a reconnection another response came, or this one was sent otherwise, or nobody can say.",
        "That connection changes nothing: its events come as `UnknownEvent`.",
    ),
    _C.ITEM_ID_CHANGED: AnomalyRule(
        "The id of an item changed.", "`output_index` and `call_id` identify it."
    ),
    _C.RESPONSE_ID_CHANGED: AnomalyRule(
        "The id of the response changed.", "The end's id counts; where the end tells none, the first."
    ),
    _C.CALL_ID_CHANGED: AnomalyRule("The `call_id` of a call changed.", "The later one counts."),
    _C.CALL_ID_REPEATED: AnomalyRule(
        "Two calls have the same id.", "The second one gets an id made from its output index."
    ),
    _C.NAME_CHANGED: AnomalyRule("The name of a call changed.", "The later one counts."),
    _C.INDEX_MISSING: AnomalyRule(
        "An event has no index.", "Its ids, then the open item or part, say where it belongs."
    ),
    _C.INDEX_CHANGED: AnomalyRule("An item came under another `output_index`.", "Its first index stands."),
    _C.INDEX_REUSED: AnomalyRule(
        "Another item was announced under an index already taken.", "It gets a free index."
    ),
    _C.PART_INDEX_CHANGED: AnomalyRule(
        "A fragment names a part that was never announced while one is open.", "It continues the open part."
    ),
    _C.VALUE_CONTRADICTED: AnomalyRule(
        "A value sent whole is not what had been streamed.", "`ValueReplaced` tells the later value."
    ),
    _C.TEXT_IN_REFUSAL: AnomalyRule(
        "Text came for a part that is, or turns out to be, a refusal.",
        "It stays in the part's JSON, and is not in `output_text`.",
    ),
    _C.ITEM_MISSING_AT_END: AnomalyRule(
        "The final output lacks an item that was streamed.", "The item is kept."
    ),
    _C.OUTPUT_EMPTY_AT_END: AnomalyRule(
        "The final output is empty or absent though items were streamed.",
        "The streamed items stand.",
        strict=False,
    ),
    _C.STATUS_CONTRADICTED: AnomalyRule(
        "The end's type and its status contradict each other.", "The one that is not `completed` counts."
    ),
    _C.CALL_INDEX_REUSED: AnomalyRule(
        "Another tool call came under an index already taken.", "Its id and name make it a call of its own."
    ),
    _C.CALL_INDEX_CHANGED: AnomalyRule(
        "Arguments of a tool call came under another index.", "They belong to the call that is open."
    ),
    _C.CONTROL_TOKEN_IN_NAME: AnomalyRule(
        "The name of a tool holds control tokens of the model.", "The name stays as it came.", strict=False
    ),
    _C.CONTENT_NOT_TEXT: AnomalyRule(
        "The content of a message is a JSON value, not text.", "It is written as text."
    ),
    _C.CALL_ID_MISSING: AnomalyRule("A tool call has no id.", "It gets one, made from its output index."),
    _C.CALL_NAME_MISSING: AnomalyRule("A tool call has no name.", "Its name stays empty."),
    _C.ARGUMENTS_NOT_TEXT: AnomalyRule(
        "The arguments of a call are a JSON value, not text.", "They are written as text."
    ),
    _C.ARGUMENTS_REPEATED: AnomalyRule(
        "A fragment of arguments tells again what had come.", "Only what is new in it counts."
    ),
    _C.FINISH_REASON_MISSING: AnomalyRule(
        "`[DONE]` came, and a choice has no finish reason.", "The server's word that it is done counts."
    ),
    _C.FINISH_REASON_UNKNOWN: AnomalyRule(
        "The response ended with a finish reason that no table has.",
        "It is the `finish_reason` as it came, and the response counts as completed.",
        strict=False,
    ),
    _C.DONE_OF_ANOTHER_WIRE: AnomalyRule(
        "`[DONE]` came on a wire that does not have it.", "It ends nothing.", strict=False
    ),
    _C.CALL_NOT_OPEN: AnomalyRule(
        "A piece of a call came, and no call is open.", "It comes as `UnknownEvent`."
    ),
    _C.CALL_NOT_ENDED: AnomalyRule(
        "A call was to go on, and another one or the end of the response came.", "It is not complete."
    ),
    _C.PARTIAL_ARGUMENT_LOST: AnomalyRule(
        "A piece of streamed arguments has a path or a value that cannot be read, or contradicts the others.",
        "It comes as `UnknownEvent`; the call is not complete.",
    ),
    _C.LIFT_REFUSED: AnomalyRule(
        "An argument that is to be lifted is no string, or stands there twice.",
        "It stays in the arguments.",
        strict=False,
    ),
}


@frozen
class Anomaly:
    """Something out of order, and where it was met. What was done about it is in `ANOMALIES[code]`."""

    code: AnomalyCode
    message: str
    offset: int | None = None
    """Bytes from the start of the connection to the event; None where payloads are fed."""
    event_index: int | None = None
    """Events before this one on the connection."""
    excerpt: str = ""
    """The beginning of what was met, at most 120 characters."""
