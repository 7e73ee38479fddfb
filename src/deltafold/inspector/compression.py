"""Decompression of captures: gzip and deflate always, zstd and brotli where a package for them is there."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from deltafold.inspector.capture import CaptureError, Piece, body_of

__all__ = ["decompressed", "is_compressed", "whole"]

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
EITHER = 32 + zlib.MAX_WBITS
"""For zlib: gzip or zlib, whichever the header says."""


def is_compressed(head: bytes) -> str:
    """The name of the compression that these bytes begin with; empty where there is none with a mark."""
    if head.startswith(GZIP):
        return "gzip"
    if head.startswith(ZSTD):
        return "zstd"
    return "deflate" if head.startswith(ZLIB) else ""


SLICE = 1 << 16
"""Bytes that are decompressed at once."""


class Inflater:
    """gzip in any number of members, zlib, or raw deflate."""

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(EITHER)
        self.begun = False
        self.held = b""

    def decompress(self, data: bytes) -> bytes:
        out = []
        data = self.held + data
        self.held = b""
        if not self.begun and len(data) < 2:  # the header of zlib
            self.held = data
            return b""
        while data:
            if self.stream.eof:
                if not data.strip(b"\0"):  # padding, as tar and tapes have it
                    break
                self.stream = zlib.decompressobj(EITHER)
            try:
                out.append(self.stream.decompress(data))
            except zlib.error:
                if self.begun:
                    raise
                # "deflate" should be zlib (RFC 9110, 8.4.1.2), but some servers send it raw.
                self.stream = zlib.decompressobj(-zlib.MAX_WBITS)
                out.append(self.stream.decompress(data))
            self.begun = True
            data = self.stream.unused_data
        return b"".join(out)

    @property
    def eof(self) -> bool:
        return self.stream.eof


PACKAGES: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    "zstd": (
        ("compression.zstd", lambda found: found.ZstdDecompressor()),  # the standard library, from 3.14 on
        ("backports.zstd", lambda found: found.ZstdDecompressor()),
        ("zstandard", lambda found: found.ZstdDecompressor().decompressobj()),
    ),
    "br": (
        ("brotli", lambda found: found.Decompressor()),
        ("brotlicffi", lambda found: found.Decompressor()),
    ),
}
"""Who can decompress what, in the order of preference."""


def decompressor(coding: str) -> Any:
    """What decompresses that coding piece by piece. Raises `CaptureError` where nothing here can."""
    if coding in ("gzip", "x-gzip", "deflate"):
        return Inflater()
    for name, make in PACKAGES.get(coding, ()):
        try:
            return make(importlib.import_module(name))
        except ImportError:
            continue
    names = " or ".join(name for name, _ in PACKAGES.get(coding, ()) if "." not in name)
    raise CaptureError(f"{coding} cannot be decompressed here" + (f": install {names}" if names else ""))


def decompressed(pieces: Iterable[Piece], coding: str, notes: list[str]) -> Iterator[Piece]:
    """The pieces without their compression. Where it breaks off or is damaged, what came before stands."""
    machine = decompressor(coding)
    process = getattr(machine, "decompress", None) or machine.process
    for piece in pieces:
        try:
            data = process(piece.raw)
        except Exception as error:  # each package has an exception of its own
            notes.append(f"the {coding} data are damaged: {error}")
            return
        if data:
            yield Piece(data, piece.time)
        if getattr(machine, "eof", False) and not isinstance(machine, Inflater):
            return
    if not ended(machine):
        notes.append(f"the {coding} data break off")


def ended(machine: Any) -> bool:
    """Whether the compressed data came to their end."""
    if hasattr(machine, "is_finished"):
        return bool(machine.is_finished())
    return bool(getattr(machine, "eof", True))


def whole(data: bytes, codings: str, notes: list[str]) -> bytes:
    """A body that was kept in one piece, without the `Content-Encoding` that it may still have."""
    for coding in reversed([name.strip().lower() for name in codings.split(",")]):
        marked = is_compressed(data)
        if coding not in ("gzip", "x-gzip", "deflate", "zstd", "br"):
            continue
        if coding != "br" and not marked:
            continue  # whoever kept it has decompressed it, and left the header as it was
        kept: list[str] = []
        try:
            slices = (Piece(data[at : at + SLICE]) for at in range(0, len(data), SLICE))
            found = body_of(decompressed(slices, coding, kept))
        except CaptureError as error:
            if coding == "br" and data.isascii():
                continue  # brotli has no mark, but does not look like this
            raise error
        if coding == "br" and kept and not found:
            continue
        notes += kept
        data = found
    return data
