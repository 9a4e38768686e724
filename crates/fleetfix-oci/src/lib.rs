//! Layers, image and index editing, OCI layouts on disk; no network.
