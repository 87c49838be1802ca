"""Take away the lock of a run that was killed, if it is certain that the run is dead; `sfhnet run` begins with it."""

import sys
from pathlib import Path

from sfhnet.tools import script_options
from sfhnet.tools.run_lock import release

if __name__ == "__main__":
    script_options.Parser(description=__doc__).parse_args()
    try:
        release(Path.cwd())
    except RuntimeError as error:
        sys.exit(str(error))
