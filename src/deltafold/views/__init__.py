"""What others make of events."""
