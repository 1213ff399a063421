//! The reading end of a ring.

use super::{
    fault::Fault,
    header::{Header, PADDING},
    lane::Lane,
    record::Record,
    view::View,
};
use crate::{
    layout::{RingPlace, control_word},
    memory::Memory,
};

/// Takes records from a ring. Never blocks.
///
/// A record is peeked, copied out, then committed. Committed records are given back to the producer in larger steps, see
/// [`set_release_window`](Self::set_release_window); those not yet given back are delivered again after a crash.
#[derive(Debug)]
pub struct Consumer<M> {
    lane: Lane<M>,
    /// Everything before is committed.
    position: u64,
    offset: u64,
    /// The head as stored.
    head: u64,
    /// The mark as stored: everything before it may have been handed over.
    seen: u64,
    /// Everything before it may have been handed over by a predecessor.
    redelivered_to: u64,
    window: u64,
    held: bool,
    peeked: Option<Record>,
    fault: Option<Fault>,
}

impl<M: Memory> Consumer<M> {
    /// Begins a session at `position`: the producer must not look at the head before. Stores head and mark.
    ///
    /// Records before `seen` are marked as delivered again. A position that is not a multiple of 8, or a mark that is not
    /// between it and the end of a full ring, is a fault, and nothing is stored.
    ///
    /// # Panics
    ///
    /// When `place` lies outside the memory.
    pub fn start(memory: M, place: RingPlace, salt: u64, position: u64, seen: u64) -> Self {
        let mut consumer = Self::at(Lane::new(memory, place, salt), position, seen);
        if !position.is_multiple_of(8) {
            consumer.fault = Some(Fault::Start { position });
        } else if !may_be_handed_over(seen, position, place.capacity) {
            consumer.fault = Some(Fault::Seen { seen, head: position });
        } else {
            let Lane { memory, .. } = &consumer.lane;
            memory.store(consumer.lane.seen(), seen);
            memory.before_publish();
            memory.store_release(consumer.lane.head(), position);
            memory.after_publish();
        }
        consumer
    }

    /// Takes over from a consumer that died, at the head it had stored. Its line is not trusted.
    ///
    /// # Errors
    ///
    /// The [`Fault`] found. Nothing is stored in any case.
    ///
    /// # Panics
    ///
    /// When `place` lies outside the memory.
    pub fn resume(memory: M, place: RingPlace, salt: u64) -> Result<Self, Fault> {
        let lane = Lane::new(memory, place, salt);
        let head = lane.memory.load(lane.head());
        if !head.is_multiple_of(8) {
            return Err(Fault::HeadUnaligned { head });
        }
        let seen = handed_over(&lane.memory, place, head).map_err(|mark| Fault::Seen { seen: mark, head })?;
        Ok(Self::at(lane, head, seen))
    }

    fn at(lane: Lane<M>, position: u64, seen: u64) -> Self {
        let offset = lane.offset_of(position);
        let window = lane.limits.eighth;
        Self {
            lane,
            position,
            offset,
            head: position,
            seen,
            redelivered_to: seen,
            window,
            held: false,
            peeked: None,
            fault: None,
        }
    }

    /// The next record, or nothing when there is none. The same again until [`commit`](Self::commit).
    ///
    /// Looks at two headers at most. Before a record is returned the mark behind it is stored, so that a successor knows
    /// that it may have been handed over; before nothing is returned all that is committed is released.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that ended the session.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Record>, Fault> {
        match self.look() {
            Some(record) => Ok(Some(record)),
            None => self.fault.map_or(Ok(None), Err),
        }
    }

    /// The next record; nothing also after a fault. So that the usual answer is one that fits into registers.
    #[inline]
    fn look(&mut self) -> Option<Record> {
        if self.peeked.is_some() || self.fault.is_some() {
            return self.peeked;
        }
        match self.lane.read(self.position, self.offset) {
            Ok(Some(header)) if header.kind != PADDING => Some(self.hand_over(header)),
            Ok(None) => {
                self.release();
                None
            }
            Ok(Some(padding)) => self.look_behind(padding),
            Err(fault) => self.give_up(fault),
        }
    }

    /// The record behind a padding. A second padding cannot be: none starts a ring.
    #[cold]
    fn look_behind(&mut self, padding: Header) -> Option<Record> {
        let position = self.position;
        self.pass(padding.span());
        // Its record was stored before the batch that both belong to was published.
        match self.lane.read(self.position, self.offset) {
            Ok(Some(header)) => Some(self.hand_over(header)),
            Ok(None) => self.give_up(Fault::NothingAfterPadding { position }),
            Err(fault) => self.give_up(fault),
        }
    }

    #[cold]
    fn give_up(&mut self, fault: Fault) -> Option<Record> {
        self.fault = Some(fault);
        None
    }

    #[inline]
    fn hand_over(&mut self, header: Header) -> Record {
        let position = self.position;
        let end = position.wrapping_add(header.span());
        let ahead = |mark: u64| mark.wrapping_sub(position).wrapping_sub(1) < self.lane.limits.capacity;
        let redelivered = ahead(self.redelivered_to);
        if !ahead(self.seen) {
            // Before the caller gets it. Only a successor of this process reads the mark, so program order is enough.
            self.lane.memory.store(self.lane.seen(), end);
            self.seen = end;
        }
        let record = Record::new(header, position, redelivered);
        self.peeked = Some(record);
        record
    }

    /// The payload of the record peeked, where it lies: to take what is needed of it, in the pieces that are needed.
    ///
    /// # Panics
    ///
    /// When `record` is not the one peeked.
    #[inline]
    pub fn view(&self, record: &Record) -> View<'_, M> {
        let Some(peeked) = self.peeked.as_ref().filter(|peeked| peeked.position() == record.position())
        else {
            panic!("record at {} is not the one peeked", record.position())
        };
        View::new(&self.lane, self.offset, peeked)
    }

    /// Copies payload bytes from `offset` on, filling `into`.
    ///
    /// # Panics
    ///
    /// When `record` is not the one peeked, or when its payload ends before the bytes asked for.
    #[inline]
    pub fn copy_out(&self, record: &Record, offset: usize, into: &mut [u8]) {
        self.view(record).copy_to(offset, into);
    }

    /// Passes the peeked record, if there is one: a successor may not deliver it again once its space is released.
    #[inline]
    pub fn commit(&mut self) {
        let Some(record) = &self.peeked else { return };
        let span = record.span();
        self.peeked = None;
        self.pass(span);
        if self.position.wrapping_sub(self.head) >= self.window {
            self.release();
        }
    }

    #[inline]
    fn pass(&mut self, span: u64) {
        self.position = self.position.wrapping_add(span);
        self.offset = self.lane.advance(self.offset, span);
    }

    /// Gives the space of all committed records back to the producer. Does nothing after a fault, or while it is
    /// [held back](Self::hold).
    pub fn release(&mut self) {
        if self.head == self.position || self.held || self.fault.is_some() {
            return;
        }
        let Lane { memory, .. } = &self.lane;
        memory.before_release();
        // EDGE space-release (pairs with Producer::refresh and Producer::recover)
        memory.store_release(self.lane.head(), self.position);
        memory.after_publish();
        self.head = self.position;
    }

    /// Position of the next record: everything before is committed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Size of the ring in bytes.
    pub fn capacity(&self) -> u64 {
        self.lane.limits.capacity
    }

    /// Sets how many committed bytes gather before their space is released by itself: at first an eighth of the ring.
    /// A crash delivers at most that much again, and the record in hand.
    pub fn set_release_window(&mut self, bytes: u64) {
        self.window = bytes;
    }

    /// Holds back the release of what is committed, or ends that: a crash delivers all of it again. Meanwhile the producer
    /// gets no space, so whoever holds must not wait for it.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Whether the producer claims to have published more while the next header is zero. For a moment that can be so
    /// where stores leave the processor late; when it stays, the ring is wedged. Never after a fault.
    pub fn is_behind_hint(&self) -> bool {
        self.unmet_hint().is_some()
    }

    /// The hint, where [`is_behind_hint`](Self::is_behind_hint) says so.
    pub fn unmet_hint(&self) -> Option<u64> {
        if self.fault.is_some() {
            // A position that was refused is no place to look at.
            return None;
        }
        // EDGE hint-after-publish (pairs with Producer::flush)
        let hint = self.lane.memory.load_acquire(self.lane.hint());
        self.lane.memory.after_ready();
        let ahead = hint.wrapping_sub(self.position);
        let is_ahead = ahead != 0 && ahead <= u64::MAX / 2;
        (is_ahead && self.lane.memory.load_acquire(self.lane.data(self.offset)) == 0).then_some(hint)
    }

    /// What ended the session, if something did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

/// How far the consumer of a ring has handed records over by its own marks, if its head is `head`: of those that can be
/// right the one further on, for programs of different versions keep it in different words.
///
/// # Errors
///
/// The mark of this version, when none can be right.
pub fn handed_over<M: Memory>(memory: &M, place: RingPlace, head: u64) -> Result<u64, u64> {
    let mark = memory.load(place.consumer + control_word::SEEN);
    // Zero where no program of that version has been.
    let earlier = Some(memory.load(place.consumer + control_word::SEEN_IN_1_0)).filter(|mark| *mark != 0);
    let possible = [Some(mark), earlier].into_iter().flatten();
    let possible = possible.filter(|mark| may_be_handed_over(*mark, head, place.capacity));
    possible.max_by_key(|mark| mark.wrapping_sub(head)).ok_or(mark)
}

/// Whether a consumer whose head is `head` can have handed over what lies before `mark`.
fn may_be_handed_over(mark: u64, head: u64, capacity: u64) -> bool {
    mark.is_multiple_of(8) && mark.wrapping_sub(head) <= capacity
}
