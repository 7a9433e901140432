"""After training: thresholds, calibration and repaired predictions by group, for any model's outputs."""

from mxfair.postprocessing._base import PostProcessor
from mxfair.postprocessing.barycenter import WassersteinBarycenter
from mxfair.postprocessing.calibration import GroupCalibration
from mxfair.postprocessing.folding import folded
from mxfair.postprocessing.mixing import EqualizedOddsMixing
from mxfair.postprocessing.offsets import ClassOffsets
from mxfair.postprocessing.reject_option import RejectOption
from mxfair.postprocessing.selection import RankedTopK, TopK
from mxfair.postprocessing.thresholds import GroupThresholds
from mxfair.postprocessing.withholding import CalibratedCostMixing
from mxfair.postprocessing.wrapper import PostProcessed

__all__ = [
    "CalibratedCostMixing",
    "ClassOffsets",
    "EqualizedOddsMixing",
    "GroupCalibration",
    "GroupThresholds",
    "PostProcessed",
    "PostProcessor",
    "RankedTopK",
    "RejectOption",
    "TopK",
    "WassersteinBarycenter",
    "folded",
]
