"""What is written: streams, bodies, turns and requests."""
