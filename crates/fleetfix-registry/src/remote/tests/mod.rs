//! The protocol against servers that lie and fail.

mod auth;
mod downloads;
mod reads;
mod redirects;
mod writes;

use std::collections::BTreeMap;

use fleetfix_testkit::registry::{Reply, Request};

/// Answers the first `times` requests that `matches` with `reply`.
fn first(
    times: usize,
    matches: impl Fn(&Request) -> bool + Send + 'static,
    reply: Reply,
) -> impl FnMut(&Request) -> Option<Reply> + Send + 'static {
    let mut left = times;
    move |request| {
        if left == 0 || !matches(request) {
            return None;
        }
        left -= 1;
        Some(reply.clone())
    }
}

/// How often each of `lines` occurs.
fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}
