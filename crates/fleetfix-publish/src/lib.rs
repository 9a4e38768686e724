//! Publishes a bundle to a fleet and moves its channel.
