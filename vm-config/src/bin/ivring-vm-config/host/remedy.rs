//! What `host tmpfiles`, `host apparmor` and `host selinux` have in common: they print, and install when told to.

use ivring_vm_config::host::{InstallError, Installed};

use crate::{Failure, exit};

/// Tells what became of an installation: `now` if it was done, `needed_by` if it is not needed.
pub fn told(result: Result<Installed, InstallError>, now: &str, needed_by: &str) -> Result<u8, Failure> {
    match result {
        Ok(Installed::Now) => eprintln!("ivring-vm-config: {now}"),
        Ok(Installed::Already) => eprintln!("ivring-vm-config: it is so already; nothing has changed"),
        Ok(Installed::NotNeeded) => {
            eprintln!("ivring-vm-config: {needed_by} does not confine QEMU here; nothing has changed");
        }
        Err(error) => {
            let code = match error {
                InstallError::Differs { .. } | InstallError::NoTool { .. } => exit::REFUSED,
                InstallError::Tool { .. } | InstallError::Io { .. } => exit::IO_FAILED,
            };
            return Err(Failure { code, message: error.to_string() });
        }
    }
    Ok(0)
}
