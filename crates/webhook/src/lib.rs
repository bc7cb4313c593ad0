//! Delivers signed notifications to an integrator's own endpoints: what happened to which query, never what came out.
//!
//! [`enqueue`] writes an event into the outbox within the caller's own transaction; [`Webhooks::run`] sends what is due,
//! each endpoint at its own pace. Time, randomness and the look-up of names are arguments.

mod address;
mod backoff;
mod delivery;
mod endpoint;
mod error;
mod event;
mod outbox;
mod resolve;
mod seal;
mod secret;
mod sender;
mod sign;
mod site;
mod store;
mod template;
mod transport;
mod webhooks;

pub use address::{Network, NetworkError, Policy};
pub use backoff::{ATTEMPTS, Plan};
pub use delivery::{Attempt, Delivery, Filter, State};
pub use endpoint::{ENDPOINTS, Endpoint, Settings, Totals};
pub use error::WebhookError;
pub use event::{Event, Kind, Kinds, Source, Sources, event_id};
pub use outbox::{enqueue, enqueue_foreign};
pub use resolve::{Resolver, SystemResolver};
pub use seal::{KEY_BYTES, Sealer};
pub use secret::{SecretInfo, Step};
pub use sender::LANES;
pub use sign::{HEADER_ID, HEADER_NEXT, HEADER_SIGNATURE, HEADER_TIMESTAMP, sign, written_time};
pub use store::prepare;
pub use template::{Host, TemplateError, UrlTemplate};
pub use transport::{ATTEMPT_WITHIN, Failure, Transport};
pub use webhooks::{Options, Webhooks};
