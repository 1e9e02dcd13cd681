"""Fidelity and diversity, as `keras.metrics.Metric`."""
