"""The error of every request that cannot be carried out."""


class UsageError(ValueError):
    """A request that cannot be carried out at all; the message names the value and the fix."""
