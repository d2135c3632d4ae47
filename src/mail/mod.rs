//! Mail. A use case puts a mail into the outbox in its own transaction ([`service::enqueue`]), as the
//! name of a template and its variables; [`deliver::deliver_due`] leases what is due, renders it and
//! hands it to a [`transport::Transport`]. So a mail is sent if and only if what it tells of was
//! committed, and a worker may die at any line.

pub mod deliver;
pub mod entity;
pub mod service;
pub mod template;
pub mod transport;

pub use deliver::{Delivered, deliver_due};
pub use service::{Envelope, enqueue};
pub use template::Template;
pub use transport::{Transport, TransportError};
