"""From networks to a SavedModel that needs neither kerasgan nor Keras."""
