"""From the settings to what a tenant is made of: its log, its views, and what folds them."""

import asyncio
import resource
from math import inf

from ...log.log import Log
from ...log.storage import Storage
from ..settings import Settings
from ..views.folding_process import FoldingGroup, FoldingPlan, TenantFolding
from ..views.service import ViewService
from ..views.storage import NO_VIEWS, ViewStorage, folds_in_processes, make_projections

DESCRIPTORS_OF_A_TENANT = 16
"""Files that are open for a tenant whose log is a file, at most; in the process that folds views it is fewer."""


class TenantMaker:
    """Makes logs and view services, not opened yet. Raises ConfigurationError where the settings lead to none.
    `folding` is what folds the views in processes beside, where they are; `place` is where views are, and `beside`:
    other processes can read the log and write the views."""

    def __init__(self, settings: Settings, tasks: asyncio.TaskGroup) -> None:
        self._settings = settings
        self.storage = Storage(settings.log)
        # Views beside the log belong to the gateway that writes it, and in a copy they are left as they are.
        self.place = place = settings.views or (NO_VIEWS if settings.read_only else "")
        self._projections = make_projections(place, settings.projections)
        self._view_storage = ViewStorage(place, settings.log)
        self.beside = settings.views_in == "process" and folds_in_processes(place, settings.log)
        wanted, plan = self.beside and bool(self._projections), _folding_plan(settings, place)
        self.folding = FoldingGroup(plan, settings.views_processes, tasks) if wanted else None

    def log(self, tenant: str, create: bool) -> Log:
        """A tenant's log; without `create` it must be there already."""
        return Log(self.storage.engine(tenant, read_only=self._settings.read_only, create=create))

    def views(self, log: Log, tenant: str, tasks: asyncio.TaskGroup) -> ViewService:
        """The views of a tenant."""
        elsewhere = None if self.folding is None else TenantFolding(self.folding, tenant)
        promote, store = self._settings.promote == "auto", self._view_storage.store(tenant)
        return ViewService(log, store, self._projections, tasks, promote=promote, fold_elsewhere=elsewhere)

    @property
    def idle(self) -> float:
        """Seconds after which a tenant that nobody uses is closed. A log in memory would be lost with that."""
        return self._settings.tenant_idle if self.storage.is_lasting else inf

    @property
    def most(self) -> int:
        """How many tenants may be open at once. Those in files leave half of the process's descriptors to clients."""
        if self.storage.file is None:
            return self._settings.tenants
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors == resource.RLIM_INFINITY:
            return self._settings.tenants
        return max(2, min(self._settings.tenants, descriptors // 2 // DESCRIPTORS_OF_A_TENANT))


def _folding_plan(settings: Settings, place: str) -> FoldingPlan:
    return FoldingPlan(
        log=settings.log,
        views=place,
        projections=settings.projections,
        promote=settings.promote == "auto",
        effects=not settings.read_only,
        log_level=settings.log_level,
    )
