"""Read models: what projections keep of the log, and the runner that keeps it current.

from stenogram.projections import DocProjection, Meta, fold
"""

from .document import DELETE, DocProjection
from .folding import Fold, fold
from .meta import Meta
from .projection import Projection
from .table import Rows, TableProjection

__all__ = ["DELETE", "DocProjection", "Fold", "Meta", "Projection", "Rows", "TableProjection", "fold"]
