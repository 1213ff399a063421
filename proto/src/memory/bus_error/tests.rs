use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Barrier;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

use super::registry::{Slot, find_among};
use super::*;
use crate::memory::{MappedFile, Memory};

const PAGE: u64 = 4096;
const SIZE: u64 = 64 * PAGE;

/// A file full of ones, and its mapping.
fn mapped() -> (File, MappedFile) {
    let file = tempfile::tempfile().unwrap();
    file.set_len(SIZE).unwrap();
    let memory = MappedFile::map(&file, SIZE).unwrap();
    memory.copy_in(0, &vec![1; usize::try_from(SIZE).unwrap()]);
    (file, memory)
}

const ONES: u64 = 0x0101_0101_0101_0101;

#[test]
fn an_access_behind_the_files_end_is_marked_and_reads_zeros() {
    guard_mappings().unwrap();
    let (file, memory) = mapped();
    let (_other_file, other) = mapped();
    file.set_len(2 * PAGE).unwrap();
    assert_eq!((memory.load(PAGE), memory.broken_at()), (ONES, None), "this page is still there");
    assert_eq!(memory.load_acquire(5 * PAGE + 8), 0);
    assert_eq!(memory.clone().broken_at(), Some(5 * PAGE + 8));

    // All of it has been replaced: nothing that is stored now reaches the file, or comes from it.
    assert_eq!(memory.load(PAGE), 0);
    memory.store(PAGE, 7);
    memory.copy_in(SIZE - 100, &[9; 100]);
    let mut bytes = [0; 100];
    memory.copy_out(SIZE - 100, &mut bytes);
    assert_eq!((memory.load(PAGE), bytes), (7, [9; 100]));
    let again = MappedFile::map(&file, 2 * PAGE).unwrap();
    assert_eq!((again.load(PAGE), again.broken_at()), (ONES, None));
    assert_eq!(memory.broken_at(), Some(5 * PAGE + 8), "the first one stands");

    assert_eq!((other.load(5 * PAGE), other.broken_at()), (ONES, None));
}

#[test]
fn every_kind_of_access_goes_on() {
    guard_mappings().unwrap();
    let broken = |at: u64, access: &dyn Fn(&MappedFile)| {
        let (file, memory) = mapped();
        file.set_len(4 * PAGE).unwrap();
        access(&memory);
        assert_eq!(memory.broken_at().map(|offset| offset / PAGE), Some(at / PAGE));
    };
    broken(SIZE - 8, &|memory| memory.store_release(SIZE - 8, 1));
    broken(4 * PAGE, &|memory| memory.store(4 * PAGE, 1));
    // Copies of every length begin in what is left, and end behind it.
    for length in [17_usize, 100, 1000, 5000, 40_000, 200_000] {
        broken(4 * PAGE, &|memory| memory.copy_in(4 * PAGE - 9, &vec![3; length]));
        broken(4 * PAGE, &|memory| {
            let mut bytes = vec![5; length];
            memory.copy_out(4 * PAGE - 9, &mut bytes);
            assert!(bytes[9..].iter().all(|&byte| byte == 0), "{length}");
        });
    }
    let (file, _) = mapped();
    let memory = MappedFile::map_read_only(&file, SIZE).unwrap();
    file.set_len(0).unwrap();
    assert_eq!((memory.load(0), memory.broken_at()), (0, Some(0)));
}

#[test]
fn threads_break_and_close_mappings_beside_each_other() {
    guard_mappings().unwrap();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for round in 0..200_u64 {
                    let (file, memory) = mapped();
                    let (_kept_file, kept) = mapped();
                    let at = (round * 4 + number) % 64 * PAGE;
                    file.set_len(0).unwrap();
                    assert_eq!(memory.load(at), 0);
                    assert_eq!((memory.broken_at(), kept.broken_at()), (Some(at), None));
                    assert_eq!(kept.load(at), ONES);
                }
            });
        }
    });
}

#[test]
fn threads_that_find_the_same_mapping_broken_all_go_on() {
    guard_mappings().unwrap();
    for _ in 0..50 {
        let (file, memory) = mapped();
        file.set_len(0).unwrap();
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (start, memory) = (&start, &memory);
                scope.spawn(move || {
                    start.wait();
                    assert_eq!(memory.load(number * PAGE), 0);
                    assert!(memory.broken_at().is_some_and(|at| at < 4 * PAGE));
                });
            }
        });
    }
}

#[test]
fn the_registry_finds_a_mapping_by_its_addresses_while_it_is_there() {
    let slots = Vec::leak((0..2).map(|_| Slot::free()).collect());
    let first = Registration::among(slots, 0x10_000, 0x2000).unwrap();
    let second = Registration::among(slots, 0x8000, 0x1000).unwrap();
    let found = |address| find_among(slots, address).map(|mapping| (mapping.start, mapping.length));
    for address in [0x10_000, 0x11_234, 0x11_fff] {
        assert_eq!(found(address), Some((0x10_000, 0x2000)));
    }
    assert_eq!(found(0x8000), Some((0x8000, 0x1000)));
    for address in [0, 0x7fff, 0x9000, 0xffff, 0x12_000, usize::MAX] {
        assert_eq!(found(address), None, "{address:#x}");
    }
    assert!(Registration::among(slots, 0x20_000, 8).unwrap_err().to_string().contains("close some first"));

    find_among(slots, 0x10_010).unwrap().mark(0x10_010);
    find_among(slots, 0x10_020).unwrap().mark(0x10_020);
    assert_eq!((first.broken_at(), second.broken_at()), (Some(0x10), None));
    drop(first);
    assert_eq!(found(0x10_000), None);
    let next = Registration::among(slots, 0x20_000, 8).unwrap();
    assert_eq!((next.broken_at(), found(0x20_000)), (None, Some((0x20_000, 8))));
}

#[test]
fn a_mapping_that_has_ended_is_not_in_the_registry() {
    let (_file, memory) = mapped();
    let start = memory.start();
    assert!(registry::find(start).is_some_and(|mapping| mapping.start == start));
    let clone = memory.clone();
    drop(memory);
    assert!(registry::find(start).is_some(), "one of two is left");
    drop(clone);
    // Another test may have mapped something there meanwhile, and then it is that.
    assert!(registry::find(start + 8).is_none_or(|mapping| mapping.length != usize::try_from(SIZE).unwrap()));
}

/// Names what the process is to do that runs `child`.
const CASE: &str = "IVRING_BUS_ERROR_CASE";

/// Runs a case in a process of its own.
fn run(case: &str) -> ExitStatus {
    // Those that end by a signal are not to leave core files; one that faults without an end is to end, too.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c 0 && ulimit -t 20 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let output = command
        .args(["--exact", "memory::bus_error::tests::child", "--nocapture"])
        .env(CASE, case)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() != Some(0) || said.contains("1 passed"), "{case}: {said}");
    assert!(output.status.code() != Some(101), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    output.status
}

fn is_killed(case: &str) {
    assert_eq!(run(case).signal(), Some(libc::SIGBUS), "{case}");
}

fn ends_with(case: &str, code: i32) {
    assert_eq!(run(case).code(), Some(code), "{case}");
}

#[test]
fn without_the_guard_the_process_ends() {
    is_killed("unguarded");
}

#[test]
fn a_fault_elsewhere_has_the_effect_that_it_had_before() {
    is_killed("default, elsewhere");
    // What Rust's runtime installed, for overflowing stacks.
    is_killed("runtime, elsewhere");
    is_killed("ignored, elsewhere");
    ends_with("handler, elsewhere", HANDLED);
    ends_with("plain handler, elsewhere", HANDLED);
    is_killed("one-shot handler, elsewhere");
}

#[test]
fn a_signal_that_was_sent_has_the_effect_that_it_had_before() {
    is_killed("default, sent");
    ends_with("ignored, sent", 0);
    ends_with("handler, sent", HANDLED);
}

#[test]
fn a_fault_in_a_region_does_not_reach_the_handler_from_before() {
    for case in ["default, region", "runtime, region", "ignored, region", "handler, region"] {
        ends_with(case, 0);
    }
}

/// What the handlers of the cases end their process with.
const HANDLED: i32 = 42;

extern "C" fn with_address(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the handler was given a valid structure.
    let info = unsafe { &*info };
    // SAFETY: it is that of a fault, or the value is not used.
    let address = unsafe { info.si_addr() }.addr();
    let right = info.si_code <= 0 || address == EXPECTED.load(std::sync::atomic::Ordering::Relaxed);
    // SAFETY: ends the process at once, as a handler may.
    unsafe { libc::_exit(if right { HANDLED } else { 43 }) };
}

/// Where the fault will be.
static EXPECTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

extern "C" fn plain(_: c_int) {
    // SAFETY: as in `with_address`.
    unsafe { libc::_exit(HANDLED) };
}

extern "C" fn returns(_: c_int) {}

/// Not a test of its own: what the others run in a process that may end.
#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    let (before, fault) = case.split_once(", ").unwrap_or(("", "region"));
    let install = |handler, flags| {
        let action = SigAction::new(handler, flags, SigSet::empty());
        // SAFETY: the handlers end the process or do nothing.
        unsafe { sigaction(Signal::SIGBUS, &action) }.unwrap();
    };
    match before {
        "default" => install(SigHandler::SigDfl, SaFlags::empty()),
        "ignored" => install(SigHandler::SigIgn, SaFlags::empty()),
        "handler" => install(SigHandler::SigAction(with_address), SaFlags::empty()),
        "plain handler" => install(SigHandler::Handler(plain), SaFlags::empty()),
        "one-shot handler" => install(SigHandler::Handler(returns), SaFlags::SA_RESETHAND),
        "" | "runtime" => {}
        other => panic!("{other}"),
    }
    if !before.is_empty() {
        guard_mappings().unwrap();
        guard_mappings().unwrap();
    }
    match fault {
        "region" => {
            let (file, memory) = mapped();
            file.set_len(0).unwrap();
            Errno::set_raw(77);
            let read = memory.load(PAGE);
            assert_eq!((read, memory.broken_at(), Errno::last_raw()), (0, Some(PAGE), 77));
        }
        "elsewhere" => {
            let file = tempfile::tempfile().unwrap();
            file.set_len(PAGE).unwrap();
            let foreign: MmapRaw = MmapOptions::new().len(4096).map_raw(&file).unwrap();
            file.set_len(0).unwrap();
            EXPECTED.store(foreign.as_ptr().addr(), std::sync::atomic::Ordering::Relaxed);
            // SAFETY: it is mapped; the fault is what is wanted.
            let read = unsafe { foreign.as_ptr().read_volatile() };
            panic!("it went on with {read}");
        }
        "sent" => raise(Signal::SIGBUS).unwrap(),
        other => panic!("{other}"),
    }
}
