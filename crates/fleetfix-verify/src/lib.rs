//! Verifies images, bundles and channels.
