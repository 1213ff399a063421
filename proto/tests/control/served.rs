//! A server in a thread, for clients that block.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use ivring_proto::control::{Client, Incoming, Server, Service};
use nix::poll::{PollTimeout, poll};
use tempfile::TempDir;

/// A server that runs until it is dropped.
pub struct Served {
    directory: TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Runs a server whose requests are answered by `handle`.
    pub fn run(mut handle: impl FnMut(&mut Server, Incoming) + Send + 'static) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let stop = Arc::new(AtomicBool::new(false));
        let mut server = Server::bind(&path_in(&directory), 0o660).expect("a server");
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                for incoming in server.poll() {
                    handle(&mut server, incoming);
                }
                server.flush();
                if !server.has_requests() {
                    let mut fds = Vec::new();
                    server.poll_fds(&mut fds);
                    poll(&mut fds, PollTimeout::from(10_u8)).expect("poll");
                }
            }
        });
        Served { directory, stop, thread: Some(thread) }
    }

    pub fn path(&self) -> PathBuf {
        path_in(&self.directory)
    }

    pub fn client(&self) -> Client {
        connect(&self.path())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().expect("only drop takes it").join();
        if !std::thread::panicking() {
            ended.expect("the server did not panic");
        }
    }
}

pub fn path_in(directory: &TempDir) -> PathBuf {
    directory.path().join("control.sock")
}

pub fn connect(path: &Path) -> Client {
    Client::connect(Service::Daemon, path).expect("a connection")
}
