"""Files on disk: atomic writes and hashes."""
