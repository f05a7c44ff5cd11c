"""Quantizers of weights and activations: choices, grids, scales."""
