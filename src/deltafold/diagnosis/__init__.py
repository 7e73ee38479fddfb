"""What an error or a header means, with tables for each provider."""
