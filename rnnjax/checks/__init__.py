"""Checks of arguments: every error names the argument, what it must be, and what it is."""

from rnnjax.checks.arrays import check_array as check_array
from rnnjax.checks.arrays import check_flags as check_flags
from rnnjax.checks.arrays import check_floating as check_floating
from rnnjax.checks.arrays import check_integers as check_integers
from rnnjax.checks.arrays import check_key as check_key
from rnnjax.checks.arrays import check_lengths as check_lengths
from rnnjax.checks.arrays import check_range as check_range
from rnnjax.checks.arrays import check_steps as check_steps
from rnnjax.checks.arrays import check_tokens as check_tokens
from rnnjax.checks.arrays import concrete as concrete
from rnnjax.checks.arrays import is_known as is_known
from rnnjax.checks.values import check_at_least as check_at_least
from rnnjax.checks.values import check_choice as check_choice
from rnnjax.checks.values import check_choices as check_choices
from rnnjax.checks.values import check_ids as check_ids
from rnnjax.checks.values import check_positive as check_positive
from rnnjax.checks.values import check_rate as check_rate
from rnnjax.checks.values import check_text as check_text
from rnnjax.checks.values import check_token as check_token
