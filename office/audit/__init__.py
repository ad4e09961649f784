"""The audit log: what anybody read or changed in the office, chained, sealed, and checked offline (C21, C35)."""
