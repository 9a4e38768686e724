//! Rules of HyperShift: components, coverage, delivery, impact; no I/O.
