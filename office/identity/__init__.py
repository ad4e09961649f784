"""Who people are, encrypted: a key for each person, so that deleting a key deletes the person everywhere (C10)."""
