"""Random numbers that are a function of an image's number, and ways through latents."""
