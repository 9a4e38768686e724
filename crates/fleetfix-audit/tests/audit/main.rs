//! Whole fleets in layouts, verified from the root file down: good ones, and every attack we could
//! think of by its name.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod build;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod good;
#[cfg(test)]
mod named;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod tampering;
