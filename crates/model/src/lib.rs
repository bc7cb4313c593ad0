//! The words that every part uses: commands, parameters, statuses, site facts, limits, time, and text that can't be printed.
//!
//! Nothing here does I/O or knows a wire format other than the published JSON names.

pub mod clock;
pub mod command;
pub mod device;
pub mod environment;
pub mod hidden;
pub mod id;
pub mod limit;
pub mod outcome;
pub mod site;
pub mod text;

pub use clock::{Clock, SystemClock, Timestamp};
pub use command::{Access, Command, CommandType, Direction, ExecutionMode, Parameter, ParameterType};
pub use device::DeviceId;
pub use environment::ENVIRONMENTS;
pub use hidden::Hidden;
pub use id::{IntegratorId, LinkId, QueryId, SiteId};
pub use outcome::{Effect, ErrorDetails, ErrorType};
pub use site::{Availability, Catalogue, Pms, SiteFacts, SiteStatus};
