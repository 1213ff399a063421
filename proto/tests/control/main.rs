//! Behaviour of the control socket: server and client over real sockets in a directory of each test's own.
#![cfg(feature = "control")]

mod calls;
mod documentation;
mod hostile_clients;
mod listeners;
mod raw_client;
mod served;
mod socket_file;
