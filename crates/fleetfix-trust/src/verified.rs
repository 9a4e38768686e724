//! The mark of what was verified.

use std::ops::Deref;

/// A value that this crate verified. Nothing outside of this crate can make one, so a function that
/// takes a `Verified<T>` cannot be given bytes that nobody checked.
///
/// ```compile_fail
/// let unchecked = fleetfix_trust::Verified(b"bytes".to_vec());
/// ```
///
/// ```compile_fail
/// let unchecked: fleetfix_trust::Verified<Vec<u8>> = b"bytes".to_vec().into();
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Only for what was verified.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, without its mark.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
