"""An error as it was sent: the fields of its layers, and all that may be evidence of what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltafold.diagnosis.error_bodies import decoded_base64, json_of
from deltafold.diagnosis.error_fields import (
    CODE_FIELDS,
    INNER_ERROR_FIELDS,
    MESSAGE_FIELDS,
    STATUS_WORD,
    TYPE_FIELDS,
    first_code,
    first_message,
    first_text,
    first_type,
    layers_of,
    mappings_in,
    metadata_of,
    str_of,
    told_status,
)
from deltafold.diagnosis.error_wordings import READ_FOR_MEANING
from deltafold.diagnosis.error_words import normalized
from deltafold.diagnosis.google_details import details_of
from deltafold.diagnosis.rate_limits import lowered
from deltafold.model.frozen import frozen

__all__ = ["ErrorEvidence", "gather_evidence"]


@frozen
class ErrorEvidence:
    """An error as it was sent: its fields, and all that may be evidence of what it means."""

    layers: list[Mapping[str, Any]]
    metadata: list[Mapping[str, Any]]
    message: str | None
    code: str | int | None
    type: str | None
    param: str | None
    status: int | None
    headers: list[dict[str, str]]
    """The response's headers, then those inside the error."""

    @property
    def words(self) -> list[str]:
        """The code, the type, and the like of them in the metadata, normalized."""
        fields = (*CODE_FIELDS, *TYPE_FIELDS, "status")
        inner = [e for layer in self.layers for f in INNER_ERROR_FIELDS for e in mappings_in(layer.get(f))]
        sent = (
            self.code,
            self.type,
            first_text(self.layers, ("status",)),
            *(f"minimax_{layer.get('status_code')}" for layer in self.layers if "status_msg" in layer),
            # {"error": "insufficient_quota"}; a sentence is read as wording
            *(error for layer in self.layers if " " not in (error := str_of(layer.get("error")))),
            *(detail.get("reason") for detail in details_of(self.layers)),
            # AWS: "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.service/"
            *(headers.get("x-amzn-errortype", "").partition(":")[0] for headers in self.headers),
            *(evidence.get(field) for evidence in (*inner, *self.metadata) for field in fields),
        )
        return [normalized(word) for word in sent if isinstance(word, (str, int))]

    @property
    def text(self) -> str:
        """What the server, and the provider behind it, say for people."""
        said = [self.message]
        for source in (*self.layers, *self.metadata):
            said += [source.get(field) for field in ("raw", *MESSAGE_FIELDS)]
        return "\n".join(dict.fromkeys(text[:READ_FOR_MEANING] for text in said if isinstance(text, str)))

    @property
    def was_flagged(self) -> bool:
        """Whether OpenRouter's moderation says which input it refused, or why."""
        return any(metadata.get("flagged_input") or metadata.get("reasons") for metadata in self.metadata)


def gather_evidence(
    value: Any, text: str | None, status: int | None, headers: list[dict[str, str]], *, in_stream: bool
) -> ErrorEvidence:
    """The report of a JSON value, or of a text where there is none."""
    layers = layers_of(value)
    hidden = json_of(decoded_base64(headers[0].get("x-error-json"))) if headers else None
    known = [*layers, *layers_of(hidden)]
    envelope = layers[-1] if layers and (in_stream or len(layers) > 1) else None
    code = first_code(known)
    kind = first_type(known, envelope)
    word = first_text(known, ("status",))
    metadata = list(metadata_of(known))
    wrapped = (source.get("headers") for source in (*known, *metadata))
    return ErrorEvidence(
        layers=known,
        metadata=metadata,
        message=first_message(known) or text,
        code=code,
        type=kind or (word if word and STATUS_WORD.fullmatch(word) else None),
        param=first_text(known, ("param",)),
        status=status if status is not None and status >= 400 else told_status(known, code) or status,
        headers=[*headers, *(lowered(inner) for inner in wrapped if isinstance(inner, Mapping))],
    )
