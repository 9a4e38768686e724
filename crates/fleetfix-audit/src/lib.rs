//! Verifies images, bundles and channels in a store against a policy, and names every check.
