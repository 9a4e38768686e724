//! What every task binary shares: main, arguments, results, progress, exit codes.
//!
//! A task is a clap parser with an async `run`. Its binary is three lines:
//!
//! ```text
//! fn main() -> std::process::ExitCode {
//!     fleetfix_task::main::<fleetfix_plan::Args>()
//! }
//! ```
//!
//! [`main()`] does the rest: it treats empty environment values as unset, reads the clock once,
//! runs the task on one thread, stops it on SIGTERM and SIGINT, writes results and standard output,
//! prints an error once and on one line, and makes the exit code from the error's class.
//!
//! | module | what it holds |
//! |---|---|
//! | [`arguments`] | parsing, with empty environment values unset |
//! | [`context`] | what a task is given: the time, and where to tell its steps |
//! | [`outcome`] | what a task gives back: data for standard output, results, how it ended |
//! | [`failure`] | an error with its class, whichever library it comes from |
//! | [`result`] | `--result-*` files, as Tekton reads them |
//! | [`file`](mod@file) | files read with a cap and written whole or not at all |
//! | [`runner`] | main |

pub mod arguments;
pub mod context;
mod error;
pub mod failure;
pub mod file;
pub mod outcome;
pub mod result;
pub mod runner;

pub use context::{Context, Meter};
pub use error::Error;
pub use failure::Failure;
pub use outcome::Outcome;
pub use result::ResultPath;
pub use runner::{Task, main};
