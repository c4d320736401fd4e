"""All mutants, by the method that they are mistakes in."""

from __future__ import annotations

from tests.mutations.table.fine_tuning import FINE_TUNING
from tests.mutations.table.grace import GRACE
from tests.mutations.table.ike import IKE
from tests.mutations.table.ke import KE
from tests.mutations.table.mend import MEND
from tests.mutations.table.serac import SERAC, SERAC_LEGACY, SERAC_PUBLISHED
from tests.mutations.table.shared import SHARED
from tests.mutations.table.t_patcher import T_PATCHER
from tests.mutations.table.unike import UNIKE
from tests.mutations.table.wise import WISE

MUTANTS = (
    *UNIKE, *MEND, *KE, *SERAC, *SERAC_PUBLISHED, *SERAC_LEGACY, *FINE_TUNING, *T_PATCHER, *GRACE, *WISE,
    *IKE, *SHARED,
)  # fmt: skip
