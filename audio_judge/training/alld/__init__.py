"""ALLD: preferences between an expert that reads the ratings and the judge that hears the clip."""
