//! What a layer says about a file beside its content.

use std::collections::BTreeMap;

/// True for an extended attribute that belongs to a host, not to an image: it is neither read nor
/// written. `SELinux` labels are the host's policy (umoci drops them too), and overlayfs would take
/// its own marks for real: an "opaque" one hides the base's files.
pub(crate) fn is_of_host(xattr: &[u8]) -> bool {
    xattr == b"security.selinux"
        || xattr.starts_with(b"trusted.overlay.")
        || xattr.starts_with(b"user.overlay.")
}

/// True for an extended attribute that vouches for the content: wrong once that is replaced.
pub(crate) fn is_of_content(xattr: &[u8]) -> bool {
    matches!(xattr, b"security.ima" | b"security.evm")
}

/// Metadata of a file or directory.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    /// Owner's number.
    pub uid: u64,
    /// Group's number.
    pub gid: u64,
    /// Time of the last change.
    pub mtime: Mtime,
    /// Extended attributes by name. Both names and values are bytes: `security.capability` holds
    /// binary data.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Metadata {
    /// What a directory gets that no layer describes: containers/storage creates missing parents
    /// as 0755, owned by root (`storage/pkg/archive/diff.go`).
    pub fn implied_directory() -> Self {
        Self { mode: 0o755, ..Self::default() }
    }
}

/// A time in a tar archive.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mtime {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that, below 10^9. Only PAX records can hold them.
    pub nanos: u32,
}
