//! Where this program keeps what outlives a run.

use std::env;
use std::path::PathBuf;

/// Root's.
const OF_ROOT: &str = "/var/lib/ivring";

/// `/var/lib/ivring` for root, else `ivring` in the folder of the user's state (`XDG_STATE_HOME`, `~/.local/state`).
pub(super) fn state_folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from(OF_ROOT);
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.map_or_else(|| PathBuf::from(OF_ROOT), |state| state.join("ivring"))
}
