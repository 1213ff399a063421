//! What libvirt's QEMU driver is told in `/etc/libvirt/qemu.conf`.

use super::Root;

/// The file; on Debian root alone may read it.
const FILE: &str = "/etc/libvirt/qemu.conf";

/// The value of `key` if the file sets it; the last one holds.
pub(super) fn value(root: &Root, key: &str) -> Option<String> {
    let text = root.text(FILE);
    let mut values = text.lines().filter_map(|line| {
        let (found, value) = line.split_once('=')?;
        let value = value.split('#').next().unwrap_or_default().trim();
        (found.trim() == key).then(|| value.trim_matches(['"', '\'']).to_owned())
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_value_is_one_that_is_not_commented_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::below(folder.path());
        assert_eq!(value(&root, "user"), None);
        fs::create_dir_all(root.path("/etc/libvirt")).unwrap();
        fs::write(root.path(FILE), "#user = \"root\"\ngroup = \"kvm\"  # as they say\nuser_x = 1\n").unwrap();
        assert_eq!(value(&root, "user"), None);
        assert_eq!(value(&root, "group").as_deref(), Some("kvm"));
    }
}
