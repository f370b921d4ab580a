"""Pictures of objects: masks, boxes and captions."""
