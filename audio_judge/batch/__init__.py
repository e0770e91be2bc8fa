"""Many clips in, rows out: found, judged in order, written one by one, gone on with after a stop."""
