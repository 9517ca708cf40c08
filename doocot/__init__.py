"""Doocot: a mail access server that reads the configuration and the mailboxes that are already there."""

__version__ = "0.1.0.dev0"
