//! Resolves a fix request into a plan.
