//! What becomes of an access to a mapped file whose page is not there: a flag instead of the end of the process.
//!
//! A file that is truncated while it is mapped, a hole in a full file system, before Linux 5.12 also a PCI device that is
//! unplugged: the next access to such a page is SIGBUS. [`guard_mappings`] installs a handler that maps anonymous memory in the place of the file and
//! lets the access go on; it reads zeros, which every reader copes with, for the peer could have written them. The owner of
//! the mapping asks [`MappedFile::broken_at`](super::MappedFile::broken_at) and stops using it.
//!
//! The whole mapping is replaced at the first such access, not the one page. From then on nothing that this process stores
//! reaches the file, which is left as by a process that was killed at that access: a state from which the protocol
//! recovers. Page by page some stores would arrive and others not, a record's header for one, without its payload. It also
//! takes one system call, whatever is left of the file.

mod registry;
#[cfg(not(miri))]
#[cfg(test)]
mod tests;

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

pub(super) use registry::Registration;

/// A handler as the kernel calls it.
type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
/// One that was installed without SA_SIGINFO.
type PlainHandler = extern "C" fn(c_int);

/// What was done about SIGBUS before. Set before the handler is installed, and never again.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// From now on an access to a mapped region whose page is not there does not end the process: see
/// [`MappedFile::broken_at`](super::MappedFile::broken_at). For all mappings of the process, also those that are there
/// already. Called again it does nothing.
///
/// It installs a handler for SIGBUS, and so is nothing that a library does without being asked. A SIGBUS that is none of
/// these mappings' goes to the handler that was there before, or has its default effect. A handler that is installed later
/// takes this one's place; one that passes on what is not its own works. Not to be called while another thread
/// installs a handler for SIGBUS.
///
/// # Errors
///
/// What the system says when it takes no handler.
pub fn guard_mappings() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    // Asked first: the handler may run as soon as it is installed.
    let before = BEFORE.get_or_init(action_now);
    let handler: Handler = handle;
    let mut action = *before;
    // A numeric address is what the structure holds.
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO
        | match before.sa_sigaction {
            // On the stack for signals where a thread has one.
            libc::SIG_DFL | libc::SIG_IGN => libc::SA_ONSTACK,
            // As the handler that may be called from ours wants it; its mask is kept, too.
            _ => before.sa_flags & (libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART),
        };
    // SAFETY: `action` is an action of this system with its handler replaced by one of the type that SA_SIGINFO asks for,
    // which does nothing but what a signal handler may.
    let done = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
    Errno::result(done)?;
    *installed = true;
    Ok(())
}

/// What is done about SIGBUS now.
fn action_now() -> libc::sigaction {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action nothing is changed; the old one is written to `action`, which has room for it. It cannot
    // fail for a signal that exists, and would leave zeros, the default action.
    unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeros are an action, and what the call wrote is one.
    unsafe { action.assume_init() }
}

/// The handler. It runs in the midst of anything, so it and all that it calls take no lock, allocate nothing and do not
/// panic: atomic loads and stores, `mmap`, and where the access is none of ours `sigaction` and `raise`. On Linux `mmap` is
/// a system call and nothing else; that it is not in the list of signal-safety(7) is for systems where it is more.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = Errno::last_raw();
    if !mend(info) {
        pass_on(signal, info, context);
    }
    // The access belongs to code that may be about to look at it.
    Errno::set_raw(errno);
}

/// Maps anonymous memory in the place of the mapping that was accessed; `false` when it was none of ours.
fn mend(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure, which lives until the handler returns.
    let info = unsafe { &*info };
    // Not there: behind the file's end, or a page that the file system has no room for. The other kinds are damaged memory
    // and unaligned accesses, which are not for us to hide.
    if info.si_code != libc::BUS_ADRERR {
        return false;
    }
    // SAFETY: the code says that this is a fault, and a fault has an address.
    let address = unsafe { info.si_addr() }.addr();
    let Some(mapping) = registry::find(address) else { return false };
    // First, so that whoever reads one of the new zeros finds the mark.
    mapping.mark(address);
    let (Some(start), Some(length)) = (NonZeroUsize::new(mapping.start), NonZeroUsize::new(mapping.length))
    else {
        return false;
    };
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let how = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_NORESERVE;
    // SAFETY: the range is a registered mapping, which is there at least until the access returns that was interrupted here,
    // and which ends only after it was taken out of the registry: no other mapping is replaced. Those who access it do so by
    // atomics and copies in assembly, which expect bytes to change at any moment. nix calls mmap(2) and makes nothing else.
    unsafe { mmap_anonymous(Some(start), length, access, how) }.is_ok()
}

/// Does what would have been done without this handler.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // `get` never blocks. The value was set before this handler was installed.
    let Some(before) = BEFORE.get() else { return restore_default() };
    // SAFETY: as in `mend`.
    let was_sent = unsafe { &*info }.si_code <= 0;
    match before.sa_sigaction {
        libc::SIG_IGN if was_sent => {}
        // An access that faults cannot be ignored (sigaction(2)). It is made again when this returns, and ends the process.
        libc::SIG_DFL | libc::SIG_IGN => {
            restore_default();
            if was_sent {
                // SAFETY: nothing is asked of the caller; the signal is blocked until the handler returns.
                unsafe { libc::raise(signal) };
            }
        }
        handler => {
            if before.sa_flags & libc::SA_RESETHAND != 0 {
                restore_default();
            }
            if before.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: the system held it as the address of a handler of this type.
                let handler: Handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
                handler(signal, info, context);
            } else {
                // SAFETY: the system held it as the address of a handler of this type.
                let handler = unsafe { std::mem::transmute::<usize, PlainHandler>(handler) };
                handler(signal);
            }
        }
    }
}

/// The next SIGBUS ends the process.
fn restore_default() {
    // SAFETY: zeros are an action: the default one, with no flags and an empty mask.
    let default = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    // SAFETY: the default action needs no handler. sigaction(2) may be called by a handler.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const default, ptr::null_mut()) };
}
