//! Points in time.

use std::fmt;
use std::str::FromStr;

/// A point in time in whole seconds, written as RFC 3339 in UTC (`2026-01-31T12:00:00Z`), the one
/// form that TUF clients agree on (TUF specification 1.0.33, section 4.2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(jiff::Timestamp);

/// A string that is not a time in our form, or a number of seconds outside of years 1 to 9999.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{found}` is not a time; expected RFC 3339 in UTC and whole seconds, such as `2026-01-31T12:00:00Z`"
)]
pub struct NotATime {
    /// What stood there.
    pub found: String,
}

impl Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn from_unix(seconds: i64) -> Result<Self, NotATime> {
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) if seconds >= -62_135_596_800 => Ok(Self(time)),
            _ => Err(NotATime { found: seconds.to_string() }),
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0.as_second()
    }

    /// This time moved by `seconds`, held inside the range that can be written.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.unix().saturating_add(seconds)).unwrap_or(self)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    /// Fractions of a second are cut off.
    fn from(time: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_second(time.as_second()).unwrap_or(time))
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(s: &str) -> Result<Self, NotATime> {
        let refuse = || NotATime { found: s.chars().take(100).collect() };
        let time = Self::from(s.parse::<jiff::Timestamp>().map_err(|_| refuse())?);
        // One time has one spelling: no offset, no fraction, no lower-case letters.
        if time.to_string() == s { Ok(time) } else { Err(refuse()) }
    }
}

crate::name::string_form!(
    Timestamp,
    "Timestamp",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
    "RFC 3339 in UTC and whole seconds."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let good = "2026-01-31T12:00:00Z";
        assert_eq!(good.parse::<Timestamp>().unwrap().to_string(), good);
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00.5Z",
            "2026-01-31T12:00:00+00:00",
            "2026-01-31t12:00:00z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }
}
