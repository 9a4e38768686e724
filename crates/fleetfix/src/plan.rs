//! `fleetfix plan REQUEST`: what `fleetfix-plan` does, with the request named without a flag and the
//! plan printed for people.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches, value_parser};
use fleetfix_plan::Output;
use fleetfix_task::{Context, Failure, Outcome, Task};

/// Identity of the argument that names the request.
const FILE: &str = "file";

/// The flags of `fleetfix-plan`, and the request.
#[derive(Debug)]
pub struct Args(fleetfix_plan::Args);

impl Args {
    /// Makes the plan.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        self.0.run(context).await
    }

    fn take_file(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let Some(file) = matches.get_one::<PathBuf>(FILE) else { return Ok(()) };
        if matches.value_source("request") == Some(ValueSource::CommandLine) {
            let what = "REQUEST and --request name a request each: name one\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, what));
        }
        self.0.request = Some(file.clone());
        if matches.value_source("output") == Some(ValueSource::DefaultValue) {
            self.0.output = Output::Table;
        }
        Ok(())
    }
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .value_name("REQUEST")
            .value_parser(value_parser!(PathBuf))
            .help("The fix request, YAML; with it the default of --output is `table`");
        let command = fleetfix_plan::Args::augment_args(command);
        command
            .mut_arg("request", |arg| arg.required(false).required_unless_present(FILE))
            .arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self(fleetfix_plan::Args::from_arg_matches(matches)?);
        args.take_file(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)?;
        self.take_file(matches)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_request_needs_no_flag() {
        let parse = |words: &[&str]| {
            let words = ["plan"].iter().chain(words);
            Wrapped::try_parse_from(words).map(|wrapped| wrapped.args.0)
        };
        let table = [
            (&["a.yaml"][..], "a.yaml", Output::Table),
            (&["a.yaml", "--output", "json"], "a.yaml", Output::Json),
            (&["--request", "a.yaml"], "a.yaml", Output::Json),
            (&["--request", "a.yaml", "--output", "markdown"], "a.yaml", Output::Markdown),
        ];
        for (words, request, output) in table {
            let args = parse(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            assert_eq!(args.request.as_deref(), Some(request.as_ref()), "{words:?}");
            assert_eq!(args.output, output, "{words:?}");
        }
        assert!(parse(&[]).is_err());
        assert!(parse(&["a.yaml", "--request", "b.yaml"]).is_err(), "which of the two?");
    }
}
