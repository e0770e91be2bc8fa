"""A judge's folder to the Hub: files, card, upload."""
