"""Bytes and JSON text. It knows no provider."""
