"""Fixtures of the store's tests."""

from store_dovecot import dovecot

__all__ = ["dovecot"]
