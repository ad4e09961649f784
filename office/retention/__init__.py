"""Data that are deleted on schedule: each class by its own clock, with a signed receipt (C10)."""
