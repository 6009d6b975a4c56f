//! A typed client of iTop's REST/JSON service (Combodo's ITSM), made to survive what real
//! servers answer.
//!
//! ```no_run
//! use std::sync::Arc;
//! use itop_client::{Client, ClientConfig, Fields, HttpOptions, HttpTransport, Login, Query};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let login = Login::Password { user: "bridge".into(), password: "secret".into() };
//! let transport = Arc::new(HttpTransport::new(&HttpOptions::default())?);
//! let itop = Client::new(ClientConfig::new("https://itop.example", login), transport)?;
//!
//! let open = Query::oql("SELECT UserRequest WHERE status != 'closed'").limit(50);
//! for ticket in itop.get("UserRequest", &open, &["ref", "title"]).await?.objects {
//!     println!("{} {:?}", ticket.id, ticket.text("title"));
//! }
//! let fields = Fields::new().with("title", "Printer on fire, again");
//! let written = itop.update("UserRequest", 88, &fields, "by the example", &["title"]).await?;
//! println!("{:?}", written.object.text("title"));
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - A write's [`Error`] says [`Effect::None`] only when nothing can have happened. A caller that
//!   must not do a thing twice may try again after that, and after nothing else.
//! - A call is given up when no byte has moved for the time-out, never for its whole duration.
//! - No password, token or image secret, and no data of a query, is in an error or in `Debug`.
//! - File contents stay the base64 text they came as, and their memory is budgeted ([`Memory`]).
//!
//! # Caveats
//! - Giving a call up does not stop iTop: it may commit the write later.
//! - Nothing is retried. Only the caller knows what a second try would do.

mod answer;
mod bad_value;
mod client;
mod contents;
mod error;
mod fields;
mod http_transport;
mod image;
mod memory;
mod multipart;
mod object;
mod operations;
mod outcome;
mod query;
mod transport;
mod wording;

pub use bad_value::{BadValue, ValueFault};
pub use client::{CallEnd, Client, ClientConfig, ConfigError, Login, Observer, ProgressHook, ServerTold};
pub use contents::{Base64Text, Contents, base64_len, is_whole_base64};
pub use error::{Asked, Effect, Error, ErrorClass, Operation, RetryAfter};
pub use fields::{FieldValue, Fields};
pub use http_transport::{HttpOptions, HttpTransport, HttpTransportError};
pub use image::Image;
pub use memory::{Memory, Reservation};
pub use object::{LogEntry, Object};
pub use operations::{Deleted, Found, Operations, Written};
pub use query::{Key, Query, oql_quote};
pub use secrecy::SecretString;
pub use transport::{Body, MaxAnswerBytes, PeerCertificate, Progress, Transport, TransportError};
