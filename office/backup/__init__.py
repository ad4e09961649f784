"""Backups: the office in one encrypted file, the keys of its people in another (C30)."""
