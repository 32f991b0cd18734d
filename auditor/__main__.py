"""Entry point: runs the command line, and turns every error that is meant for the user into one sentence."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run `auditor`; the process's exit code is the contract of the design, 130 after Ctrl-C."""
    from auditor.cli import app
    from auditor.errors import AuditorError

    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a dash gets a question mark; printing never decides the exit code.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except AuditorError as error:
        sys.stderr.write(f"auditor: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("auditor: stopped.\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
