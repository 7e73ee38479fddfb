"""One translator for each wire API: payloads in, events out, no base class.

A translator reads the fold, which stands still while it works, and never writes it.
"""
