"""The error of every request that cannot be carried out, and the exit codes of the commands."""

import os
import sys
from collections.abc import Callable


class UsageError(ValueError):
    """A request that cannot be carried out at all; the message names the value and the fix."""


def exit_code(command: str, work: Callable[[], int], stopped: str = "stopped") -> int:
    """Do the work of a command, and say on stderr what kept it from its end.

    Args:
        command: As it was called, such as ``audio-judge score``.
        work: Gives the exit code of the command itself.
        stopped: What to say after Ctrl-C.

    Returns:
        That of the work; 2 for an unusable request or what the system refuses, 130 after Ctrl-C, 1 if nobody reads stdout any more.
    """
    try:
        return work()
    except UsageError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this, Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # such as a name that no disk can hold
        place = "" if error.filename is None else f"{str(error.filename)[:200]}: "
        print(f"{command}: {place}{error.strerror or error}", file=sys.stderr)
        return 2
