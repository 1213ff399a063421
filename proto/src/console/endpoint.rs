//! The server that a command speaks with.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::control::{Client, ClientError, Code, Response, Service};

/// Which server a command speaks with, and where that is.
#[derive(Debug)]
pub struct Endpoint {
    /// The program.
    pub service: Service,
    /// Its control socket, if the command line names one.
    pub socket: Option<PathBuf>,
}

impl Endpoint {
    /// Connects to the server. Blocks for as long as the system takes.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect(&self) -> Result<Client, ClientError> {
        match &self.socket {
            Some(path) => Client::connect(self.service, path),
            None => Client::connect(self.service, &self.service.path_to_reach()),
        }
    }

    /// What the server's answer carries.
    ///
    /// # Errors
    /// When that is something else than was asked for: the server is of another version.
    pub fn payload<T: DeserializeOwned>(&self, response: &Response) -> Result<T, Failure> {
        response.payload().map_err(|error| {
            let text = format!("{} is of another version than this command: {error}", self.service);
            Failure::new(Code::Failure, text)
        })
    }
}
