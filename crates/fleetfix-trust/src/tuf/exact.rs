//! Role files, read so that what was signed is what was read.
//!
//! `tough` verifies a signature over what it writes after reading, and it reads more than one spelling:
//! it does not look at `_type`, takes several forms of a time, and lets duplicate keys pass. Other
//! clients hash what stands there. So each role file is compared with what `tough` made of it.

use fleetfix_model::canonical;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tough::schema::{Role, Signed};

use super::error::Cause;

/// Reads the signed part of a role file, strictly and untyped.
pub(crate) fn signed_part(bytes: &[u8]) -> Result<Value, Cause> {
    let mut value = canonical::from_bounded_json(bytes)?;
    let signed = value.as_object_mut().and_then(|file| file.remove("signed"));
    signed.ok_or_else(|| "no field `signed`".into())
}

/// Refuses a role file whose signed part is not what `tough` would write for `read`.
pub(crate) fn check(bytes: &[u8], read: &impl Serialize) -> Result<(), Cause> {
    check_part(&signed_part(bytes)?, read)
}

fn check_part(signed: &Value, read: &impl Serialize) -> Result<(), Cause> {
    if serde_json::to_value(read)? == *signed {
        return Ok(());
    }
    Err("field `signed`: another spelling than that of the role".into())
}

/// Reads a role file whose signed part is spelled as `tough` would write it.
pub(crate) fn parse<T: Role + DeserializeOwned>(bytes: &[u8]) -> Result<(Signed<T>, Value), Cause> {
    let signed = signed_part(bytes)?;
    let read: Signed<T> = serde_json::from_slice(bytes)?;
    check_part(&signed, &read.signed)?;
    Ok((read, signed))
}
