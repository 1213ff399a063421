//! A client that writes whatever bytes a test wants, beside a server that the same thread polls.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use ivring_proto::control::{Decoder, Incoming, Response, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::served::path_in;

/// A server that nobody polls but the test.
pub fn server() -> (TempDir, Server) {
    let directory = TempDir::new().expect("a temporary directory");
    let server = Server::bind(&path_in(&directory), 0o660).expect("a server");
    (directory, server)
}

/// Polls until nothing more comes.
pub fn poll_all(server: &mut Server) -> Vec<Incoming> {
    let mut all = Vec::new();
    let mut idle = 0;
    while idle < 3 {
        let incoming = server.poll();
        idle = if incoming.is_empty() { idle + 1 } else { 0 };
        all.extend(incoming);
    }
    all
}

pub struct RawClient {
    pub stream: UnixStream,
    decoder: Decoder,
}

impl RawClient {
    pub fn connect(directory: &TempDir) -> Self {
        let stream = UnixStream::connect(path_in(directory)).expect("a connection");
        stream.set_nonblocking(true).expect("non-blocking");
        RawClient { stream, decoder: Decoder::new() }
    }

    /// Writes a frame; it must fit the socket's buffer.
    pub fn send(&mut self, header: &str, body: &[u8]) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_le_bytes();
        let frame = [&length(header.as_bytes()), &length(body), header.as_bytes(), body].concat();
        self.stream.write_all(&frame).expect("the frame fits");
    }

    /// The next frame, header and body, as far as the server writes it without more from the test.
    pub fn receive(&mut self, server: &mut Server) -> Option<(Value, Vec<u8>)> {
        let mut dry = false;
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("a frame") {
                return Some((serde_json::from_slice(&frame.header).expect("JSON"), frame.body));
            }
            match self.decoder.read_from(&mut self.stream) {
                Ok(0) => return None,
                Ok(_) => dry = false,
                Err(error) if error.kind() == ErrorKind::WouldBlock && !dry => {
                    server.flush();
                    dry = true;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset) => {
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next frame as a response.
    pub fn response(&mut self, server: &mut Server) -> Response {
        let (header, _) = self.receive(server).expect("a response is here");
        serde_json::from_value(header).expect("a response")
    }

    /// Whether the server has closed and nothing is left to read.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
            Ok(_) => panic!("there is still something to read"),
        }
    }
}
