//! Users and groups as the host's own files have them.
//!
//! The files themselves are read and not the C library's lookup: accounts of services are local, and a static program
//! cannot load the modules of the others.

use super::Root;

/// A user with the groups that a process of his has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// His name.
    pub(super) name: String,
    /// His number.
    pub(super) uid: u32,
    /// The numbers of his groups, that of passwd(5) first.
    pub(super) groups: Vec<u32>,
}

/// passwd(5) and group(5) of a host.
#[derive(Debug)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// The accounts of the host.
    pub(super) fn of(root: &Root) -> Self {
        Self { passwd: root.text("/etc/passwd"), group: root.text("/etc/group") }
    }

    /// The user called `name`, who is in `group`, too, if one is named: so libvirt starts QEMU. It takes a number with a `+`
    /// before it for a number even where it is somebody's name, and a plain one that is nobody's name, too.
    pub(super) fn user(&self, name: &str, group: Option<&str>) -> Option<Account> {
        let fields: Vec<&str> = lookup(&self.passwd, name)?.split(':').collect();
        let (name, uid, own_group) =
            (*fields.first()?, fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let mut groups = vec![own_group];
        if let Some(group) = group {
            let group = self.group(group)?;
            if group != own_group {
                groups.push(group);
            }
        }
        for line in self.group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let has_him =
                fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
            if let Some(gid) = fields.get(2).and_then(|gid| gid.parse().ok()).filter(|_| has_him)
                && !groups.contains(&gid)
            {
                groups.push(gid);
            }
        }
        Some(Account { name: name.to_owned(), uid, groups })
    }

    /// The number of the group called `name`.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        lookup(&self.group, name)?.split(':').nth(2)?.parse().ok()
    }

    /// The name of a user, or his number if he has none.
    pub(super) fn user_name(&self, uid: u32) -> String {
        named(&self.passwd, uid)
    }

    /// The name of a group, or its number if it has none.
    pub(super) fn group_name(&self, gid: u32) -> String {
        named(&self.group, gid)
    }
}

/// The line of the account that is called `name`, or that has the number `name`.
fn lookup<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let by = |field: usize, value: &str| text.lines().find(|line| line.split(':').nth(field) == Some(value));
    let number = name.strip_prefix('+').unwrap_or(name);
    let by_name = if number == name { by(0, name) } else { None };
    by_name.or_else(|| number.parse::<u32>().ok().and_then(|_| by(2, number)))
}

fn named(text: &str, number: u32) -> String {
    let number = number.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&number));
    line.and_then(|line| line.split(':').next()).unwrap_or(&number).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nlibvirt-qemu:x:64055:108::/:/bin/false\nbroken\n64:x:7:7::/:\n".to_owned(),
            group: "root:x:0:\nkvm:x:108:\nlibvirt-qemu:x:64055:libvirt-qemu\ndisk:x:6:a,libvirt-qemu,b\nold:x:9:libvirt-qemu2\nbroken\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_user_has_his_own_group_and_those_that_name_him() {
        let user = accounts().user("libvirt-qemu", None).unwrap();
        assert_eq!(
            user,
            Account { name: "libvirt-qemu".to_owned(), uid: 64055, groups: vec![108, 64055, 6] }
        );
        let user = accounts().user("libvirt-qemu", Some("root")).unwrap();
        assert_eq!(user.groups, [108, 0, 64055, 6]);
        assert_eq!(accounts().user("libvirt-qemu", Some("nobody")), None);
        assert_eq!(accounts().user("broken", None), None);
    }

    #[test]
    fn a_number_is_a_name_first_unless_it_has_a_sign() {
        assert_eq!(accounts().user("64055", None).unwrap().name, "libvirt-qemu");
        assert_eq!(accounts().user("+64055", None).unwrap().name, "libvirt-qemu");
        assert_eq!(accounts().user("64", None).unwrap().uid, 7);
        assert_eq!(accounts().user("+64", None), None);
        assert_eq!(accounts().group("+108"), Some(108));
    }

    #[test]
    fn numbers_without_a_name_are_told_as_numbers() {
        assert_eq!(accounts().user_name(64055), "libvirt-qemu");
        assert_eq!(accounts().user_name(4), "4");
        assert_eq!(accounts().group_name(108), "kvm");
        assert_eq!(accounts().group_name(5), "5");
    }
}
