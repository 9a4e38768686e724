//! What every task binary shares: main, arguments, results, progress, exit codes.
