//! What systemd is told of the daemon, by the protocol of sd_notify(3): datagrams to the socket in `$NOTIFY_SOCKET`.
//!
//! Without that variable nobody wants to know. That a datagram cannot be sent is no reason to end: systemd notices.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use ivring_proto::console::amount::count;

/// Clients and guests are served from now on; `regions` of them were named or found.
pub(super) fn ready(regions: usize) {
    tell(&format!("READY=1\nSTATUS=serving {}\n", count(regions, "region")));
}

/// The loop goes round. Meant to be called each second; says so only where systemd watches this process.
pub(super) fn alive() {
    if watched(env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID")) {
        tell("WATCHDOG=1\n");
    }
}

/// The end has begun.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=delivering what has arrived\n");
}

fn tell(state: &str) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        tracing::debug!("cannot tell systemd at {}: {error}", socket.display());
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        // A name of the abstract namespace instead of a path, unix(7).
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let from = UnixDatagram::unbound()?;
    // A reader with a full queue must not hold up the guests.
    from.set_nonblocking(true)?;
    from.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// Whether this process is to show that it lives, sd_watchdog_enabled(3).
fn watched(span: Option<OsString>, process: Option<OsString>) -> bool {
    let own = process.is_none_or(|process| process == OsStr::new(&std::process::id().to_string()));
    own && span.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_addresses_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("ivring-notify-test-{}", std::process::id());
        let listeners = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (
                OsString::from(format!("@{name}")),
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
            ),
        ];
        for (address, listener) in listeners {
            send(&address, "READY=1\n").unwrap();
            let mut text = [0; 100];
            let length = listener.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1\n", "{address:?}");
        }
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let full = (0..100_000).find_map(|_| send(path.as_os_str(), "WATCHDOG=1\n").err());
        assert_eq!(full.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_fed() {
        let own = OsString::from(std::process::id().to_string());
        let span = || Some(OsString::from("30000000"));
        assert!(watched(span(), None));
        assert!(watched(span(), Some(own.clone())));
        assert!(!watched(span(), Some("1".into())));
        assert!(!watched(None, Some(own)));
    }
}
