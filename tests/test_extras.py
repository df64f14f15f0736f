import json
import subprocess
import sys

import pytest

from rnnjax.extras import require


def test_require_imports_what_is_there():
    assert require("json", "scripts") is json


@pytest.mark.fast
def test_what_is_missing_names_itself_and_its_extra():
    with pytest.raises(ImportError, match=r'not_a_module is not .*"rnnjax\[plots\]"'):
        require("not_a_module", "plots")


def test_importing_rnnjax_needs_no_extra():
    # What the scripts alone need must not be imported by the library.
    program = (
        "import sys\n"
        "names = 'matplotlib tyro tensorboardX torch keras haiku equinox safetensors'\n"
        "for name in names.split(): sys.modules[name] = None\n"
        "import rnnjax as rx\n"
        "for room in rx._ROOMS: getattr(rx, room)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
