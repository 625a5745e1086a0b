"""The user's verbs, a file each: they read, call the stages, and write."""
