//! The socket's file: made, kept apart from others', taken away.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Barrier;

use ivring_proto::control::{BindError, Code, Server};
use tempfile::TempDir;

use crate::served::path_in;

#[test]
fn file_is_made_with_its_mode_and_removed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("made").join("control.sock");
    let server = Server::bind(&path, 0o660).unwrap();
    let file = fs::symlink_metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    drop(server);
    assert!(!path.exists());
}

#[test]
fn only_the_last_directory_is_made() {
    let directory = TempDir::new().unwrap();
    let error = Server::bind(&directory.path().join("no/such/control.sock"), 0o660).unwrap_err();
    assert_eq!(error.code(), Code::Failure);
    assert!(error.to_string().contains("no/such: cannot make the directory"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_server_that_answers_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = path_in(&directory);
    let mut first = Server::bind(&path, 0o660).unwrap();
    let error = Server::bind(&path, 0o660).unwrap_err();
    assert!(matches!(&error, BindError::InUse { path: named } if *named == path));
    assert_eq!(error.code(), Code::Refused);
    UnixStream::connect(&path).unwrap();
    assert!(first.poll().is_empty());
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = path_in(&directory);
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _server = Server::bind(&path, 0o660).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = directory.path().join("link");
    symlink(directory.path().join("stale"), &link).unwrap();
    drop(UnixListener::bind(directory.path().join("stale")).unwrap());
    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    for path in [&file, &link, &folder] {
        let error = Server::bind(path, 0o660).unwrap_err();
        assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
        assert_eq!(error.code(), Code::BadInput);
        assert!(fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_long_path_is_refused_by_name_and_length() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x".repeat(120));
    let error = Server::bind(&path, 0o660).unwrap_err();
    assert!(matches!(error, BindError::PathTooLong { length, .. } if length > 120));
    assert!(error.to_string().contains("at most 107 bytes"), "{error}");
}

#[test]
fn a_file_that_took_its_place_is_not_removed() {
    let directory = TempDir::new().unwrap();
    let path = path_in(&directory);
    let first = Server::bind(&path, 0o660).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = Server::bind(&path, 0o660).unwrap();
    drop(first);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn one_of_many_that_start_at_once_wins_and_answers() {
    const SERVERS: usize = 6;
    for _ in 0..30 {
        let directory = TempDir::new().unwrap();
        let path = path_in(&directory);
        drop(UnixListener::bind(&path).unwrap());
        let together = Barrier::new(SERVERS);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..SERVERS)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        Server::bind(&path, 0o660)
                    })
                })
                .collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(won.len(), 1);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(BindError::InUse { .. }))));
        UnixStream::connect(&path).unwrap();
    }
}
