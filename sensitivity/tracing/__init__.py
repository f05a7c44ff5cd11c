"""What a network does with its weights, and per-sample gradients."""
