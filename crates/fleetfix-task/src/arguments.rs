//! Parsing of the command line: flags, then environment, then defaults.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, Parser};

/// Parses `args` (the program's name first). An empty environment value means unset: Tekton passes
/// empty strings for parameters that nobody gave.
pub fn parse<T: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    let mut command = without_empty_values(<T as CommandFactory>::command());
    let mut matches = command.try_get_matches_from_mut(args)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Parses `args` and nothing else: no environment, and no value is taken apart at commas. For a
/// program that runs a task as one of several, so that the command line says all that was given.
pub fn parse_words<T: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    let mut command = words_only(<T as CommandFactory>::command());
    let mut matches = command.try_get_matches_from_mut(args)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn words_only(command: Command) -> Command {
    command.mut_args(|arg: Arg| arg.env(None).value_delimiter(None)).mut_subcommands(words_only)
}

/// clap reads the environment when an argument is declared, so an empty value is taken away by
/// taking away the fallback. Values are hidden in the help: it must not depend on who asks.
fn without_empty_values(command: Command) -> Command {
    command
        .mut_args(|arg: Arg| {
            let arg = arg.hide_env_values(true);
            let empty = arg.get_env().is_some_and(is_empty);
            if empty { arg.env(None) } else { arg }
        })
        .mut_subcommands(without_empty_values)
}

fn is_empty(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}
