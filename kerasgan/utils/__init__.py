"""What any part may use: files, texts, image numbers. Imports nothing of kerasgan."""
