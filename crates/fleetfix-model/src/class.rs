//! Error classes and their exit codes.

/// What an error means for whoever called us. Each task binary ends with the exit code of the
/// class, so that a pipeline can tell "retry" from "mend the input" from "do not ship this".
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Class {
    /// A defect of fleetfix itself.
    Bug,
    /// The command line is not one of ours.
    Usage,
    /// A digest, a signature or the policy says no.
    Refused,
    /// The input is malformed, absent or not permitted to us (401, 403, 404): it would fail again.
    Input,
    /// Time-out, reset, 429, 5xx, full disk: the only class worth retrying.
    Environment,
}

impl Class {
    /// The process exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Refused => 10,
            Self::Input => 11,
            Self::Environment => 12,
        }
    }
}

/// An error that knows its [`Class`]. Implementations match exhaustively, so that a new variant
/// forces a decision.
pub trait Classify {
    /// The class of this error.
    fn class(&self) -> Class;
}

impl Classify for std::io::Error {
    /// What is absent or forbidden would fail again; everything else may pass on a retry.
    fn class(&self) -> Class {
        use std::io::ErrorKind as K;
        match self.kind() {
            K::NotFound
            | K::PermissionDenied
            | K::AlreadyExists
            | K::NotADirectory
            | K::IsADirectory
            | K::DirectoryNotEmpty
            | K::ReadOnlyFilesystem
            | K::InvalidInput
            | K::InvalidData
            | K::InvalidFilename
            | K::UnexpectedEof
            | K::Unsupported => Class::Input,
            _ => Class::Environment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn exit_codes_are_a_contract() {
        let table = [
            (Class::Bug, 1),
            (Class::Usage, 2),
            (Class::Refused, 10),
            (Class::Input, 11),
            (Class::Environment, 12),
        ];
        for (class, code) in table {
            assert_eq!(class.exit_code(), code, "{class:?}");
        }
    }
}
