"""Which choices layers may take, and which layers are tied."""
