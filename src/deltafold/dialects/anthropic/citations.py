"""Citations of a text block: those with which it begins, and those that come one by one."""

from __future__ import annotations

from typing import Any

from deltafold.dialects.anthropic.state import Block
from deltafold.dialects.emitter import Emitter
from deltafold.model.json_values import copied

__all__ = ["read_citation", "read_citations"]


def read_citations(emitter: Emitter, block: Block, sent: Any) -> None:
    """The citations with which a block begins."""
    if sent is not None and not isinstance(sent, list):
        emitter.report_invalid("citations", sent)
        return
    for citation in sent or ():
        read_citation(emitter, block, citation)


def read_citation(emitter: Emitter, block: Block, citation: Any) -> None:
    """One citation."""
    if not isinstance(citation, dict):
        emitter.report_invalid("citation", citation)
        return
    at = emitter.check_index_limit(block.citations)
    block.citations += 1
    emitter.annotate(block.index, 0, at, copied(citation))
