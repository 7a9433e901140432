"""After training: thresholds, calibration and repaired predictions by group, for any model's outputs."""

from mxfair.postprocessing._base import PostProcessor
from mxfair.postprocessing.barycenter import WassersteinBarycenter
from mxfair.postprocessing.reject_option import RejectOption
from mxfair.postprocessing.thresholds import GroupThresholds

__all__ = ["GroupThresholds", "PostProcessor", "RejectOption", "WassersteinBarycenter"]
