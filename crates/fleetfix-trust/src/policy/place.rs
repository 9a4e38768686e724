//! Where something is said, and whether a rule holds there.

use fleetfix_model::Repository;
use fleetfix_model::document::policy::Scope;
use fleetfix_model::name::{ChannelName, ComponentTag};

/// Where something is said. What is absent is not asked about: a rule whose scope names channels does
/// not hold where no channel is in question.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place<'a> {
    /// The channel.
    pub channel: Option<&'a ChannelName>,
    /// The component.
    pub component: Option<&'a ComponentTag>,
    /// The repository: of an image, or the fleet's prefix for a bundle.
    pub repository: Option<&'a Repository>,
}

impl Place<'_> {
    /// True if a rule with `scope` holds here: every field of the scope that is there must match.
    pub(crate) fn is_in(&self, scope: Option<&Scope>) -> bool {
        let Some(scope) = scope else { return true };
        let channel = self.channel.is_some_and(|name| scope.channels.contains(name));
        let component = self.component.is_some_and(|tag| scope.components.contains(tag));
        let below = |prefix: &String| self.repository.is_some_and(|r| is_below(r, prefix));
        (scope.channels.is_empty() || channel)
            && (scope.components.is_empty() || component)
            && (scope.repositories.is_empty() || scope.repositories.iter().any(below))
    }
}

/// True if `repository` is `prefix` or lies below it; the cut is at `/`, so `host/a` is not above
/// `host/ab`.
pub(crate) fn is_below(repository: &Repository, prefix: &str) -> bool {
    is_text_below(&repository.to_string(), prefix)
}

pub(crate) fn is_text_below(text: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    !prefix.is_empty()
        && text.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
