"""The one exception that speaks to the user."""


class UserError(ValueError):
    """Something the user can mend: one sentence names the setting, file or value at fault and the next thing to do.

    The command line prints the message without a traceback and exits with code 2.
    """
