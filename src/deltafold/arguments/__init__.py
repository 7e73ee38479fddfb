"""The JSON of tool arguments, as it streams."""
