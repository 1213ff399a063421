//! The check `libvirt-guests`: whether a shutdown of the host tries to save domains that cannot be saved.

use std::fs;

use super::{CheckLine, Root};

const CHECK: &str = "libvirt-guests";
/// What the administrator says: Debian's place, and that of the others.
const SETTINGS: [&str; 2] = ["/etc/default/libvirt-guests", "/etc/sysconfig/libvirt-guests"];
/// The program, which begins with its defaults.
const PROGRAMS: [&str; 2] = ["/usr/lib/libvirt/libvirt-guests.sh", "/usr/libexec/libvirt-guests.sh"];
const KEY: &str = "ON_SHUTDOWN";

/// What libvirt-guests does to running domains at a shutdown. A domain with the device cannot be saved, unless its role is
/// `master`; it would be ended hard instead.
pub(super) fn line(root: &Root) -> CheckLine {
    if !PROGRAMS.iter().any(|program| root.has(program)) {
        return CheckLine::ok(CHECK, "it is not installed: a shutdown of the host saves no domain");
    }
    if !is_enabled(root) {
        return CheckLine::ok(CHECK, "it is not enabled: a shutdown of the host saves no domain");
    }
    let file = SETTINGS.iter().copied().find(|file| root.has(file)).unwrap_or(SETTINGS[0]);
    let set = SETTINGS.iter().filter_map(|file| last(&root.text(file))).next_back();
    let by = if set.is_some() { "set" } else { "its default" };
    // Before libvirt had a default in the program, it was this.
    let does = set.or_else(|| PROGRAMS.iter().find_map(|program| first(&root.text(program))));
    let does = does.unwrap_or_else(|| "suspend".to_owned());
    if does != "suspend" {
        return CheckLine::ok(
            CHECK,
            format!("{KEY}={does} ({by}): no domain is saved at a shutdown of the host"),
        );
    }
    CheckLine::failed(
        CHECK,
        format!(
            "{KEY}=suspend ({by}): a shutdown of the host cannot save domains with the device, and ends them hard"
        ),
        format!("echo {KEY}=shutdown >>{file}"),
    )
}

fn is_enabled(root: &Root) -> bool {
    let units = fs::read_dir(root.path("/etc/systemd/system")).into_iter().flatten().flatten();
    let mut wanted = units.filter(|entry| entry.file_name().to_string_lossy().ends_with(".wants"));
    wanted.any(|folder| fs::symlink_metadata(folder.path().join("libvirt-guests.service")).is_ok())
}

fn values(text: &str) -> impl DoubleEndedIterator<Item = String> {
    let values = text.lines().filter_map(|line| line.trim().strip_prefix(KEY)?.strip_prefix('='));
    values
        .map(|value| value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned())
}

/// The value that holds in a file that is read from top to bottom.
fn last(text: &str) -> Option<String> {
    values(text).next_back()
}

/// The value before a program has read anything.
fn first(text: &str) -> Option<String> {
    values(text).next()
}
