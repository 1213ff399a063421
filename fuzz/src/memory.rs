//! Shared memory as a fuzzer needs it: it knows who stores where and how often, and changes while it is looked at.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use ivring_proto::memory::Memory;

const PAGE: usize = 4096;

/// Changes that wait at most; an input that asks for more has the first of them forgotten.
const MOST_CHANGES: usize = 16;

type Page = Box<[u64; PAGE / 8]>;

/// One side's mapping of a region. Pages come to be when they are first stored to, so a region may be of any size.
///
/// Every mapping counts: a call that makes more accesses than it was [allowed](Self::allow), or stores where its side does
/// not write, panics, and so is a finding.
#[derive(Clone, Debug)]
pub struct Mapping {
    region: Rc<Region>,
    side: Rc<Side>,
}

#[derive(Debug)]
struct Region {
    size: u64,
    pages: RefCell<Vec<Option<Page>>>,
    /// What somebody else stores, and before how many more loads.
    changes: RefCell<VecDeque<(u32, u64, u64)>>,
}

#[derive(Debug)]
struct Side {
    /// Accesses that are left.
    allowed: Cell<u64>,
    stores: Cell<u64>,
    /// Where this side may store; anywhere before that was said.
    territory: RefCell<Option<Vec<Range<u64>>>>,
}

impl Mapping {
    /// A region of zeros, mapped by a side that may do anything.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let region = Region { size, pages: RefCell::default(), changes: RefCell::default() };
        Mapping { region: Rc::new(region), side: Side::anybody() }
    }

    /// The same region for another side, which may do anything until it is told otherwise.
    #[must_use]
    pub fn side(&self) -> Self {
        Mapping { region: Rc::clone(&self.region), side: Side::anybody() }
    }

    /// From now on this side stores nowhere else.
    pub fn confine(&self, to: Vec<Range<u64>>) {
        *self.side.territory.borrow_mut() = Some(to);
    }

    /// This side may make so many accesses until this is said again; one for each word of a copy.
    pub fn allow(&self, accesses: u64) {
        self.side.allowed.set(accesses);
    }

    /// How many words this side has stored.
    #[must_use]
    pub fn stores(&self) -> u64 {
        self.side.stores.get()
    }

    /// Stores `value` at `at` by the hand of somebody else, whom nobody confines.
    pub fn scribble(&self, at: u64, value: u64) {
        self.region.set(at, value);
    }

    /// What stands at `at`, without being an access of anybody.
    #[must_use]
    pub fn look(&self, at: u64) -> u64 {
        self.region.get(at)
    }

    /// Has `value` stored at `at` after `loads` more loads of any side: between a check and a use, if the count is right.
    pub fn change_after(&self, loads: u32, at: u64, value: u64) {
        let mut changes = self.region.changes.borrow_mut();
        if changes.len() == MOST_CHANGES {
            changes.pop_front();
        }
        changes.push_back((loads, at, value));
    }

    fn count(&self) {
        let left = self.side.allowed.get();
        assert!(left > 0, "more accesses than any call may need");
        self.side.allowed.set(left - 1);
    }

    fn check(&self, at: u64, length: u64) {
        let end = at.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.region.size),
            "{length} bytes at {at} of a region of {} bytes",
            self.region.size
        );
    }

    fn check_word(&self, at: u64) {
        assert!(at.is_multiple_of(8), "word at {at} is not aligned to 8");
        self.check(at, 8);
    }

    fn check_territory(&self, at: u64, length: u64) {
        let territory = self.side.territory.borrow();
        let own = territory.as_ref().is_none_or(|territory| {
            territory.iter().any(|range| range.start <= at && at + length <= range.end)
        });
        assert!(own, "stores {length} bytes at {at:#x}, which is not its own");
    }
}

impl Side {
    fn anybody() -> Rc<Self> {
        let (allowed, stores, territory) = (Cell::new(u64::MAX), Cell::new(0), RefCell::new(None));
        Rc::new(Side { allowed, stores, territory })
    }
}

/// The index of the page that holds the word at `at`, and that of the word in it.
fn place(at: u64) -> (usize, usize) {
    let at = usize::try_from(at).expect("offsets fit the machine's words");
    (at / PAGE, at % PAGE / 8)
}

impl Region {
    fn get(&self, at: u64) -> u64 {
        let (page, word) = place(at);
        self.pages.borrow().get(page).and_then(Option::as_ref).map_or(0, |page| page[word])
    }

    fn set(&self, at: u64, value: u64) {
        let (page, word) = place(at);
        let mut pages = self.pages.borrow_mut();
        if page >= pages.len() {
            pages.resize_with(page + 1, || None);
        }
        pages[page].get_or_insert_with(|| Box::new([0; PAGE / 8]))[word] = value;
    }

    /// Lets a load pass: what is due by now is stored.
    fn pass(&self) {
        let mut changes = self.changes.borrow_mut();
        if changes.is_empty() {
            return;
        }
        changes.retain_mut(|(loads, at, value)| {
            let due = *loads == 0;
            if due {
                self.set(*at, *value);
            } else {
                *loads -= 1;
            }
            !due
        });
    }
}

impl Memory for Mapping {
    fn size(&self) -> u64 {
        self.region.size
    }

    fn load(&self, at: u64) -> u64 {
        self.check_word(at);
        self.count();
        self.region.pass();
        self.region.get(at)
    }

    fn load_acquire(&self, at: u64) -> u64 {
        self.load(at)
    }

    fn store(&self, at: u64, value: u64) {
        self.check_word(at);
        self.check_territory(at, 8);
        self.count();
        self.side.stores.set(self.side.stores.get() + 1);
        self.region.set(at, value);
    }

    fn store_release(&self, at: u64, value: u64) {
        self.store(at, value);
    }

    fn copy_in(&self, at: u64, from: &[u8]) {
        let length = from.len() as u64;
        self.check(at, length);
        self.check_territory(at, length);
        let (mut at, mut from) = (at, from);
        while !from.is_empty() {
            self.count();
            let (word, skip) = (at & !7, low(at));
            let (part, rest) = from.split_at(from.len().min(8 - skip));
            let mut bytes = self.region.get(word).to_le_bytes();
            bytes[skip..skip + part.len()].copy_from_slice(part);
            self.region.set(word, u64::from_le_bytes(bytes));
            self.side.stores.set(self.side.stores.get() + 1);
            (at, from) = (at + part.len() as u64, rest);
        }
    }

    fn copy_out(&self, at: u64, into: &mut [u8]) {
        self.check(at, into.len() as u64);
        let (mut at, mut into) = (at, into);
        while !into.is_empty() {
            self.count();
            self.region.pass();
            let skip = low(at);
            let length = into.len().min(8 - skip);
            let (part, rest) = into.split_at_mut(length);
            let bytes = self.region.get(at & !7).to_le_bytes();
            part.copy_from_slice(&bytes[skip..skip + length]);
            (at, into) = (at + length as u64, rest);
        }
    }

    fn before_publish(&self) {}

    fn after_publish(&self) {}

    fn after_ready(&self) {}

    fn before_release(&self) {}

    fn full(&self) {}
}

/// The byte of its word at which `at` is.
fn low(at: u64) -> usize {
    usize::from(at.to_le_bytes()[0] & 7)
}
