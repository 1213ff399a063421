//! What the programs of both sides share: how they read, print, log and fail.
//!
//! Each command speaks with one server, the [`Endpoint`], and ends in a [`Failure`] or not.

pub mod amount;
mod byte_size;
mod config;
mod endpoint;
mod event_json;
mod event_line;
mod failure;
mod listen;
mod log;
mod log_budget;
mod output;
mod payload;
mod payload_files;
mod payload_json;
mod request;
mod seconds;
mod send;
mod shown;

pub use byte_size::{parse_byte_size, parse_message_size};
pub use config::{ConfigError, parse_with_config, parse_with_config_from};
pub use endpoint::Endpoint;
pub use failure::{EXIT_CODES, Failure, report};
pub use listen::{Listening, listen};
pub use log::start_log;
pub use log_budget::LogBudget;
pub use output::Output;
pub use request::{Question, request};
pub use seconds::{milliseconds, parse_seconds};
pub use send::{Outgoing, send};
pub use shown::shown;
