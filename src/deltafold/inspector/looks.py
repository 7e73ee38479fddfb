"""What a file looks like that is no capture, or holds no response, in words for a person."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["appearance", "foreign"]

FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first (a .saz of Fiddler is one too)"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"BZh", "bzip2: decompress it first"),
    (b"\xfd7zXZ", "xz: decompress it first"),
    (b"\x04\x22\x4d\x18", "lz4: decompress it first"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a Windows program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap): export the HTTP body, or the exchange as HAR"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap): export the HTTP body, or the exchange as HAR"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap): export the HTTP body, or the exchange as HAR"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng): export the HTTP body, or the exchange as HAR"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"OggS", "Ogg audio"),
    (b"RIFF", "a RIFF file (WAV, WebP)"),
    (b"ID3", "MP3 audio"),
    (b"\0asm", "a WebAssembly module"),
)
"""The first bytes of files that cannot hold a capture."""
TAR = (257, b"ustar")
MITMPROXY = re.compile(rb"\d{1,9}:\d{1,2}:[a-z_]+;")
CURL_TRACE = re.compile(rb"(?:\d\d:\d\d:\d\d\.\d+ )?(?:== Info: |=> Send |<= Recv )")
REQUEST = ("messages", "input", "contents", "prompt")
RESPONSE = ("choices", "output", "content", "candidates")
MEMBERS = 6
"""Members of a JSON object that are named."""
NAME = re.compile(r"[\w.-]{1,40}")


def foreign(head: bytes) -> str:
    """What a file is that is no capture, by its first bytes; empty where nobody knows it."""
    for mark, name in FOREIGN:
        if head.startswith(mark):
            return name
    if head[TAR[0] :].startswith(TAR[1]):
        return "a tar archive: unpack it first"
    if CURL_TRACE.match(head):
        return "a trace of curl: pipe the stream itself into the inspector, with --time"
    if MITMPROXY.match(head):
        return "flows of mitmproxy: export them as HAR (mitmdump -r FILE --set hardump=flows.har)"
    return ""


def appearance(head: bytes) -> str:
    """What a body looks like that holds no response that anybody knows."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text:
        return "nothing at all"
    if text.startswith("<"):
        html = re.match(r"<!doctype html|<html|<head|<body", text, re.IGNORECASE)
        return "a page of HTML" if html else "XML"
    try:
        return of_json(json.loads(text))
    except (ValueError, RecursionError):
        pass
    if text[0] in "{[":
        return "JSON that is damaged, or too long to be looked at"
    binary = sum(letter == "\ufffd" or letter < "\t" for letter in text)
    return "binary data" if binary * 10 >= len(text) else "plain text"


def of_json(value: Any) -> str:
    """What a JSON value looks like."""
    if not isinstance(value, dict):
        return f"JSON, {'a list' if isinstance(value, list) else 'one value'}"
    if any(name in value for name in REQUEST) and not any(name in value for name in RESPONSE):
        return "the body of a request, not of a response"
    names = [name for name in value if NAME.fullmatch(name)][:MEMBERS]
    return f"JSON of no API that is known{', with ' if names else ''}{', '.join(names)}"
