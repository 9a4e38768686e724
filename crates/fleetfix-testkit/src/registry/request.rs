//! A request as it came.

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query; a whole URL where it was meant for a proxy.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As much of the body as was read.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// All values of a parameter of the query.
    pub fn query(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        values(query.as_bytes(), name)
    }

    /// All values of a field of the form in the body.
    pub fn form(&self, name: &str) -> Vec<String> {
        values(&self.body, name)
    }

    /// The first value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query(name).into_iter().next()
    }

    /// Method and path, to compare with.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path())
    }

    /// True if it may change what a registry holds.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The length that the head says the body has.
    pub(super) fn length(&self) -> usize {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    /// Parses the lines of a head.
    pub(super) fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            method: first.next().unwrap_or_default(),
            target: first.next().unwrap_or_default(),
            headers,
            body: Vec::new(),
        }
    }
}

/// All values of a name (WHATWG URL, "application/x-www-form-urlencoded").
fn values(pairs: &[u8], name: &str) -> Vec<String> {
    url::form_urlencoded::parse(pairs)
        .filter(|(n, _)| n == name)
        .map(|(_, v)| v.into_owned())
        .collect()
}
