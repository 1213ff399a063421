//! What is to be changed, from what is there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};

use super::error::file_error;
use super::init::{self, Init};
use super::inittab::{self, Dialect, Entry};
use super::ours::{self, Found};
use super::{Change, InstallError, Machine, NAME, Plan, rooted, running};

/// The service for systemd, with the program at [`PROGRAM`].
pub(super) const UNIT: &str = include_str!("../../dist/ivring-agent.service");
/// Where the program is unless another prefix is given.
const PROGRAM: &str = "/usr/local/bin/ivring-agent";

const UNIT_FILE: &str = "/etc/systemd/system/ivring-agent.service";
/// What `systemctl enable` makes.
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/ivring-agent.service";
const INITTAB: &str = "/etc/inittab";

/// What makes the running program a service of `machine` that starts at boot, and now if `start`.
///
/// # Errors
///
/// [`InstallError`] for whatever keeps it from being done; nothing has been changed then.
pub(crate) fn install(machine: &Machine, prefix: &Path, start: bool) -> Result<Plan, InstallError> {
    let program = program(prefix)?;
    let site = Site::new(machine)?;
    let init = init::find(machine)?;
    let mut changes = site.program(&program)?;
    match init {
        Init::Systemd => site.add_unit(&program, start, &mut changes)?,
        Init::Inittab(dialect) => site.add_line(&program, dialect, start, &mut changes)?,
    }
    // Those of an earlier installation with another prefix.
    for earlier in site.programs()?.into_iter().filter(|earlier| *earlier != program) {
        let path = site.entry(&earlier)?;
        if matches!(ours::look(&path)?, Found::Ours(_)) {
            changes.push(Change::Remove { path });
        }
    }
    are_writable(&changes)?;
    Ok(Plan { changes, left: Vec::new() })
}

/// What removes from `machine` all that installations have put there, and stops the service.
///
/// # Errors
///
/// As [`install`].
pub(crate) fn uninstall(machine: &Machine) -> Result<Plan, InstallError> {
    let site = Site::new(machine)?;
    let mut plan = Plan { changes: Vec::new(), left: Vec::new() };
    site.remove_unit(&mut plan)?;
    site.remove_line(&mut plan)?;
    let mut programs = site.programs()?;
    if !programs.iter().any(|program| program == PROGRAM) {
        programs.push(PROGRAM.to_owned());
    }
    for program in programs {
        let path = site.entry(&program)?;
        match ours::look(&path)? {
            Found::Nothing => {}
            Found::Ours(_) => plan.changes.push(Change::Remove { path }),
            Found::Foreign => plan.left.push(path),
        }
    }
    are_writable(&plan.changes)?;
    Ok(plan)
}

/// The program below `prefix`. Neither a unit nor an inittab can hold every path.
fn program(prefix: &Path) -> Result<String, InstallError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    match prefix.to_str() {
        Some(text) if text.starts_with('/') && text.chars().all(plain) => {
            Ok(format!("{}/bin/{NAME}", text.trim_end_matches('/')))
        }
        _ => Err(InstallError::Prefix { path: prefix.to_owned() }),
    }
}

/// Where the machine's files are, and whether it runs.
struct Site<'a> {
    root: &'a Path,
    live: bool,
}

impl<'a> Site<'a> {
    fn new(machine: &'a Machine) -> Result<Self, InstallError> {
        match machine {
            Machine::This => {
                let user = nix::unistd::geteuid();
                if user.is_root() {
                    Ok(Self { root: Path::new("/"), live: true })
                } else {
                    Err(InstallError::NotRoot { uid: user.as_raw() })
                }
            }
            Machine::Mounted(root) if root.is_dir() => Ok(Self { root, live: false }),
            Machine::Mounted(root) => Err(InstallError::NoRoot { path: root.clone() }),
        }
    }

    /// The entry that the machine knows as `path`.
    fn entry(&self, path: &str) -> Result<PathBuf, InstallError> {
        rooted::entry(self.root, Path::new(path)).map_err(file_error("follow", self.root.join(&path[1..])))
    }

    /// Puts the running program there.
    fn program(&self, program: &str) -> Result<Vec<Change>, InstallError> {
        let own = Path::new("/proc/self/exe");
        let contents =
            fs::read(own).map_err(file_error("read the running program (is proc mounted?) from", own))?;
        Ok(write(self.entry(program)?, contents, 0o755)?.into_iter().collect())
    }

    fn add_unit(&self, program: &str, start: bool, changes: &mut Vec<Change>) -> Result<(), InstallError> {
        let programs = changes.len();
        let unit = UNIT.replace(PROGRAM, program).into_bytes();
        changes.extend(write(self.entry(UNIT_FILE)?, unit, 0o644)?);
        let wanted = self.entry(WANTED)?;
        if !is_link(&wanted) {
            changes.push(Change::Link { path: wanted, target: UNIT_FILE.into() });
        }
        if self.live {
            if changes.len() > programs {
                changes.push(Change::Systemctl(&["daemon-reload"]));
            }
            if start && !changes.is_empty() {
                changes.push(Change::Systemctl(&["restart", NAME]));
            } else if start && !running::is_active() {
                changes.push(Change::Systemctl(&["start", NAME]));
            }
        }
        Ok(())
    }

    fn add_line(
        &self,
        program: &str,
        dialect: Dialect,
        start: bool,
        changes: &mut Vec<Change>,
    ) -> Result<(), InstallError> {
        let inittab = self.entry(INITTAB)?;
        let (text, mode) = read_inittab(&inittab)?;
        if let Entry::Foreign { line } = inittab::find(&text) {
            return Err(InstallError::ForeignLine { path: inittab, line });
        }
        let new = inittab::with(&text, dialect, program);
        let reread = new != text;
        if reread {
            changes.push(Change::Write { path: inittab, contents: new.into_bytes(), mode });
        }
        if self.live && start && !changes.is_empty() {
            // Init starts what ends here again, from the new file.
            let processes = running::children_of_init(Path::new(program));
            changes.extend(reread.then_some(Change::RereadInittab));
            changes.extend(processes.into_iter().map(|process| Change::End { process }));
        }
        Ok(())
    }

    fn remove_unit(&self, plan: &mut Plan) -> Result<(), InstallError> {
        let path = self.entry(UNIT_FILE)?;
        match ours::look(&path)? {
            Found::Nothing => return Ok(()),
            Found::Foreign => {
                plan.left.push(path);
                return Ok(());
            }
            Found::Ours(_) => {}
        }
        let systemd = self.live && matches!(init::find(&Machine::This), Ok(Init::Systemd));
        if systemd {
            plan.changes.push(Change::Systemctl(&["stop", NAME]));
        }
        let wanted = self.entry(WANTED)?;
        if is_link(&wanted) {
            plan.changes.push(Change::Remove { path: wanted });
        }
        plan.changes.push(Change::Remove { path });
        if systemd {
            plan.changes.push(Change::Systemctl(&["daemon-reload"]));
        }
        Ok(())
    }

    fn remove_line(&self, plan: &mut Plan) -> Result<(), InstallError> {
        let inittab = self.entry(INITTAB)?;
        if !inittab.exists() {
            return Ok(());
        }
        let (text, mode) = read_inittab(&inittab)?;
        let program = match inittab::find(&text) {
            Entry::None => return Ok(()),
            Entry::Foreign { .. } => {
                plan.left.push(inittab);
                return Ok(());
            }
            Entry::Ours { program } => program,
        };
        let contents = inittab::without(&text).into_bytes();
        plan.changes.push(Change::Write { path: inittab, contents, mode });
        if self.live && matches!(init::find(&Machine::This), Ok(Init::Inittab(_))) {
            // Busybox' init forgets a line without ending what it has started.
            plan.changes.push(Change::RereadInittab);
            let processes = running::children_of_init(Path::new(&program));
            plan.changes.extend(processes.into_iter().map(|process| Change::End { process }));
        }
        Ok(())
    }

    /// The programs that the services of installations start.
    fn programs(&self) -> Result<Vec<String>, InstallError> {
        let mut programs = Vec::new();
        if let Found::Ours(unit) = ours::look(&self.entry(UNIT_FILE)?)? {
            let unit = String::from_utf8_lossy(&unit);
            let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart="));
            programs.extend(command.and_then(|command| command.strip_suffix(" run")).map(str::to_owned));
        }
        let inittab = self.entry(INITTAB)?;
        if inittab.exists()
            && let Entry::Ours { program } = inittab::find(&read_inittab(&inittab)?.0)
            && !programs.contains(&program)
        {
            programs.push(program);
        }
        programs.retain(|program| program.starts_with('/'));
        Ok(programs)
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink())
}

/// The text and the permissions of an inittab.
fn read_inittab(path: &Path) -> Result<(String, u32), InstallError> {
    let text = fs::read_to_string(path).map_err(file_error("read", path))?;
    let file = fs::symlink_metadata(path).map_err(file_error("examine", path))?;
    if !file.is_file() {
        return Err(InstallError::Foreign { path: path.to_owned() });
    }
    Ok((text, file.permissions().mode() & 0o7777))
}

/// Gives `path` these contents, if it hasn't got them.
fn write(path: PathBuf, contents: Vec<u8>, mode: u32) -> Result<Option<Change>, InstallError> {
    match ours::look(&path)? {
        Found::Foreign => Err(InstallError::Foreign { path }),
        Found::Ours(old) if old == contents && has_mode(&path, mode) => Ok(None),
        Found::Ours(_) | Found::Nothing => Ok(Some(Change::Write { path, contents, mode })),
    }
}

fn has_mode(path: &Path, mode: u32) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o7777 == mode)
}

/// Makes sure beforehand that each change of a file can be made: a system may be mounted read-only in part.
fn are_writable(changes: &[Change]) -> Result<(), InstallError> {
    for path in changes.iter().filter_map(Change::path) {
        // The nearest directory that is there; what is missing below it is made.
        let directory = path.ancestors().skip(1).find(|directory| directory.exists()).unwrap_or(path);
        eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|errno| {
            InstallError::NotWritable { path: directory.to_owned(), source: io::Error::from(errno) }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_must_fit_into_a_service_file() {
        for (prefix, path) in [
            ("/usr/local", PROGRAM),
            ("/", "/bin/ivring-agent"),
            ("/opt/a-b_1+/", "/opt/a-b_1+/bin/ivring-agent"),
        ] {
            assert_eq!(program(Path::new(prefix)).unwrap(), path);
        }
        for prefix in ["", "usr", "/a b", "/a:b", "/a%n", "/a\nb", "/ä", "/$HOME"] {
            assert!(program(Path::new(prefix)).is_err(), "{prefix:?}");
        }
    }

    #[test]
    fn the_unit_names_the_program_once() {
        assert_eq!(UNIT.matches(PROGRAM).count(), 1);
    }
}
