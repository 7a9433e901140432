"""Controllers: what the net does to each cell in, the share of each cell out.

A share is conditional on the label: ``shares[y, z]`` is the part of the samples with label y that comes from group z;
each row sums to 1. The mix of labels never changes, the mix of groups inside a label does. Controllers that say
``joint = True`` give the part of the whole batch instead, and may move the mix of labels.
"""

from __future__ import annotations

from typing import Any

from mxfair._validation import InputTypeError, one_of
from mxfair.data.controller._base import Controller
from mxfair.data.controller.fairgrad import FairGradController
from mxfair.data.controller.paper import PaperController
from mxfair.data.controller.proportional import NormalizedController, ProportionalController
from mxfair.data.controller.robust import FairDROController, GroupDROController
from mxfair.data.controller.static import BalancedController, ReweighingController

__all__ = [
    "BalancedController",
    "Controller",
    "FairDROController",
    "FairGradController",
    "GroupDROController",
    "NormalizedController",
    "PaperController",
    "ProportionalController",
    "ReweighingController",
]

#: Controllers by name.
CONTROLLERS: dict[str, type[Controller]] = {
    "proportional": ProportionalController,
    "paper": PaperController,
    "normalized": NormalizedController,
    "fairdro": FairDROController,
    "groupdro": GroupDROController,
    "fairgrad": FairGradController,
    "reweighing": ReweighingController,
    "balanced": BalancedController,
}


def controller_named(controller: Any) -> Controller:
    """Return a controller given by name, or the object itself."""
    if isinstance(controller, Controller):
        return controller
    if not isinstance(controller, str):
        raise InputTypeError(f"'controller' must be a name or a Controller object; got {controller!r}.")
    return CONTROLLERS[one_of(controller, CONTROLLERS, "controller")]()
