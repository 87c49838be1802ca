"""Commands for people: ``sfhnet`` or ``python -m sfhnet`` lists them, ``sfhnet COMMAND --help`` explains one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sfhnet import __version__
from sfhnet.commands.catalogue import COMMANDS, module_of, overview, parser_of
from sfhnet.tools.script_options import nearest


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit status: 0 done, 1 not, 2 typed wrongly, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except KeyboardInterrupt:
        print("interrupted; nothing half-written was left behind", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain again when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"sfhnet {__version__}")
        return 0
    name, *rest = words
    if name not in COMMANDS:
        remedy = nearest(name, COMMANDS) or "; sfhnet alone lists them"
        print(f"error: there is no command {name}{remedy}", file=sys.stderr)
        return 2
    module = module_of(name)
    own, passed_on = module.split(rest) if hasattr(module, "split") else (rest, [])
    args = parser_of(name).parse_intermixed_args(own)
    args.passed_on = passed_on
    return module.run(args)


if __name__ == "__main__":
    sys.exit(main())
