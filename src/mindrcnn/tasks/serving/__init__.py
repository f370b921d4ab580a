"""A small HTTP server: images in, the predictions of `mindrcnn infer` out."""
