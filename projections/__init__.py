"""Read models: what projections keep of the log, and the runner that keeps it current.

What projections are written with is imported from here:

    from stenogram.projections import DocProjection, Meta, fold
"""

from .authoring.document import DELETE, DocProjection
from .authoring.meta import Meta
from .authoring.projection import Projection
from .authoring.rows import Rows
from .authoring.table import Lifetime, TableProjection
from .folding import Fold, fold

__all__ = ["DELETE", "DocProjection", "Fold", "Lifetime", "Meta", "Projection", "Rows", "TableProjection", "fold"]
