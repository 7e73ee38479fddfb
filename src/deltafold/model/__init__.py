"""What goes out: data only. It knows no wire and opens nothing."""
