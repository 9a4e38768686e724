//! `WWW-Authenticate`: what a registry wants to see (RFC 9110, section 11.6.1; distribution-spec
//! tells nothing, distribution's `docs/spec/auth/token.md` does).

use std::collections::BTreeMap;

/// What a registry asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Challenge {
    /// User and password in each request.
    Basic,
    /// A token from the service at `realm`.
    Bearer { realm: String, service: Option<String>, scopes: Vec<String> },
}

/// The challenge that we can answer best, of all header values.
pub(super) fn best<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let all: Vec<Challenge> = headers.into_iter().flat_map(parse).collect();
    let bearer = all.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
    bearer.or(all.first()).cloned()
}

/// The challenges of one header value that we know.
fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = header;
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            break;
        }
        let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            found.push((word.to_ascii_lowercase(), BTreeMap::new()));
            rest = after;
            continue;
        };
        // `name=value` belongs to the scheme before it.
        let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
        if let Some((_, parameters)) = found.last_mut() {
            parameters.entry(word.to_ascii_lowercase()).or_insert(value);
        }
        rest = after;
    }
    found.into_iter().filter_map(|(scheme, parameters)| known(&scheme, parameters)).collect()
}

fn known(scheme: &str, mut parameters: BTreeMap<String, String>) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service").filter(|s| !s.is_empty()),
            scopes: parameters
                .remove("scope")
                .map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
        }),
        _ => None,
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// A token or a quoted string, and what follows it. A quote that does not end runs to the end.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(str::to_owned),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    #[test]
    fn what_registries_send() {
        let table: [(&[&str], Option<Challenge>); 12] = [
            (
                &[
                    r#"Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="repository:a/b:pull,push""#,
                ],
                Some(bearer(
                    "https://quay.io/v2/auth",
                    Some("quay.io"),
                    &["repository:a/b:pull,push"],
                )),
            ),
            (
                &[r#"bearer realm=https://a/t , service="" , error="invalid_token""#],
                Some(bearer("https://a/t", None, &[])),
            ),
            (
                &[r#"Bearer realm="r",scope="a:b:pull c:d:pull""#],
                Some(bearer("r", None, &["a:b:pull", "c:d:pull"])),
            ),
            (
                &[r#"Bearer realm="a\"b\\c",service="x, y""#],
                Some(bearer(r#"a"b\c"#, Some("x, y"), &[])),
            ),
            (&[r#"Basic realm="x""#], Some(Challenge::Basic)),
            (&["Basic"], Some(Challenge::Basic)),
            (&[r#"Basic realm="x", Bearer realm="r""#], Some(bearer("r", None, &[]))),
            (
                &[r#"Basic realm="x""#, r#"Negotiate, Bearer realm="r""#],
                Some(bearer("r", None, &[])),
            ),
            (&["Negotiate"], None),
            (&[r#"Bearer service="x""#], None),
            (&["", "=", ",,", "\"", "realm=x"], None),
            (&[], None),
        ];
        for (headers, expected) in table {
            assert_eq!(best(headers.iter().copied()), expected, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_ends(text in "(?s).{0,60}") {
            let _ = best([text.as_str()]);
        }

        #[test]
        fn any_quoted_realm_comes_back(realm in "[ -~]{0,40}") {
            let quoted = realm.replace('\\', r"\\").replace('"', "\\\"");
            let header = format!(r#"Bearer realm="{quoted}",service="s""#);
            prop_assert_eq!(best([header.as_str()]), Some(bearer(&realm, Some("s"), &[])));
        }
    }
}
