//! What a login may do in a database, and whether a session is as clean as a new one.

use crate::session::FirebirdSession;
use database::{Description, Failure};

pub(crate) fn clean(_: &mut FirebirdSession) -> Result<(), Failure> {
    Err(Failure::Lost)
}

pub(crate) fn describe(_: &mut FirebirdSession) -> Result<Description, Failure> {
    Err(Failure::Lost)
}
