//! Statements, envelopes, signatures, policy and TUF: everything that verifies, nothing that signs.
