//! The chain as command lines: each step is a task with the arguments that a shell would give it,
//! run in this process. So what is printed for people to repeat is what was run.

use std::ffi::OsString;

use fleetfix_model::Class;
use fleetfix_task::{Context, Failure, Task, arguments};
use serde_json::Value;

/// Runs steps and remembers their command lines.
#[derive(Debug)]
pub struct Chain<'a> {
    context: &'a Context,
    program: String,
    commands: Vec<String>,
}

impl<'a> Chain<'a> {
    /// A chain without steps.
    pub fn new(context: &'a Context) -> Self {
        Self { context, program: program(), commands: Vec::new() }
    }

    /// How this program was called: people can repeat it so.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The command lines that were run, as one would type them.
    pub fn commands(&self) -> &[String] {
        &self.commands
    }

    /// Runs `fleetfix <task>` with `args`, and gives back the JSON it wrote. A task that came to no
    /// good end is an error.
    pub async fn step<T: Task>(&mut self, task: &str, args: &[String]) -> Result<Value, Failure> {
        let name = format!("fleetfix {task}");
        self.commands.push(command_line(&format!("{} {task}", self.program), args));
        let words = std::iter::once(&name).chain(args).map(OsString::from);
        let parsed = arguments::parse_words::<T>(words)
            .map_err(|e| Failure::new(Class::Bug, e.to_string().trim()).about(&name))?;
        // On the heap: the tasks are large, and a chain has many.
        let outcome =
            Box::pin(parsed.run(self.context)).await.map_err(|failure| failure.about(&name))?;
        if let Some((class, why)) = outcome.not_done() {
            return Err(Failure::new(class, why).about(&name));
        }
        Ok(outcome.value().cloned().unwrap_or(Value::Null))
    }
}

fn program() -> String {
    let called = std::env::args_os().next().and_then(|name| name.into_string().ok());
    called.unwrap_or_else(|| "fleetfix".to_owned())
}

/// A line that a POSIX shell reads as these words.
pub fn command_line(program: &str, args: &[String]) -> String {
    let mut line = program.to_owned();
    for arg in args {
        line.push(' ');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
        if !arg.is_empty() && arg.chars().all(plain) {
            line.push_str(arg);
        } else {
            line.push('\'');
            line.push_str(&arg.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

/// `["--flag=value", ...]` from pairs: a value may begin with `-`.
pub fn flags(pairs: &[(&str, String)]) -> Vec<String> {
    pairs.iter().map(|(flag, value)| format!("{flag}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let args = ["--a", "b c", "", "it's", "$(x)", "oci:d@sha256:0"].map(str::to_owned);
        let line = command_line("printf '%s|'", &args);
        let output = std::process::Command::new("sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "--a|b c||it's|$(x)|oci:d@sha256:0|");
    }
}
