//! Other tools' logins.
