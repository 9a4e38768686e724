//! Attests what images hold.
