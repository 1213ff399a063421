//! A simulation of write-combining memory: stores wait in buffers, and leave them in any order or not at all.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use super::Memory;

/// Memory of a simulated processor whose stores stay in its buffers until a fence, or until chance lets one out. Loads see
/// its own stores at once, and those of others when they have left.
///
/// A clone belongs to the same processor; [`processor`](Self::processor) gives another one. Loads are in order here: what a
/// reader's fences are for, the models under loom show.
#[derive(Clone, Debug)]
pub struct CombiningMemory {
    words: Rc<RefCell<Vec<u64>>>,
    buffers: Rc<Buffers>,
}

struct Buffers {
    /// Stores that have not left: which word, and what.
    waiting: RefCell<Vec<(usize, u64)>>,
    /// Where the numbers stand by which stores leave; `None` when only fences let them.
    chance: Cell<Option<u64>>,
    /// Looks on whenever a store has left.
    onlooker: RefCell<Option<Box<dyn FnMut()>>>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl CombiningMemory {
    /// `size` bytes, zeroed, and a processor whose stores leave at fences only.
    ///
    /// # Panics
    ///
    /// When `size` is no multiple of 8.
    #[must_use]
    pub fn new(size: usize) -> Self {
        assert!(size.is_multiple_of(8), "{size} bytes are not aligned to 8");
        Self { words: Rc::new(RefCell::new(vec![0; size / 8])), buffers: Buffers::empty(None) }
    }

    /// Another processor on the same memory. With a seed, some of its stores leave by chance; without, only at fences.
    #[must_use]
    pub fn processor(&self, seed: Option<u64>) -> Self {
        Self { words: Rc::clone(&self.words), buffers: Buffers::empty(seed) }
    }

    /// Calls `onlooker` whenever a store of this processor has left: what it then sees is all that another processor could.
    pub fn show_every_store(&self, onlooker: impl FnMut() + 'static) {
        self.buffers.onlooker.replace(Some(Box::new(onlooker)));
    }

    /// Lets every store out, the last one first: no fence says in which order they leave.
    fn drain(&self) {
        loop {
            let last = self.buffers.waiting.borrow_mut().pop();
            let Some(store) = last else { break };
            self.let_out(store);
        }
    }

    fn let_out(&self, (index, value): (usize, u64)) {
        self.words.borrow_mut()[index] = value;
        if let Some(onlooker) = &mut *self.buffers.onlooker.borrow_mut() {
            onlooker();
        }
    }

    /// Lets a store out by chance, whichever.
    fn leak(&self) {
        let Some(chance) = self.buffers.chance.get() else { return };
        // An xorshift generator (Marsaglia, 2003).
        let mut next = chance | 1;
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        self.buffers.chance.set(Some(next));
        let waiting = self.buffers.waiting.borrow().len();
        let index = usize::try_from(next >> 40).expect("24 bits");
        if index < waiting << 22 {
            let store = self.buffers.waiting.borrow_mut().remove(index % waiting);
            self.let_out(store);
        }
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

impl Buffers {
    fn empty(chance: Option<u64>) -> Rc<Self> {
        Rc::new(Self { waiting: RefCell::default(), chance: Cell::new(chance), onlooker: RefCell::default() })
    }
}

impl Memory for CombiningMemory {
    fn size(&self) -> u64 {
        self.words.borrow().len() as u64 * 8
    }

    fn load(&self, at: u64) -> u64 {
        self.leak();
        let index = self.index(at);
        let own =
            self.buffers.waiting.borrow().iter().find(|(word, _)| *word == index).map(|(_, value)| *value);
        own.unwrap_or_else(|| self.words.borrow()[index])
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.load(at)
    }

    fn store(&self, at: u64, value: u64) {
        self.leak();
        let index = self.index(at);
        let mut waiting = self.buffers.waiting.borrow_mut();
        match waiting.iter_mut().find(|(word, _)| *word == index) {
            Some((_, old)) => *old = value,
            None => waiting.push((index, value)),
        }
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

    fn before_publish(&self) {
        self.drain();
    }

    fn after_publish(&self) {
        self.drain();
    }

    fn after_ready(&self) {}

    fn before_release(&self) {
        self.drain();
    }

    fn full(&self) {
        self.drain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_seen_by_its_processor_at_once_and_by_others_after_a_fence() {
        let one = CombiningMemory::new(64);
        let other = one.processor(None);
        one.store(8, 5);
        assert_eq!((one.load(8), other.load(8)), (5, 0));
        one.store(8, 6);
        one.before_publish();
        assert_eq!((one.load(8), other.load(8)), (6, 6));
    }

    #[test]
    fn stores_leave_in_any_order() {
        let mut orders = [0; 2];
        for seed in 0..200 {
            let reader = CombiningMemory::new(64);
            let writer = reader.processor(Some(seed));
            writer.store(0, 1);
            writer.store(8, 1);
            while (reader.load(0), reader.load(8)) == (0, 0) {
                writer.leak();
            }
            orders[usize::from(reader.load(0) == 0)] += 1;
        }
        assert!(orders.iter().all(|times| *times > 20), "{orders:?}");
    }

    #[test]
    fn an_onlooker_sees_each_store_by_itself() {
        let reader = CombiningMemory::new(64);
        let writer = reader.processor(None);
        let seen = Rc::new(RefCell::new(vec![]));
        let look = (reader, Rc::clone(&seen));
        writer.show_every_store(move || look.1.borrow_mut().push([look.0.load(0), look.0.load(8)]));
        writer.store(0, 1);
        writer.store(8, 2);
        writer.full();
        assert_eq!(*seen.borrow(), [[0, 2], [1, 2]], "the last one leaves first");
    }
}
