"""What leaves the office as a sheet: events, visits, people, attendance; masked, and on record (C15, C16)."""
