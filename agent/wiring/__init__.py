"""Where the processes are put together, and nowhere else: one file each."""
