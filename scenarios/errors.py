"""The one error that a user can cause."""


class InputError(ValueError):
    """Bad input. Its text is one line that names the thing, the rule and what came."""
