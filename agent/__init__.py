"""The gate agent: what runs on the Pi at each gate."""
