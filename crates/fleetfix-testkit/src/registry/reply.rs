//! What a server does with a request.

use std::time::Duration;

/// An answer, or something in the place of one.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status, headers and a body.
    Answer {
        /// HTTP status.
        status: u16,
        /// Names and values; `content-length` is added unless it is among them.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
        /// How it ends.
        ending: Ending,
    },
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Closes without an answer; bytes of the body that were not read make it a reset.
    Drop,
    /// Never answers.
    Silent,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ending {
    /// With its last byte.
    #[default]
    Whole,
    /// After so many bytes, as if that were all.
    Cut(usize),
    /// After so many bytes, with a reset of the connection.
    Reset(usize),
    /// After so many bytes nothing more comes, and the connection stays open.
    Stall(usize),
    /// So many bytes at a time, with a pause after each.
    Drip(usize, Duration),
}

impl Reply {
    /// A status without a body.
    pub fn new(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new(), ending: Ending::Whole }
    }

    /// A status with JSON.
    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status).with("content-type", "application/json").body(body)
    }

    /// A registry's refusal (distribution-spec v1.1, "Error Codes").
    pub fn error(status: u16, code: &str) -> Self {
        let message = code.to_ascii_lowercase().replace('_', " ");
        Self::json(status, &format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#))
    }

    /// The same with a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_ascii_lowercase(), value.into()));
        }
        self
    }

    /// The same with one value for a header, whatever it had.
    #[must_use]
    pub fn instead(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.retain(|(n, _)| n != name);
        }
        self.with(name, value)
    }

    /// Whether a header, named in small letters, has this value.
    pub fn says(&self, name: &str, value: &str) -> bool {
        match self {
            Self::Answer { headers, .. } => {
                headers.iter().any(|(n, v)| (&**n, &**v) == (name, value))
            }
            _ => false,
        }
    }

    /// The same without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.retain(|(n, _)| n != name);
        }
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = content.into();
        }
        self
    }

    /// The same with one bit of the body changed.
    #[must_use]
    pub fn flipped(mut self) -> Self {
        if let Self::Answer { body, .. } = &mut self
            && let Some(last) = body.last_mut()
        {
            *last ^= 1;
        }
        self
    }

    /// Names the whole length and sends only so many bytes before it closes.
    #[must_use]
    pub fn cut(self, after: usize) -> Self {
        self.ending(Ending::Cut(after))
    }

    /// The same with another end.
    #[must_use]
    pub fn ending(mut self, new: Ending) -> Self {
        if let Self::Answer { ending, .. } = &mut self {
            *ending = new;
        }
        self
    }

    /// Its status; 0 where there is none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Answer { status, .. } => *status,
            _ => 0,
        }
    }

    /// Everything before the body.
    pub(super) fn head(&self) -> Vec<u8> {
        let Self::Answer { status, headers, body, .. } = self else { return Vec::new() };
        let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        if !headers.iter().any(|(name, _)| name == "content-length") {
            head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
