//! The command line of `cargo xtask bench patch`.

use std::path::PathBuf;

use super::contender::Contender;
use crate::failure::Failure;

pub(super) const HELP: &str = "\
usage: cargo xtask bench patch [OPTIONS]

  --rounds N       timed runs of everything (default 5)
  --only A,B       only cases whose names start so: middle, file, arch, base, other, delay, bases,
                   compression (compression-zstd: of these, those with zstd)
  --peers A,B      only these peers: crane, crane-parallel, regctl, buildah, buildah-cold; `none`
  --quick          small inputs and one round: shows that the bench works, says nothing about speed
  --product FILE   measure this fleetfix-patch instead of building one
  --out DIR        where patch.md and patch.json go (default TARGET/bench)
";

/// What to measure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Options {
    pub(super) rounds: usize,
    pub(super) only: Vec<String>,
    /// Absent: those that a case names.
    pub(super) peers: Option<Vec<Contender>>,
    pub(super) quick: bool,
    pub(super) product: Option<PathBuf>,
    pub(super) out: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut rounds = None;
        let mut options = Self {
            rounds: 0,
            only: Vec::new(),
            peers: None,
            quick: false,
            product: None,
            out: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let mut value = || {
                let value = attached.clone().or_else(|| args.next().cloned());
                value.ok_or_else(|| usage(&format!("`{name}` needs a value")))
            };
            match name {
                "--rounds" => {
                    let value = value()?;
                    let number = value.parse().ok().filter(|number| *number > 0);
                    rounds = Some(number.ok_or_else(|| usage(&format!("rounds: `{value}`")))?);
                }
                "--only" => options.only = words(&value()?).map(str::to_owned).collect(),
                "--peers" => options.peers = Some(peers(&value()?)?),
                "--quick" if attached.is_none() => options.quick = true,
                "--product" => options.product = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                _ => return Err(usage(&format!("no option `{arg}`"))),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { 5 });
        Ok(options)
    }
}

fn usage(what: &str) -> Failure {
    Failure::usage(format!("{what}\n{HELP}"))
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|word| !word.is_empty())
}

fn peers(list: &str) -> Result<Vec<Contender>, Failure> {
    if list == "none" {
        return Ok(Vec::new());
    }
    let peer = |word: &str| {
        let found = Contender::PEERS.into_iter().find(|peer| peer.name() == word);
        found.ok_or_else(|| usage(&format!("no peer `{word}`")))
    };
    words(list).map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::Options;
    use crate::bench::patch::contender::Contender;

    fn parse(line: &str) -> Result<Options, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn options_are_read() {
        let defaults = parse("").unwrap();
        assert_eq!((defaults.rounds, defaults.peers.clone(), defaults.quick), (5, None, false));
        assert_eq!(parse("--quick").unwrap().rounds, 1);
        assert_eq!(parse("--quick --rounds 2").unwrap().rounds, 2);
        let options = parse("--rounds=7 --only middle,file --peers crane,buildah --out x").unwrap();
        assert_eq!((options.rounds, options.only), (7, vec!["middle".into(), "file".into()]));
        assert_eq!(options.peers, Some(vec![Contender::Crane, Contender::Buildah]));
        assert_eq!(options.out, Some("x".into()));
        assert_eq!(parse("--peers none").unwrap().peers, Some(vec![]));
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (line, said) in [
            ("--rounds 0", "rounds: `0`"),
            ("--rounds many", "rounds: `many`"),
            ("--rounds", "`--rounds` needs a value"),
            ("--peers podman", "no peer `podman`"),
            ("--peers fleetfix", "no peer `fleetfix`"),
            ("--quick=1", "no option `--quick=1`"),
            ("fast", "no option `fast`"),
        ] {
            let failure = parse(line).unwrap_err();
            assert!(failure.starts_with(said), "{line}: {failure}");
        }
    }
}
