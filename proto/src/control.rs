//! The control socket of daemon and agent: length-prefixed frames of JSON with raw bytes behind, over a UNIX socket.
//!
//! [`Server`] is what `ivringd` and `ivring-agent` put into their poll loop; it has no thread and never waits.
//! [`Client`] and [`Listener`] are what the command lines use; they block. Programs in other languages speak the frames
//! themselves: `docs/control.md` is the reference.
//!
//! Whoever may connect is trusted with the region (root, the server's own user, the socket file's group), but not with
//! the server: every buffer is bounded, and a client that sends nonsense or doesn't read loses its connection only.

mod access;
mod bind;
mod client;
mod code;
mod connection;
mod decoder;
mod event;
mod frame;
mod guest_name;
mod happening;
mod intake;
mod listener;
mod outbox;
mod request;
mod response;
mod server;
mod service;
mod stream;

pub use bind::BindError;
pub use client::{Client, ClientError};
pub use code::Code;
pub use decoder::Decoder;
pub use event::{Event, Filter};
pub use frame::{Frame, FrameError, MAX_BODY, MAX_HEADER, encode};
pub use guest_name::{GuestIdentity, GuestName, GuestNameError};
pub use happening::{Happening, WhyNot};
pub use intake::MAX_INCOMING;
pub use listener::Listener;
pub use request::{Answer, Call, Request, Target};
pub use response::{Begun, Pong, Response, Sent};
pub use server::{ClientId, Counts, Incoming, MAX_CLIENTS, MAX_UNANSWERED, MAX_UNREAD, Server};
pub use service::Service;
