//! A process that dies before any chosen store.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    thread,
};

use super::Memory;

/// Memory of a simulated process that can be killed before any single store.
///
/// Stores happen in program order, one word at a time, and a killed process makes none any more: what is left is what a
/// process killed by SIGKILL leaves. A clone belongs to the same process; [`process`](Self::process) gives another one.
#[derive(Clone, Debug)]
pub struct CrashMemory {
    words: Rc<RefCell<Vec<u64>>>,
    process: Rc<Process>,
}

#[derive(Debug, Default)]
struct Process {
    /// Stores that are left to make, unless it lives.
    fuel: Cell<Option<u64>>,
    stores: Cell<u64>,
}

/// The process ran into the store it was to be killed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed;

impl CrashMemory {
    /// `size` bytes, zeroed, and a process that lives.
    ///
    /// # Panics
    ///
    /// When `size` is no multiple of 8.
    #[must_use]
    pub fn new(size: usize) -> Self {
        assert!(size.is_multiple_of(8), "{size} bytes are not aligned to 8");
        Self { words: Rc::new(RefCell::new(vec![0; size / 8])), process: Rc::default() }
    }

    /// Another process on the same memory, with a death of its own to die.
    #[must_use]
    pub fn process(&self) -> Self {
        Self { words: Rc::clone(&self.words), process: Rc::default() }
    }

    /// Lets the process make `stores` more stores, then kills it.
    pub fn kill_after(&self, stores: u64) {
        self.process.fuel.set(Some(stores));
    }

    /// Lets a process that still lives live on.
    pub fn spare(&self) {
        self.process.fuel.set(None);
    }

    /// How many stores this process has made, one for each word.
    #[must_use]
    pub fn stores(&self) -> u64 {
        self.process.stores.get()
    }

    /// Runs `work` until it returns or the process is killed.
    ///
    /// # Errors
    ///
    /// [`Killed`] when it was. Any other panic goes on.
    pub fn run<T>(work: impl FnOnce() -> T) -> Result<T, Killed> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match payload.downcast::<Killed>() {
            Ok(killed) => *killed,
            Err(other) => resume_unwind(other),
        })
    }

    fn index(&self, at: u64) -> usize {
        assert!(
            at.is_multiple_of(8) && at < self.size(),
            "word at {at} of {} bytes: outside or not aligned to 8",
            self.size()
        );
        usize::try_from(at / 8).expect("inside a vector")
    }
}

impl Memory for CrashMemory {
    fn size(&self) -> u64 {
        self.words.borrow().len() as u64 * 8
    }

    fn load(&self, at: u64) -> u64 {
        self.words.borrow()[self.index(at)]
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.load(at)
    }

    fn store(&self, at: u64, value: u64) {
        match self.process.fuel.get() {
            // Destructors run while the simulated process unwinds; a killed process has none.
            Some(0) if thread::panicking() => return,
            Some(0) => resume_unwind(Box::new(Killed)),
            Some(fuel) => self.process.fuel.set(Some(fuel - 1)),
            None => {}
        }
        self.process.stores.set(self.process.stores.get() + 1);
        let index = self.index(at);
        self.words.borrow_mut()[index] = value;
    }

    fn store_release(&self, at: u64, value: u64) {
        self.store(at, value);
    }

    fn copy_in(&self, at: u64, from: &[u8]) {
        super::words::copy_in(at, from, |at| self.load(at), |at, word| self.store(at, word));
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
        super::words::copy_out(at, into, |at| self.load(at));
    }

    fn before_publish(&self) {}

    fn after_publish(&self) {}

    fn after_ready(&self) {}

    fn before_release(&self) {}

    fn full(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dies_before_the_store_and_stays_dead_while_unwinding() {
        struct StoresWhenDropped(CrashMemory);
        impl Drop for StoresWhenDropped {
            fn drop(&mut self) {
                self.0.store(16, 3);
            }
        }
        let memory = CrashMemory::new(64);
        memory.kill_after(1);
        let killed = CrashMemory::run(|| {
            let process = StoresWhenDropped(memory.clone());
            process.0.store(0, 1);
            process.0.store(8, 2);
            unreachable!("the second store must not return");
        });
        assert_eq!(killed, Err::<(), _>(Killed));
        assert_eq!([memory.load(0), memory.load(8), memory.load(16)], [1, 0, 0]);
    }

    #[test]
    fn a_copy_is_a_store_a_word_and_can_be_torn() {
        let memory = CrashMemory::new(64);
        memory.kill_after(2);
        assert_eq!(CrashMemory::run(|| memory.copy_in(3, &[0xff; 20])), Err(Killed));
        let mut bytes = [0; 32];
        memory.copy_out(0, &mut bytes);
        assert_eq!(bytes.map(|byte| byte == 0xff), std::array::from_fn(|i| (3..16).contains(&i)));
        assert_eq!(memory.stores(), 2);
    }

    #[test]
    fn one_dies_and_others_live() {
        let first = CrashMemory::new(64);
        let second = first.process();
        first.kill_after(0);
        assert_eq!(
            CrashMemory::run(|| first.clone().store(0, 1)),
            Err(Killed),
            "a clone is the same process"
        );
        second.store(8, 2);
        assert_eq!([first.load(0), first.load(8)], [0, 2]);
        assert_eq!((first.stores(), second.stores()), (0, 1));
    }

    #[test]
    fn other_panics_are_not_swallowed() {
        let outcome = catch_unwind(|| CrashMemory::run(|| resume_unwind(Box::new("a bug"))));
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "a bug");
    }
}
