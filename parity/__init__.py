"""Our numbers beside the references': the same weights, image and sampling order, compared stage by stage."""
