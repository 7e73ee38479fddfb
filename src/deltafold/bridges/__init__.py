"""Between this library and the types of the official SDKs. None of them is needed but by whom it is for."""
