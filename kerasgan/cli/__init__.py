"""The `kerasgan` command. Nothing heavy is imported until a command needs it."""

from kerasgan.cli.commands import main

__all__ = ["main"]
