//! The command `patch` as a user meets it: files, streams, messages and exit codes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const WEB1: &str = "<domain type='kvm'>\n  <name>web1</name>\n  <os>\n    <type arch='x86_64' machine='pc'>hvm</type>\n  \
                    </os>\n  <devices>\n    <graphics type='vnc' passwd='hunter2'/>\n  </devices>\n</domain>\n";

fn run_in(folder: &Path, args: &[&str]) -> Output {
    run_with(folder, args, b"")
}

fn run_with(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"))
        .current_dir(folder)
        .arg("patch")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // It may end without reading its input.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web1.xml");
    fs::write(&file, WEB1).expect("a file");
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_filter_changes_what_it_must_and_back() {
    let (folder, file) = folder();
    let patched = run_with(folder.path(), &["-"], WEB1.as_bytes());
    assert_eq!(patched.status.code(), Some(0));
    assert_eq!(text(&patched.stderr), "");
    assert!(text(&patched.stdout).contains("<shmem name='fg_i3'>"));
    assert_eq!(run_in(folder.path(), &["web1.xml"]).stdout, patched.stdout);
    assert_eq!(fs::read_to_string(file).unwrap(), WEB1);
    let again = run_with(folder.path(), &[], &patched.stdout);
    assert_eq!(again.stdout, patched.stdout);
    assert_eq!(text(&run_with(folder.path(), &["--remove"], &patched.stdout).stdout), WEB1);
}

#[test]
fn in_place_keeps_mode_and_owner_and_a_private_backup() {
    let (folder, file) = folder();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give files away, so only root can see that the owner is kept.
    let owner = if std::os::unix::fs::chown(&file, Some(12345), Some(54321)).is_ok() {
        (12345, 54321)
    } else {
        eprintln!("not root: that a foreign owner is kept is not checked");
        let metadata = fs::metadata(&file).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let output = run_in(folder.path(), &["--in-place", "web1.xml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "web1.xml: fg_i3 added at 00:1f.0\n");
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.mode() & 0o7777, (metadata.uid(), metadata.gid())), (0o640, owner));
    let backup = folder.path().join("web1.xml.ivring-backup");
    assert_eq!(fs::read_to_string(&backup).unwrap(), WEB1);
    let metadata = fs::metadata(&backup).unwrap();
    assert_eq!((metadata.mode() & 0o7777, (metadata.uid(), metadata.gid())), (0o600, owner));
    assert_eq!(names(folder.path()), ["web1.xml", "web1.xml.ivring-backup"]);

    let again = run_in(folder.path(), &["-i", "web1.xml"]);
    assert_eq!(text(&again.stdout), "web1.xml: nothing to change\n");
    assert_eq!(fs::read_to_string(&backup).unwrap(), WEB1);

    let removed = run_in(folder.path(), &["-i", "--remove", "web1.xml"]);
    assert_eq!(text(&removed.stdout), "web1.xml: fg_i3 removed\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), WEB1);
    assert!(fs::read_to_string(&backup).unwrap().contains("<shmem"));
}

#[test]
fn a_file_given_twice_is_changed_once() {
    let (folder, file) = folder();
    let output = run_in(folder.path(), &["-i", "web1.xml", "./web1.xml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "web1.xml: fg_i3 added at 00:1f.0\n./web1.xml: nothing to change\n");
    assert_eq!(fs::read_to_string(file.with_extension("xml.ivring-backup")).unwrap(), WEB1);
}

#[test]
fn many_files_are_told_in_their_order() {
    let (folder, _) = folder();
    let files: Vec<String> = (0..150).map(|file| format!("{file}.xml")).collect();
    let mut expected = String::new();
    for (number, file) in files.iter().enumerate() {
        let xen = number % 7 == 0;
        fs::write(folder.path().join(file), if xen { WEB1.replace("kvm", "xen") } else { WEB1.to_owned() })
            .unwrap();
        if !xen {
            expected += &format!("{file}: fg_i3 added at 00:1f.0\n");
        }
    }
    let args: Vec<&str> = ["-i"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = run_in(folder.path(), &args);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), expected);
    let again = run_in(folder.path(), &args);
    assert_eq!(text(&again.stdout), expected.replace("fg_i3 added at 00:1f.0", "nothing to change"));
    let json = run_in(folder.path(), &[&["--json", "--remove"], &*args].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let told: Vec<&str> = json.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(told, files);
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let (folder, file) = folder();
    fs::write(folder.path().join("bad.xml"), "<domain>").unwrap();
    fs::write(folder.path().join("xen.xml"), WEB1.replace("kvm", "xen")).unwrap();
    let output = run_in(folder.path(), &["-i", "bad.xml", "xen.xml", "web1.xml"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(text(&output.stdout), "web1.xml: fg_i3 added at 00:1f.0\n");
    let messages: Vec<&str> = text(&output.stderr).lines().collect();
    assert!(messages[0].starts_with("bad.xml:1:"), "{messages:?}");
    assert!(messages[1].starts_with("xen.xml:1:1: a domain of type \"xen\""), "{messages:?}");
    assert_ne!(fs::read_to_string(file).unwrap(), WEB1);
    assert_eq!(run_in(folder.path(), &["xen.xml"]).status.code(), Some(3));
    assert_eq!(text(&run_in(folder.path(), &["xen.xml"]).stdout), "");
    let missing = run_in(folder.path(), &["missing.xml"]);
    assert_eq!(missing.status.code(), Some(5));
    assert!(text(&missing.stderr).starts_with("missing.xml: cannot read it: "), "{}", text(&missing.stderr));
}

#[test]
fn case_18_files_that_are_not_changed_in_place() {
    let (folder, file) = folder();
    let path = folder.path();
    symlink("web1.xml", path.join("link.xml")).unwrap();
    fs::create_dir_all(path.join(".config/libvirt/qemu")).unwrap();
    fs::write(path.join(".config/libvirt/qemu/web1.xml"), WEB1).unwrap();
    fs::write(path.join("a.xml"), WEB1).unwrap();
    fs::hard_link(path.join("a.xml"), path.join("b.xml")).unwrap();
    symlink(path.join(".config/libvirt/qemu"), path.join("domains")).unwrap();
    for (name, expected) in [
        ("link.xml", "a symbolic link to \"web1.xml\""),
        (".config/libvirt/qemu/web1.xml", "virsh edit DOMAIN"),
        ("domains/web1.xml", "virsh edit DOMAIN"),
        ("a.xml", "several names"),
        (".config", "no file"),
    ] {
        let output = run_in(path, &["-i", name]);
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read_to_string(file).unwrap(), WEB1);
    assert_eq!(names(&path.join(".config/libvirt/qemu")), ["web1.xml"]);
    assert_eq!(run_in(path, &["domains/web1.xml"]).status.code(), Some(0));
}

#[test]
fn a_check_writes_nothing_and_says_so_by_its_exit_code() {
    let (folder, file) = folder();
    let output = run_in(folder.path(), &["--check", "web1.xml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "web1.xml: fg_i3 would be added at 00:1f.0\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), WEB1);
    assert_eq!(run_in(folder.path(), &["--check", "--remove", "web1.xml"]).status.code(), Some(0));
    run_in(folder.path(), &["-i", "web1.xml"]);
    assert_eq!(run_in(folder.path(), &["--check", "web1.xml"]).status.code(), Some(0));
    assert_eq!(run_in(folder.path(), &["--check", "--size", "16M", "web1.xml"]).status.code(), Some(3));
    let replaced = ["--check", "--size", "16M", "--on-conflict", "replace", "web1.xml"];
    assert_eq!(run_in(folder.path(), &replaced).status.code(), Some(1));
}

#[test]
fn case_46_a_diff_shows_no_password() {
    let (folder, _) = folder();
    let output = run_in(folder.path(), &["--diff", "web1.xml"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("--- web1.xml\n+++ web1.xml\n@@ -"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("\n     <graphics type='vnc' passwd='***'/>\n+    <shmem"));
    let written = run_in(folder.path(), &["--diff", "-i", "web1.xml"]);
    assert_eq!(written.stdout, output.stdout);
    assert!(fs::read_to_string(folder.path().join("web1.xml")).unwrap().contains("hunter2"));
    assert_eq!(text(&run_in(folder.path(), &["--diff", "web1.xml"]).stdout), "");
}

#[test]
fn json_has_what_became_of_each_file() {
    let (folder, _) = folder();
    fs::write(folder.path().join("bad.xml"), "<network/>").unwrap();
    let output = run_in(folder.path(), &["--json", "--check", "--diff", "web1.xml", "bad.xml"]);
    assert_eq!(output.status.code(), Some(4));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&list[0]["domain"], &list[0]["action"]), (&"web1".into(), &"insert".into()));
    assert_eq!((&list[0]["address"], &list[0]["written"]), (&"00:1f.0".into(), &false.into()));
    assert!(list[0]["diff"].as_str().unwrap().contains("+    <shmem"));
    assert!(!text(&output.stdout).contains("hunter2"));
    assert_eq!((&list[1]["error"]["code"], &list[1]["error"]["line"]), (&"no-domain".into(), &1.into()));
}

#[test]
fn options_that_do_not_go_together_are_usage_errors() {
    let (folder, _) = folder();
    for args in [
        &["web1.xml", "web1.xml"][..],
        &["--json", "web1.xml"],
        &["-i", "-"],
        &["-i", "--check", "web1.xml"],
        &["--check", "-", "-"],
        &["--role", "master", "web1.xml"],
        &["--slot", "0x1f", "web1.xml"],
        &["--alias", "fg_i3", "web1.xml"],
    ] {
        let output = run_in(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(text(&output.stdout), "");
        assert_ne!(text(&output.stderr), "");
    }
    assert_eq!(run_in(folder.path(), &["--size", "6M", "web1.xml"]).status.code(), Some(4));
}

#[test]
fn names_do_not_steer_a_terminal() {
    let (folder, _) = folder();
    let output = run_in(folder.path(), &["missing\u{1b}[2J.xml"]);
    assert!(text(&output.stderr).starts_with("missing?[2J.xml: "), "{}", text(&output.stderr));
}
