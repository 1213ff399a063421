//! Which other processes map a region: the proof that a virtual machine is gone.
//!
//! A channel may only be taken from a VM that can never write again. A paused VM is silent for as long as somebody
//! likes, but its QEMU process keeps the region mapped; when that process has ended the VM has ended with it. So
//! `/proc/*/maps` is searched for the region's inode. What cannot be told counts as "unknown", never as "gone".
//!
//! Not every process may be looked into, not even by root everywhere; then its command line, which anybody can read,
//! must show that it is no QEMU or that of another VM. Processes of the host are trusted to have their true command line.
//! Those of other PID namespaces are not seen at all, which is one reason why a VM must first have been sighted before
//! its absence says anything.

mod command_line;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ivring_proto::session::Uuid;
use nix::sys::stat::{major, minor};

use crate::region_file::RegionFile;
pub use command_line::Runs;

/// Longest command line read, in bytes; the kernel's own limit is 6 MiB, QEMU's lines have a few KiB.
const MAX_COMMAND_LINE: u64 = 1 << 20;

/// A process other than this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Whether it is QEMU, and which machine's.
    pub runs: Runs,
}

/// Who maps one region, as one look through `/proc` found it.
#[derive(Debug)]
pub struct Mappers {
    others: Vec<Process>,
    unreadable: Vec<Process>,
    /// The look found what must be there: this process's own mapping, and process 1.
    sound: bool,
}

impl Mappers {
    /// Looks through every process. Takes milliseconds for each hundred of them: call it when something depends on it,
    /// not in a hot loop.
    ///
    /// The region must be mapped by this process; a look that does not find that mapping proves nothing.
    ///
    /// # Errors
    ///
    /// When `/proc` itself or the region's file cannot be read.
    pub fn scan(region: &RegionFile) -> io::Result<Self> {
        let file = region.file().metadata()?;
        let inode = Inode { major: major(file.dev()), minor: minor(file.dev()), number: file.ino() };
        Self::scan_under(Path::new("/proc"), std::process::id(), inode)
    }

    fn scan_under(proc: &Path, own_pid: u32, inode: Inode) -> io::Result<Self> {
        let (mut others, mut unreadable) = (Vec::new(), Vec::new());
        let (mut own_seen, mut init_seen) = (false, false);
        // A child started meanwhile is not missed: the kernel lists processes in the order of their ids.
        for entry in fs::read_dir(proc)? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // With hidepid= the processes of others are not even listed; process 1 then is not, either.
            init_seen |= pid == 1;
            let seen = match inode.is_mapped_by(&entry.path()) {
                Ok(true) if pid == own_pid => {
                    own_seen = true;
                    continue;
                }
                Ok(true) => &mut others,
                Ok(false) => continue,
                Err(error) if has_ended(&error) => continue,
                Err(_) => &mut unreadable,
            };
            seen.push(Process { pid, runs: what_runs(&entry.path()) });
        }
        Ok(Mappers { others, unreadable, sound: own_seen && init_seen })
    }

    /// The processes found.
    pub fn others(&self) -> &[Process] {
        &self.others
    }

    /// The processes that could not be looked into.
    pub fn unreadable(&self) -> &[Process] {
        &self.unreadable
    }

    /// Whether another process of this PID namespace maps the region; `None` when none was found, but one that could not
    /// be looked into may be a VM.
    pub fn is_mapped_by_others(&self) -> Option<bool> {
        if !self.others.is_empty() {
            return Some(true);
        }
        let no_vm_hides = self.unreadable.iter().all(|process| process.runs == Runs::NoVm);
        (self.sound && no_vm_hides).then_some(false)
    }

    /// Whether the VM maps the region; `None` when it was not found, but what was found or not seen may be it.
    fn is_mapped_by_vm(&self, vm: Uuid) -> Option<bool> {
        if self.others.iter().any(|process| matches!(&process.runs, Runs::Vm(uuids) if uuids.contains(&vm))) {
            return Some(true);
        }
        let may_be_there = self.others.iter().any(|process| process.runs.may_be_mapper_for(vm))
            || self.unreadable.iter().any(|process| process.runs.may_run(vm));
        (self.sound && !may_be_there).then_some(false)
    }
}

/// The VMs that have been seen mapping a region.
///
/// Only their absence is evidence. A guest may attach under a UUID that is not its VM's (`ivring-agent --id`), or run
/// where this process cannot see it, and would be "absent" all its life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings(BTreeSet<Uuid>);

impl Sightings {
    /// Remembers every VM of a scan, and forgets those that have ended and have no channel: on a host that lives long there
    /// are ever new ones.
    pub fn note(&mut self, scan: &Mappers, has_channel: impl Fn(Uuid) -> bool) {
        self.0.retain(|&vm| has_channel(vm) || scan.is_mapped_by_vm(vm) != Some(false));
        for process in &scan.others {
            if let Runs::Vm(uuids) = &process.runs {
                self.0.extend(uuids);
            }
        }
    }

    /// Remembers a VM that was sighted in an earlier life of the daemon.
    pub fn restore(&mut self, vm: Uuid) {
        self.0.insert(vm);
    }

    /// Every VM that was ever seen, in order.
    pub fn all(&self) -> impl Iterator<Item = Uuid> {
        self.0.iter().copied()
    }

    /// True when the VM was ever seen mapping the region.
    pub fn contains(&self, vm: Uuid) -> bool {
        self.0.contains(&vm)
    }

    /// Whether the VM has ended: `Some(true)` is proof that nothing of it can write to the region again, `Some(false)`
    /// that it runs or is paused, `None` that this scan cannot tell.
    ///
    /// Proof takes a VM that was sighted before, another VM's UUID for each process that maps the region, and for each
    /// that could not be looked into, that it is no QEMU or has another VM's UUID.
    pub fn vm_is_gone(&self, scan: &Mappers, vm: Uuid) -> Option<bool> {
        match scan.is_mapped_by_vm(vm)? {
            true => Some(false),
            false => self.contains(vm).then_some(true),
        }
    }
}

/// The QEMU processes of a VM below `proc`, by their command lines, which anybody may read; whatever they map.
pub(crate) fn vm_processes(proc: &Path, vm: Uuid) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let processes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        matches!(what_runs(&entry.path()), Runs::Vm(uuids) if uuids.contains(&vm)).then_some(pid)
    });
    processes.collect()
}

/// A file as `/proc/PID/maps` names it.
#[derive(Debug, Clone, Copy)]
struct Inode {
    major: u64,
    minor: u64,
    number: u64,
}

impl Inode {
    fn is_mapped_by(self, process: &Path) -> io::Result<bool> {
        let mut maps = BufReader::new(File::open(process.join("maps"))?);
        // Bytes, not text: a path at a line's end may be any.
        let mut line = Vec::new();
        while maps.read_until(b'\n', &mut line)? > 0 {
            if self.is_in(&line) {
                return Ok(true);
            }
            line.clear();
        }
        Ok(false)
    }

    /// True if a line of `maps` is of this file: `7f00-7f80 rw-s 00000000 00:1a 52   /dev/shm/fg_i3` (proc_pid_maps(5)).
    fn is_in(self, line: &[u8]) -> bool {
        let mut fields =
            line.split(|&byte| byte == b' ').filter_map(|field| str::from_utf8(field).ok()).skip(3);
        let (Some(device), Some(number)) = (fields.next(), fields.next()) else { return false };
        let Some((major, minor)) = device.split_once(':') else { return false };
        let hex = |text| u64::from_str_radix(text, 16);
        number.trim_end().parse() == Ok(self.number)
            && hex(major) == Ok(self.major)
            && hex(minor) == Ok(self.minor)
    }
}

/// What a process runs by its own account. One that has just ended is unknown until the next look.
fn what_runs(process: &Path) -> Runs {
    let mut line = Vec::new();
    match File::open(process.join("cmdline"))
        .and_then(|file| file.take(MAX_COMMAND_LINE).read_to_end(&mut line))
    {
        Ok(_) => Runs::from_command_line(&line),
        Err(_) => Runs::Unknown,
    }
}

/// A process that ended while it was looked at maps nothing any more.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const REGION: Inode = Inode { major: 0, minor: 0x1a, number: 52 };
    const OWN: u32 = 700;
    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    fn uuid(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    /// A `/proc` in which process 1 maps nothing and our own process maps the region.
    struct FakeProc(TempDir);

    impl FakeProc {
        fn new() -> Self {
            let proc = FakeProc(tempfile::tempdir().unwrap());
            proc.process(1, false, &["init"]);
            proc.process(OWN, true, &["ivringd"]);
            fs::create_dir(proc.0.path().join("sys")).unwrap();
            proc
        }

        fn process(&self, pid: u32, maps_region: bool, arguments: &[&str]) {
            let mut maps = String::from(
                "55d0a000-55d0b000 r-xp 00000000 fe:00 52                  /usr/bin/x\n\
                 7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n\
                 7f0000002000-7f0000003000 rw-s 00000000 00:1a 53          /dev/shm/other\n",
            );
            if maps_region {
                maps += "7f0000100000-7f0000900000 rw-s 00000000 00:1a 52          /dev/shm/a b (deleted)\n";
            }
            let directory = self.0.path().join(pid.to_string());
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("maps"), maps).unwrap();
            fs::write(directory.join("cmdline"), arguments.join("\0")).unwrap();
        }

        fn qemu(&self, pid: u32, uuid: &str) {
            self.process(pid, true, &["qemu-system-x86_64", "-uuid", uuid, "-m", "1G"]);
        }

        /// A process whose `maps` cannot be read, also not by root.
        fn opaque(&self, pid: u32, arguments: &[&str]) {
            let directory = self.0.path().join(pid.to_string());
            fs::create_dir_all(directory.join("maps")).unwrap();
            fs::write(directory.join("cmdline"), arguments.join("\0")).unwrap();
        }

        fn end(&self, pid: u32) {
            fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
        }

        fn scan(&self) -> Mappers {
            Mappers::scan_under(self.0.path(), OWN, REGION).unwrap()
        }
    }

    #[test]
    fn a_vm_is_gone_when_its_process_has_ended() {
        let proc = FakeProc::new();
        proc.qemu(800, A);
        proc.qemu(801, B);
        let mut sightings = Sightings::default();
        let scan = proc.scan();
        sightings.note(&scan, |_| true);
        let mut found: Vec<u32> = scan.others().iter().map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [800, 801]);
        assert_eq!(sightings.vm_is_gone(&scan, uuid(A)), Some(false));
        proc.end(800);
        assert_eq!(sightings.vm_is_gone(&proc.scan(), uuid(A)), Some(true));
        assert_eq!(sightings.vm_is_gone(&proc.scan(), uuid(B)), Some(false));
    }

    #[test]
    fn a_vm_never_sighted_is_not_called_gone() {
        let proc = FakeProc::new();
        proc.qemu(801, B);
        let mut sightings = Sightings::default();
        sightings.note(&proc.scan(), |_| true);
        assert_eq!(sightings.vm_is_gone(&proc.scan(), uuid(A)), None);
        sightings.restore(uuid(A));
        assert_eq!(sightings.vm_is_gone(&proc.scan(), uuid(A)), Some(true));
    }

    #[test]
    fn vms_that_have_ended_are_forgotten_unless_they_have_a_channel() {
        let proc = FakeProc::new();
        proc.qemu(800, A);
        proc.qemu(801, B);
        let mut sightings = Sightings::default();
        sightings.note(&proc.scan(), |_| false);
        proc.end(800);
        proc.end(801);
        proc.opaque(900, &["qemu-kvm"]);
        sightings.note(&proc.scan(), |_| false);
        assert_eq!(sightings.all().count(), 2, "what is not seen may be one of them");
        proc.end(900);
        sightings.note(&proc.scan(), |vm| vm == uuid(A));
        assert_eq!(sightings.all().collect::<Vec<_>>(), [uuid(A)]);
        assert_eq!(sightings.vm_is_gone(&proc.scan(), uuid(A)), Some(true));
    }

    #[test]
    fn what_is_not_seen_or_not_named_may_be_the_vm() {
        let mut sightings = Sightings::default();
        sightings.restore(uuid(A));
        let gone = |proc: &FakeProc| sightings.vm_is_gone(&proc.scan(), uuid(A));

        let proc = FakeProc::new();
        assert_eq!(gone(&proc), Some(true));
        for (arguments, expected) in [
            (&["/sbin/init"][..], Some(true)),
            (&["qemu", "-uuid", B], Some(true)),
            (&["qemu", "-uuid", A], None),
            (&["qemu-kvm", "-m", "1G"], None),
            (&[], None),
        ] {
            proc.opaque(900, arguments);
            assert_eq!((gone(&proc), proc.scan().unreadable().len()), (expected, 1), "{arguments:?}");
            proc.end(900);
        }
        proc.process(901, true, &["qemu-system-x86_64", "-m", "1G"]);
        assert_eq!(gone(&proc), None);
        proc.end(901);
        assert_eq!(gone(&proc), Some(true));
        proc.end(1);
        assert_eq!(gone(&proc), None, "processes are hidden from us");
        proc.process(1, false, &[]);
        proc.end(OWN);
        assert_eq!(gone(&proc), None, "the scan does not see even ourselves");
    }

    #[test]
    fn a_region_nobody_else_maps_is_told_from_one_not_fully_seen() {
        let proc = FakeProc::new();
        assert_eq!(proc.scan().is_mapped_by_others(), Some(false));
        proc.opaque(900, &["/sbin/init"]);
        assert_eq!(proc.scan().is_mapped_by_others(), Some(false));
        proc.opaque(902, &["qemu", "-uuid", B]);
        assert_eq!(proc.scan().is_mapped_by_others(), None);
        proc.process(901, true, &["cat"]);
        assert_eq!(proc.scan().is_mapped_by_others(), Some(true));
    }

    #[test]
    fn odd_lines_are_no_mapping() {
        for line in [
            &b""[..],
            b"\n",
            b"7f-80 rw-s 00000000 00:1a",
            b"7f-80 rw-s 00000000 001a 52 x",
            b"7f-80 rw-s 00000000 00:1a 520 x",
            b"7f-80 rw-s 00000000 01:1a 52 x",
        ] {
            assert!(!REGION.is_in(line), "{}", String::from_utf8_lossy(line));
        }
        assert!(REGION.is_in(b"7f-80 rw-s 00000000 00:1a 52\n"));
        assert!(REGION.is_in(b"7f-80 rw-s 00000000 00:1a 52   /dev/shm/\xff\n"));
    }
}
