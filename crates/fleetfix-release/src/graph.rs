//! Where the update graph is read from: a file, or a server that speaks Cincinnati
//! (openshift/cincinnati `docs/design/cincinnati.md`). One source is one channel; what it says is
//! for those to judge who know the rules.

use std::convert::Infallible;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use fleetfix_model::canonical;
use fleetfix_registry::Client;

use crate::Error;

/// Most bytes of one channel's graph. A large one has some thousand nodes, a hundred thousand edges
/// and a few MiB of risks.
const MAX_GRAPH: u64 = canonical::MAX_SIZE as u64;

/// Where the graph of one channel lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A URL, with its query: `?channel=stable-4.20&arch=multi`.
    Url(String),
}

impl Source {
    /// The bytes that lie there.
    pub async fn read(&self, client: &Client) -> Result<Vec<u8>, Error> {
        match self {
            Self::Url(url) => {
                let bytes = client.document(url, MAX_GRAPH).await;
                bytes.map(Into::into).map_err(|source| Error::GraphUrl(Box::new(source)))
            }
            Self::File(path) => {
                let failed = |source| Error::GraphFile { path: path.clone(), source };
                let mut bytes = Vec::new();
                std::fs::File::open(path)
                    .and_then(|file| file.take(MAX_GRAPH + 1).read_to_end(&mut bytes))
                    .map_err(failed)?;
                if bytes.len() as u64 > MAX_GRAPH {
                    return Err(Error::GraphTooLarge { path: path.clone(), max: MAX_GRAPH });
                }
                Ok(bytes)
            }
        }
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let url = text.starts_with("https://") || text.starts_with("http://");
        Ok(if url { Self::Url(text.to_owned()) } else { Self::File(PathBuf::from(text)) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Display::fmt(&path.display(), f),
            // What stands in a query may be secret, but the channel is what people look for.
            Self::Url(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetfix_model::{Class, Classify};
    use fleetfix_registry::Options;

    use super::*;

    #[test]
    fn files_and_urls() {
        let table = [
            ("graph.json", false),
            ("/a/http://b", false),
            ("https://api.example/graph?channel=stable-4.20", true),
            ("http://127.0.0.1:1/graph", true),
        ];
        for (text, url) in table {
            let source: Source = text.parse().unwrap();
            assert_eq!(matches!(source, Source::Url(_)), url, "{text}");
            assert_eq!(source.to_string(), text);
        }
    }

    #[tokio::test]
    async fn reading() {
        let client = Client::new(Options::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("graph.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(Source::File(path).read(&client).await.unwrap(), b"{}");
        for (source, class) in [
            (Source::File(dir.path().join("none")), Class::Input),
            (Source::File(dir.path().to_owned()), Class::Input),
            (Source::Url("ftp://a.example/x".into()), Class::Usage),
        ] {
            let error = source.read(&client).await.unwrap_err();
            assert_eq!(error.class(), class, "{error:?}");
        }
        // Sparse: nothing is allocated for it.
        let large = dir.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(MAX_GRAPH + 1).unwrap();
        let error = Source::File(large).read(&client).await.unwrap_err();
        assert!(matches!(error, Error::GraphTooLarge { .. }), "{error:?}");
    }
}
