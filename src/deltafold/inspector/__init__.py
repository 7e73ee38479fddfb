"""The inspector: `python -m deltafold`. The one part of the library that does input and output.

`inputs` finds out what form a capture has and takes the streams out of it, `playing` runs them through the
parser, and a view shows what came: `listing`, `checking`, `page`. It uses only what every embedder can use.
"""
