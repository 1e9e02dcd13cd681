"""The zoo: one paper, one file."""
