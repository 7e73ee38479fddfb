"""One folder for each wire API."""
