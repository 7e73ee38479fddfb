"""From one wire's shape to another's: pure functions over the model."""
