"""Content that is no plain text: parts of many kinds, images, and the annotations with their citations."""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.dialects.chat.reasoning import read_signature, reasoning_text
from deltafold.dialects.chat.state import OpenChoice
from deltafold.dialects.chat.table import REASONING_PARTS, SIGNATURES, first
from deltafold.dialects.chat.texts import add_other_part, value_of
from deltafold.dialects.emitter import Emitter
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import compact, integer

__all__ = ["Pieces", "content_pieces", "read_annotations", "read_images"]

JSON: TypeAlias = dict[str, Any]
Pieces: TypeAlias = list[tuple[e.ValueKind | None, Any]]
"""Texts with their kind, and other parts with None."""


def content_pieces(emitter: Emitter, choice: OpenChoice, content: Any) -> Pieces:
    """What stands in content that is no text: Mistral's and others' parts, or another JSON value."""
    if isinstance(content, dict):
        if "type" not in content and text_in(content) is None:
            report_no_text(emitter, content)
            return [("text", compact(content))]
        content = [content]
    elif not isinstance(content, list):
        report_no_text(emitter, content)
        return [("text", compact(content))]
    pieces: Pieces = []
    for part in content:
        if isinstance(part, dict):
            read_part(emitter, choice, part, pieces)
        elif part is not None:
            report_no_text(emitter, part)
            pieces.append(("text", part if isinstance(part, str) else compact(part)))
    return pieces


def report_no_text(emitter: Emitter, content: Any) -> None:
    """Reports content, or a part of it, that is neither text nor a part."""
    emitter.report_once(AnomalyCode.CONTENT_NOT_TEXT, None, f"the content is {content!r:.40}")


def read_part(emitter: Emitter, choice: OpenChoice, part: JSON, pieces: Pieces) -> None:
    """A part of the content: reasoning, refusal, text, or another kind."""
    kind = part.get("type")
    text = text_in(part)
    thought = part.get("thinking")
    if (isinstance(kind, str) and kind in REASONING_PARTS) or (text is None and thought is not None):
        found = reasoning_text(part, 0)
        pieces.append(("reasoning", found))
        signature = first(part, *SIGNATURES) if found else first(part, *SIGNATURES, "data")
        read_signature(emitter, choice, signature)
        if not found and signature is None:
            pieces.append((None, part))
    elif kind == "refusal" and isinstance(part.get("refusal"), str):
        pieces.append(("refusal", part["refusal"]))
    elif text is not None:
        pieces.append(("text", text))
        read_annotations(emitter, choice, part.get("annotations"))
    elif part:
        pieces.append((None, part))


def text_in(part: JSON) -> str | None:
    """The text of a part."""
    text = part.get("text")
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else None


def read_annotations(emitter: Emitter, choice: OpenChoice, annotations: Any) -> None:
    """Citations. Some servers send all of them again with each chunk, or at the end."""
    found = [a for a in annotations if isinstance(a, dict)] if isinstance(annotations, list) else []
    cited = choice.cited
    if found and cited is None:
        cited = choice.cited = set()
    for annotation in found:
        text = compact(annotation)
        if cited is None or text in cited:
            continue
        cited.add(text)
        index, key = value_of(emitter, choice, "text")
        at = emitter.check_index_limit(choice.annotations)
        emitter.out.append(e.AnnotationAdded(index, int(key[1]), at, annotation))
        choice.annotations += 1


def read_images(emitter: Emitter, choice: OpenChoice, images: Any) -> None:
    """Images become parts of the message."""
    if images is None:
        return
    for image in images if isinstance(images, list) else [images]:
        if not isinstance(image, dict):
            emitter.report_invalid("an image", image)
            continue
        index = integer(image, "index")
        if index is not None:
            known = choice.images
            if known is None:
                known = choice.images = {}
            if known.get(index) == image:
                continue
            known[index] = image
        add_other_part(emitter, choice, image)
