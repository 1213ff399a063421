//! Who opens the file of a region, and whether he may.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{getgroups, getuid};

use super::account::{Account, Accounts};
use super::{LibvirtHost, Root, qemu_conf};

/// The account of `ivringd` where it is a service.
const DAEMON: &str = "ivring";
/// The group that distributions have for QEMU.
const QEMU_GROUP: &str = "kvm";
/// The users that libvirt runs QEMU as: Debian's and Arch's, and that of the others.
const QEMU_USERS: [&str; 2] = ["libvirt-qemu", "qemu"];

/// Who opens the regions of a host.
#[derive(Debug)]
pub(super) struct Openers {
    accounts: Accounts,
    system: Result<Account, String>,
    qemus: Vec<Result<Account, String>>,
    daemon: Option<Account>,
}

/// Owner and mode of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// The number of its owner.
    pub(super) uid: u32,
    /// The number of its group.
    pub(super) gid: u32,
    /// Its mode, the last twelve bits.
    pub(super) mode: u32,
}

impl Access {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 }
    }

    /// Whether `account` may read and write the file by its mode. That holds for root as well where he has no capabilities,
    /// as QEMU under libvirt.
    pub(super) fn lets(self, account: &Account) -> bool {
        let bits = if account.uid == self.uid {
            self.mode >> 6
        } else if account.groups.contains(&self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        bits & 0o6 == 0o6
    }
}

impl Openers {
    /// Who runs the QEMUs of `libvirts` and the daemon.
    pub(super) fn of(root: &Root, libvirts: &[LibvirtHost]) -> Self {
        let accounts = Accounts::of(root);
        let system = system_user(root, &accounts);
        let mut qemus: Vec<Result<Account, String>> = Vec::new();
        for libvirt in libvirts {
            let user = if libvirt.is_of_a_session() { Ok(this_user(&accounts)) } else { system.clone() };
            if !qemus.contains(&user) {
                qemus.push(user);
            }
        }
        // The unit adds the group.
        let daemon = accounts.user(DAEMON, Some(QEMU_GROUP)).or_else(|| accounts.user(DAEMON, None));
        Self { accounts, system, qemus, daemon }
    }

    /// The users that run QEMU, or which one there is not.
    pub(super) fn qemus(&self) -> &[Result<Account, String>] {
        &self.qemus
    }

    /// The daemon's account; root's, who may all, where it has none.
    pub(super) fn daemon(&self) -> Option<&Account> {
        self.daemon.as_ref()
    }

    /// Whether the user with the number `uid` is root, the daemon, or QEMU.
    pub(super) fn has(&self, uid: u32) -> bool {
        let qemus = self.qemus.iter().chain([&self.system]).flatten();
        uid == 0 || qemus.chain(&self.daemon).any(|account| account.uid == uid)
    }

    /// Who owns a region that both QEMU and the daemon may open.
    pub(super) fn owner(&self) -> &str {
        self.daemon.as_ref().map_or("root", |account| &account.name)
    }

    /// The group of such a region: QEMU's.
    pub(super) fn group(&self) -> String {
        let Ok(qemu) = &self.system else { return QEMU_GROUP.to_owned() };
        let usual = self.accounts.group(QEMU_GROUP).filter(|gid| qemu.groups.contains(gid));
        let gid = usual.or_else(|| qemu.groups.first().copied());
        gid.map_or_else(|| QEMU_GROUP.to_owned(), |gid| self.accounts.group_name(gid))
    }

    /// The command that lets both of them open the file `path`.
    pub(super) fn remedy(&self, path: &str) -> String {
        format!("chown {}:{} {path} && chmod 0660 {path}", self.owner(), self.group())
    }

    /// Owner, group and mode of a file in words.
    pub(super) fn told(&self, access: Access) -> String {
        let (user, group) = (self.accounts.user_name(access.uid), self.accounts.group_name(access.gid));
        format!("{user}:{group}, mode {:04o}", access.mode)
    }

    /// `account` with its groups in words.
    pub(super) fn described(&self, account: &Account) -> String {
        let groups: Vec<String> = account.groups.iter().map(|&gid| self.accounts.group_name(gid)).collect();
        format!("{} (groups {})", account.name, groups.join(", "))
    }
}

/// The user that the system's libvirt runs QEMU as, or why there is none.
fn system_user(root: &Root, accounts: &Accounts) -> Result<Account, String> {
    let group = qemu_conf::value(root, "group");
    if let Some(name) = qemu_conf::value(root, "user") {
        let user = accounts.user(&name, group.as_deref());
        return user.ok_or_else(|| {
            format!(
                "/etc/libvirt/qemu.conf has QEMU run as the user {name}, and there is none, or no such group"
            )
        });
    }
    let found = QEMU_USERS.iter().find_map(|name| accounts.user(name, group.as_deref()));
    found.ok_or_else(|| {
        format!("there is no user {}: libvirt's QEMU driver is not installed", QEMU_USERS.join(" or "))
    })
}

/// The user of this process, as whom a session's libvirt runs QEMU.
fn this_user(accounts: &Accounts) -> Account {
    let uid = getuid().as_raw();
    let name = accounts.user_name(uid);
    // Without an answer his groups are those of passwd(5) and group(5).
    let groups = getgroups().ok().map(|groups| groups.iter().map(|gid| gid.as_raw()).collect());
    let groups = groups.or_else(|| Some(accounts.user(&name, None)?.groups)).unwrap_or_default();
    Account { name, uid, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, groups: &[u32]) -> Account {
        Account { name: "somebody".to_owned(), uid, groups: groups.to_vec() }
    }

    #[test]
    fn the_first_that_fits_of_owner_group_and_others_counts() {
        let lets = |mode, account: &Account| Access { uid: 7, gid: 70, mode }.lets(account);
        assert!(lets(0o600, &account(7, &[])));
        assert!(!lets(0o400, &account(7, &[])));
        // An owner has the owner's rights alone, a member of the group those of the group alone.
        assert!(!lets(0o066, &account(7, &[70])));
        assert!(!lets(0o606, &account(8, &[70])));
        assert!(lets(0o060, &account(8, &[1, 70])));
        assert!(!lets(0o640, &account(8, &[70])));
        assert!(lets(0o606, &account(8, &[1])));
        assert!(!lets(0o660, &account(8, &[1])));
        assert!(!lets(0o660, &account(0, &[0])), "root without capabilities");
    }
}
