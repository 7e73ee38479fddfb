"""What events mean: life cycles, records and the fold. It knows no provider."""
