//! Names below the prefix of a fleet or of a build place, which every program knows: components lie
//! below their own names, which can be none of these.

/// Repository of the bundles, at a fleet and at a build place.
pub const BUNDLES: &str = "bundles";
/// Repository of the TUF states, at a fleet.
pub const CHANNELS: &str = "channels";
/// Tag of the newest TUF state. Moving it moves the whole state at once.
pub const CURRENT: &str = "current";
