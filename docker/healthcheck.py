"""Asks the server in the same container whether it is ready: exits with 0 if it is, with 1 and the reason if not.

It needs nothing but Python's own library: a command of `eabs` would load torch every few seconds.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 3.0  # less than the health check's own, so that a reason can be said


def main() -> int:
    """Prints what `/readyz` says."""
    port = int(os.environ.get("EABS_PORT", "8000"))
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        print(answer.status, answer.read().decode(errors="replace"))
    except (OSError, HTTPException) as error:
        print(f"no answer from port {port}: {error!r}")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
