//! The tool for people: the whole chain on one machine.
