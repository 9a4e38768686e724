//! Putting states together: what `fleetfix-publish` needs, without the means to sign.
//!
//! A [`Draft`] starts empty ([`Draft::init`]) or from the state there is ([`Draft::change`]). It says
//! which role files are new, takes signatures by whoever holds the keys ([`Draft::sign`]), and is
//! closed with the online keys of snapshot and timestamp ([`Draft::seal`]), which verifies the result
//! as a client would. What does not change keeps its file, byte for byte; a draft that changes nothing
//! seals to the state it started from.
//!
//! ```no_run
//! # use fleetfix_trust::{Sign, tuf::{TufState, edit::{Changes, Current, Draft, Error}}};
//! # use fleetfix_model::Timestamp;
//! # async fn example(root: &[u8], state: &TufState, changes: &Changes, person: &dyn Sign, online: &dyn Sign, now: Timestamp) -> Result<(), Error> {
//! let current = Current::open(root, state).await?;
//! let mut draft = Draft::change(&current, changes)?;
//! draft.sign(person)?;
//! let next: TufState = draft.seal(&[online], now).await?;
//! # Ok(()) }
//! ```

mod authority;
mod draft;
mod error;
mod keys;
mod role_file;
mod roles;

pub use draft::{Changes, Current, Draft, Missing};
pub use error::Error;
pub use keys::key_id;
pub use role_file::RoleFile;
pub use roles::{Authority, PerRole, Role};
