"""What the gate keeps on its card, in SQLite: the journal, and the list as verified bytes."""
