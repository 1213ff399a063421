//! A user who may not use the control socket. In a process of its own: the test changes its own user for a moment.
#![cfg(feature = "control")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use ivring_proto::control::{Client, ClientError, Request, Response, Server, Service};
use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups};
use tempfile::TempDir;

/// A user and a group that own nothing here.
const STRANGER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// Runs `action` with other rights, and comes back.
fn with_rights<T>(gid: u32, groups: &[u32], action: impl FnOnce() -> T) -> T {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).expect("root may set groups");
    setegid(Gid::from_raw(gid)).expect("root may set its group");
    seteuid(Uid::from_raw(STRANGER)).expect("root may become anybody");
    let result = action();
    seteuid(Uid::from_raw(0)).expect("the saved user is root");
    setegid(Gid::from_raw(0)).expect("root may set its group");
    setgroups(&[]).expect("root may set groups");
    result
}

/// What a client that connected so is answered.
fn ask(server: &mut Server, mut client: Client) -> Result<(), ClientError> {
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || client.call(&Request::Status, &[]).map(drop));
        while !asking.is_finished() {
            for incoming in server.poll() {
                server.reply(incoming.client, &Response::done(incoming.id), &[]);
            }
            server.flush();
            std::thread::yield_now();
        }
        asking.join().expect("the client did not panic")
    })
}

#[test]
fn only_root_owner_and_group_are_served() {
    if !Uid::effective().is_root() {
        assert!(std::env::var_os("CI").is_none(), "this test needs root, and in CI it must run");
        eprintln!("SKIPPED: only root can try the control socket as another user");
        return;
    }
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("control.sock");
    let mut server = Server::bind(&path, 0o660).unwrap();
    chown(&path, None, Some(GROUP)).unwrap();
    let connect = |path: &Path| Client::connect(Service::Daemon, path);

    // The kernel's own check of the file's mode.
    let error = with_rights(STRANGER, &[], || connect(&path)).unwrap_err();
    assert!(matches!(error, ClientError::NoPermission { .. }), "{error}");
    assert!(error.to_string().contains("member of the file's group"), "{error}");

    let member = with_rights(GROUP, &[], || connect(&path)).unwrap();
    ask(&mut server, member).unwrap();
    // Further groups aren't among the credentials; they are those of the process when the server looks.
    let member = with_rights(STRANGER, &[7, GROUP], || connect(&path)).unwrap();
    setgroups(&[Gid::from_raw(GROUP)]).unwrap();
    ask(&mut server, member).unwrap();
    setgroups(&[]).unwrap();
    ask(&mut server, connect(&path).unwrap()).unwrap();

    // A mode loosened by hand lets strangers connect, and the server still turns them away.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let stranger = with_rights(STRANGER, &[], || connect(&path)).unwrap();
    let error = ask(&mut server, stranger).unwrap_err();
    assert!(matches!(&error, ClientError::Refused { text, .. } if text.contains("uid 54321")), "{error}");
    assert_eq!(server.counts().turned_away, 1);
}
