"""What another process finds, with another seed for hashing."""

import os
import subprocess
import sys


def digest_elsewhere(module, function):
    """The digest of what a function returns; an order taken from a set would show."""
    command = (
        f"import hashlib; from {module} import {function} as read;"
        "print(hashlib.sha256(repr(read()).encode()).hexdigest())"
    )
    out = subprocess.run(
        [sys.executable, "-c", command],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    return out.stdout.strip()
