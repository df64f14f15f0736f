"""Settings that an experiment has and the command line does not show."""

from typing import TYPE_CHECKING

from rnnjax.extras import require

__all__ = ["Hidden"]

if TYPE_CHECKING:
    from tyro.conf import Suppress as Hidden
else:
    Hidden = require("tyro", "scripts").conf.Suppress
