//! The rules for a region's file: who may make, take and change it, and that nothing is touched when it is refused.

mod shm_name;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use ivring_host::region_file::{DEFAULT_SIZE, Holder, RegionError, RegionFile, RegionLost};
use ivring_proto::control::Code;
use ivring_proto::layout::MAGIC;
use nix::sys::statvfs::statvfs;
use nix::unistd::{Group, getegid, geteuid};
use shm_name::ShmName;

const MIB: u64 = 1 << 20;

fn refusal(path: &Path, size: Option<u64>) -> RegionError {
    RegionFile::open(path, size).expect_err("must be refused")
}

#[test]
fn a_new_region_is_whole_private_and_zero() {
    let name = ShmName::new();
    let region = RegionFile::open(name.path(), Some(2 * MIB)).unwrap();
    assert!(region.is_fresh());
    assert_eq!((region.size(), region.path()), (2 * MIB, name.path()));
    let file = fs::symlink_metadata(name.path()).unwrap();
    assert!(file.is_file());
    assert_eq!(file.len(), 2 * MIB);
    assert_eq!(file.mode() & 0o7777, 0o660);
    assert!(file.blocks() * 512 >= 2 * MIB, "only {} blocks are allocated", file.blocks());
    assert_eq!(fs::read(name.path()).unwrap(), vec![0; 2 << 20]);
    let own = getegid().as_raw();
    match Group::from_name("kvm").unwrap().map(|group| group.gid.as_raw()) {
        Some(kvm) if geteuid().is_root() => assert_eq!(file.gid(), kvm),
        // Only a member may give it to the group.
        Some(kvm) => assert!([kvm, own].contains(&file.gid()), "group {}", file.gid()),
        None => assert_eq!(file.gid(), own),
    }
}

#[test]
fn the_size_has_a_default_and_the_file_stays() {
    let name = ShmName::new();
    let region = RegionFile::open(name.path(), None).unwrap();
    assert_eq!(region.size(), DEFAULT_SIZE);
    let inode = fs::metadata(name.path()).unwrap().ino();
    drop(region);
    let again = RegionFile::open(name.path(), None).unwrap();
    assert_eq!(again.file().metadata().unwrap().ino(), inode);
    assert!(again.is_fresh(), "nobody has formatted it");
}

#[test]
fn what_qemu_made_first_is_taken_as_it_is() {
    let name = ShmName::new();
    File::create(name.path()).unwrap().set_len(4 * MIB).unwrap();
    fs::set_permissions(name.path(), Permissions::from_mode(0o644)).unwrap();
    let before = fs::metadata(name.path()).unwrap();
    let region = RegionFile::open(name.path(), None).unwrap();
    assert!(region.is_fresh());
    assert_eq!(region.size(), 4 * MIB);
    let after = fs::metadata(name.path()).unwrap();
    assert_eq!((after.ino(), after.mode(), after.gid()), (before.ino(), before.mode(), before.gid()));
    assert!(after.blocks() * 512 >= 4 * MIB, "holes are left: {} blocks", after.blocks());
}

#[test]
fn an_empty_file_is_extended() {
    let name = ShmName::new();
    let inode = File::create(name.path()).unwrap().metadata().unwrap().ino();
    let region = RegionFile::open(name.path(), Some(MIB)).unwrap();
    assert!(region.is_fresh());
    let after = fs::metadata(name.path()).unwrap();
    assert_eq!((after.ino(), after.len()), (inode, MIB));
}

#[test]
fn a_region_is_not_fresh() {
    let name = ShmName::new();
    let mut bytes = vec![0xaa; 1 << 20];
    bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
    fs::write(name.path(), &bytes).unwrap();
    let region = RegionFile::open(name.path(), None).unwrap();
    assert!(!region.is_fresh());
    assert_eq!(fs::read(name.path()).unwrap(), bytes);
}

#[test]
fn a_second_host_is_refused_with_the_pid_of_the_first() {
    let name = ShmName::new();
    let first = RegionFile::open(name.path(), None).unwrap();
    let error = refusal(name.path(), None);
    let RegionError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, Holder { pid: Some(std::process::id()) });
    assert_eq!(error.code(), Code::Refused);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    RegionFile::open(name.path(), None).unwrap();
}

#[test]
fn of_many_who_make_it_at_once_one_gets_it() {
    for _ in 0..50 {
        let name = ShmName::new();
        let start = std::sync::Barrier::new(4);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                RegionFile::open(name.path(), Some(MIB))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (regions, errors): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        assert_eq!(regions.len(), 1, "{errors:?}");
        assert!(errors.iter().all(|error| matches!(error, Err(RegionError::Locked { .. }))), "{errors:?}");
        regions[0].as_ref().unwrap().still_same().unwrap();
    }
}

#[test]
fn what_is_no_file_is_refused_and_left_alone() {
    let (name, target) = (ShmName::new(), ShmName::new());
    let refused = |kind: &str| {
        for error in [refusal(name.path(), None), RegionFile::open_read_only(name.path()).unwrap_err()] {
            assert!(matches!(error, RegionError::NotAFile { .. }), "{error}");
            assert!(error.to_string().contains(kind), "{error}");
            assert_eq!(error.code(), Code::BadInput);
        }
    };
    fs::create_dir(name.path()).unwrap();
    refused("a directory");
    fs::remove_dir(name.path()).unwrap();

    symlink(target.path(), name.path()).unwrap();
    refused("a symbolic link");
    assert!(!target.path().exists(), "made through a dangling link");
    drop(RegionFile::open(target.path(), Some(MIB)).unwrap());
    refused("a symbolic link");
    fs::remove_file(name.path()).unwrap();

    nix::unistd::mkfifo(name.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused("a FIFO");
    fs::remove_file(name.path()).unwrap();

    let _listener = UnixListener::bind(name.path()).unwrap();
    refused("a socket");
    assert!(fs::symlink_metadata(name.path()).unwrap().file_type().is_socket());
}

#[test]
fn another_size_is_refused_with_both_numbers() {
    let name = ShmName::new();
    drop(RegionFile::open(name.path(), Some(MIB)).unwrap());
    let error = refusal(name.path(), Some(2 * MIB));
    assert!(matches!(error, RegionError::OtherSize { found: MIB, wanted: 2_097_152, .. }), "{error}");
    assert!(error.to_string().contains("1048576") && error.to_string().contains("2097152"), "{error}");
    assert_eq!(error.code(), Code::Refused);
    assert_eq!(fs::metadata(name.path()).unwrap().len(), MIB);
}

#[test]
fn sizes_that_no_region_has_are_refused() {
    let name = ShmName::new();
    for size in [0, 1, 4096, MIB / 2, 3 * MIB, MIB + 1, 1 << 41, u64::MAX] {
        let error = refusal(name.path(), Some(size));
        assert!(matches!(error, RegionError::BadSize { .. }), "{error}");
        assert!(error.to_string().contains(&size.to_string()), "{error}");
        assert_eq!(error.code(), Code::BadInput);
        assert!(!name.path().exists(), "made for size {size}");
    }
    for size in [1, 4096, 3 * MIB] {
        File::create(name.path()).unwrap().set_len(size).unwrap();
        for error in [refusal(name.path(), None), RegionFile::open_read_only(name.path()).unwrap_err()] {
            assert!(matches!(error, RegionError::UnusableSize { found, .. } if found == size), "{error}");
            assert_eq!(error.code(), Code::BadInput);
        }
        assert_eq!(fs::metadata(name.path()).unwrap().len(), size);
    }
}

#[test]
fn foreign_data_are_refused_and_unchanged() {
    let name = ShmName::new();
    let mut bytes = vec![0; 1 << 20];
    bytes[..4].copy_from_slice(b"LGMP");
    fs::write(name.path(), &bytes).unwrap();
    let error = refusal(name.path(), None);
    assert!(matches!(error, RegionError::Magic { magic: 0x504d_474c, .. }), "{error}");
    assert!(error.to_string().contains("magic 0x00000000504d474c"), "{error}");
    assert_eq!(error.code(), Code::BadInput);
    assert_eq!(fs::read(name.path()).unwrap(), bytes);

    bytes[..4].fill(0);
    bytes[300_000] = 1;
    fs::write(name.path(), &bytes).unwrap();
    let error = refusal(name.path(), None);
    assert!(matches!(error, RegionError::NotZero { .. }), "{error}");
    assert_eq!(error.code(), Code::BadInput);
    assert_eq!(fs::read(name.path()).unwrap(), bytes);
}

#[test]
fn a_full_file_system_is_an_error_and_leaves_nothing() {
    const TOO_LARGE: u64 = 1 << 40;
    let shm = statvfs("/dev/shm").unwrap();
    let room = shm.blocks().saturating_mul(shm.fragment_size());
    if room == 0 || room >= TOO_LARGE {
        // A tmpfs without a limit would really allocate it.
        assert!(std::env::var_os("CI").is_none(), "/dev/shm has no limit: this cannot be tested here");
        eprintln!("NOT TESTED: /dev/shm has no limit below {TOO_LARGE} bytes");
        return;
    }
    let name = ShmName::new();
    let check = |error: RegionError| {
        assert!(matches!(error, RegionError::Full { size: TOO_LARGE, free, .. } if free <= room), "{error}");
        assert_eq!(error.code(), Code::Failure);
    };
    check(refusal(name.path(), Some(TOO_LARGE)));
    assert!(!name.path().exists());

    File::create(name.path()).unwrap();
    check(refusal(name.path(), Some(TOO_LARGE)));
    assert_eq!(fs::metadata(name.path()).unwrap().len(), 0, "an empty file stays empty");

    // What QEMU makes is one hole; reading it all would take minutes.
    File::create(name.path()).unwrap().set_len(TOO_LARGE).unwrap();
    check(refusal(name.path(), None));
    let after = fs::metadata(name.path()).unwrap();
    assert_eq!((after.len(), after.blocks()), (TOO_LARGE, 0));
}

#[test]
fn a_missing_directory_is_named() {
    let name = ShmName::new();
    let error = refusal(&name.path().join("region"), None);
    assert!(matches!(error, RegionError::Io { .. }), "{error}");
    assert!(error.to_string().contains(&*name.path().join("region").to_string_lossy()), "{error}");
    assert_eq!(error.code(), Code::Failure);
}

#[test]
fn a_region_that_is_taken_away_is_noticed() {
    let (name, other) = (ShmName::new(), ShmName::new());
    let region = RegionFile::open(name.path(), Some(2 * MIB)).unwrap();
    region.still_same().unwrap();

    fs::rename(name.path(), other.path()).unwrap();
    assert!(matches!(region.still_same(), Err(RegionLost::Removed { .. })));
    File::create(name.path()).unwrap().set_len(2 * MIB).unwrap();
    assert!(matches!(region.still_same(), Err(RegionLost::Replaced { .. })));
    fs::rename(other.path(), name.path()).unwrap();
    region.still_same().unwrap();

    // Grown as well as shortened: both mean that somebody else thinks it is theirs.
    for size in [4 * MIB, MIB] {
        region.file().set_len(size).unwrap();
        let lost = region.still_same().unwrap_err();
        assert!(matches!(lost, RegionLost::Resized { was: 2_097_152, is, .. } if is == size), "{lost}");
        assert_eq!(lost.code(), Code::Failure);
    }
}

#[test]
fn looking_needs_no_lock_and_changes_nothing() {
    let name = ShmName::new();
    let error = RegionFile::open_read_only(name.path()).unwrap_err();
    assert!(matches!(error, RegionError::Missing { .. }), "{error}");
    assert_eq!(error.code(), Code::Negative);
    assert!(!name.path().exists());

    let host = RegionFile::open(name.path(), Some(MIB)).unwrap();
    let look = RegionFile::open_read_only(name.path()).unwrap();
    assert_eq!((look.size(), look.is_fresh()), (MIB, true));
    drop(host);
    RegionFile::open(name.path(), None).expect("looking has not locked it");

    fs::set_permissions(name.path(), Permissions::from_mode(0o440)).unwrap();
    RegionFile::open_read_only(name.path()).expect("reading is enough");
}

/// Set in the process that runs the test below again as an ordinary user.
const DIRECTORY: &str = "IVRING_TEST_DIRECTORY";

#[test]
fn missing_permission_says_whose_it_is() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return check_permissions(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("test");
    // By another process: one that another thread starts while we had the copy open for writing would hold it open as well,
    // and what is open for writing cannot be run.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let file = directory.path().join("region");
    File::create(&file).unwrap().set_len(MIB).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o555)).unwrap();
    if geteuid().is_root() {
        // Root may do everything: be user "nobody" in a process of its own, with a copy of this program that it may run.
        let run = Command::new(program)
            .args(["--exact", "missing_permission_says_whose_it_is"])
            .env(DIRECTORY, directory.path())
            .uid(65534)
            .gid(65534)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && output.contains("1 passed"), "{output}");
    } else {
        check_permissions(directory.path());
    }
    assert_eq!(fs::metadata(&file).unwrap().len(), MIB);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
}

fn check_permissions(directory: &Path) {
    let uid = geteuid().as_raw();
    for (name, action, mode) in [("region", "open", "mode 0000"), ("new", "create", "mode 0555")] {
        let error = refusal(&directory.join(name), Some(MIB));
        assert!(matches!(error, RegionError::Permission { .. }), "{error}");
        for part in [action, mode, name, &format!("as user {uid}")] {
            assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
        }
        assert_eq!(error.code(), Code::Failure);
        assert!(!directory.join("new").exists());
    }
}
