"""The entry that func's parliament imports: `python -m parliament infra/hosts/parliament`, at the top of the project.

It has no hook for starting, so importing this builds the step that LOCKSTEP_STEP names, and ends the process where
that cannot be done. Nothing else may import it.
"""

import os

from infra.hosts.parliament.function import started

main = started(os.environ).main
