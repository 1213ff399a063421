//! The writing end of a ring.

use super::{
    claim::{Claim, Room},
    class::{BulkAccount, Class},
    fault::Fault,
    header::{HEADER, PADDING, round_up},
    lane::Lane,
    walk::walk_lane,
};
use crate::{layout::RingPlace, memory::Memory};

/// The largest bulk record on any ring, in bytes with its header: so that others are not kept waiting for long.
const MAX_FRAGMENT: u64 = 64 * 1024;

/// Up to here a copy is a few moves, and the processor looks ahead far enough by itself.
const SHORT: usize = 128;

/// How many bytes a long payload is written at a time, and how far ahead their lines are asked for.
const PIECE: usize = 1024;

/// Appends records to a ring. Never blocks.
///
/// Records gather in a batch that the consumer sees as a whole after [`flush`](Self::flush). Dropping a producer with an
/// open batch leaves that batch unpublished, as a crash would.
#[derive(Debug)]
pub struct Producer<M> {
    lane: Lane<M>,
    /// End of the records written, those of the open batch included.
    position: u64,
    offset: u64,
    /// End of the records published.
    published: u64,
    /// The last head that was accepted.
    head: u64,
    /// The first header of the open batch, which is stored last; 0, which no header is, while there is no batch.
    first_header: u64,
    /// Where it goes.
    first_offset: u64,
    /// The position at which a header of zero is known to stand.
    closed: u64,
    /// Bytes that the last record took.
    last: u64,
    bulk: BulkAccount,
    /// Whether the header at the first position has been found zero.
    proved: bool,
    fault: Option<Fault>,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Not enough space now: try again when the consumer has released some.
    #[error("ring full: {needed} bytes needed, {free} free; wait for the receiver")]
    Full {
        /// Bytes the record needs, with its header and the padding before it.
        needed: u64,
        /// Bytes a record of its class may take now.
        free: u64,
    },
    /// The record can never fit.
    #[error("payload of {length} bytes, the largest is {max}: send it in pieces or use larger rings")]
    TooLarge {
        /// Length of the payload in bytes.
        length: usize,
        /// The largest payload of its class.
        max: usize,
    },
    /// The other side is wrong; every later call says the same.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl<M: Memory> Producer<M> {
    /// Begins a session at `position`: the consumer must not look at the ring before. Zeroes the header there and stores
    /// the hint; takes the consumer's head for `position`.
    ///
    /// A position that is not a multiple of 8 is a fault, and nothing is stored.
    ///
    /// # Panics
    ///
    /// When `place` lies outside the memory.
    pub fn start(memory: M, place: RingPlace, salt: u64, position: u64) -> Self {
        let mut producer = Self::at(Lane::new(memory, place, salt), position, position);
        if position.is_multiple_of(8) {
            let lane = &producer.lane;
            lane.memory.store(lane.data(producer.offset), 0);
            lane.memory.before_publish();
            lane.memory.store_release(lane.hint(), position);
            lane.memory.after_publish();
        } else {
            producer.fault = Some(Fault::Start { position });
        }
        producer
    }

    /// Takes over from a producer that died: finds the end of what it had published. What it had not is lost.
    ///
    /// Trusts neither the hint nor the head nor any header; takes at most one step for each 8 bytes of the ring.
    ///
    /// # Errors
    ///
    /// The [`Fault`] found. Nothing is stored then.
    ///
    /// # Panics
    ///
    /// When `place` lies outside the memory.
    pub fn recover(memory: M, place: RingPlace, salt: u64) -> Result<Self, Fault> {
        let lane = Lane::new(memory, place, salt);
        // EDGE space-release (pairs with Consumer::release)
        let head = lane.memory.load_acquire(lane.head());
        // EDGE hint-after-publish (pairs with Producer::flush)
        let hint = lane.memory.load_acquire(lane.hint());
        lane.memory.after_ready();
        if !head.is_multiple_of(8) {
            return Err(Fault::HeadUnaligned { head });
        }
        // The hint is stored after the records: it can lag behind a consumer that has already released them.
        let full = lane.limits.full;
        let from = if hint.wrapping_sub(head) <= full {
            hint
        } else if head.wrapping_sub(hint) <= full {
            head
        } else {
            return Err(Fault::Hint { hint, head });
        };
        if !hint.is_multiple_of(8) {
            return Err(Fault::Hint { hint, head });
        }
        let position = walk_lane(&lane, from, |_| {})?;
        let used = position.wrapping_sub(head);
        if used > full {
            return Err(Fault::Overfull { end: position, head, max: full });
        }
        let mut producer = Self::at(lane, position, head);
        // Which of the records are bulk is not known any more.
        producer.bulk = BulkAccount::everything(used, position);
        producer.lane.memory.store_release(producer.lane.hint(), position);
        producer.lane.memory.after_publish();
        Ok(producer)
    }

    fn at(lane: Lane<M>, position: u64, head: u64) -> Self {
        let offset = lane.offset_of(position);
        Self {
            lane,
            position,
            offset,
            published: position,
            head,
            first_header: 0,
            first_offset: 0,
            closed: position,
            last: 0,
            bulk: BulkAccount::default(),
            proved: false,
            fault: None,
        }
    }

    /// Appends a record to the open batch and returns its position. The payload is `parts`, one after the other.
    ///
    /// The consumer sees it after [`flush`](Self::flush). A batch that this record would make larger than half the ring is
    /// flushed first.
    ///
    /// # Errors
    ///
    /// `Full` after the open batch has been published, `TooLarge`, or the [`Fault`] that ended the session.
    ///
    /// # Panics
    ///
    /// When `kind` is 0 or that of paddings.
    #[inline]
    pub fn push(&mut self, kind: u8, class: Class, parts: &[&[u8]]) -> Result<u64, PushError> {
        let payload = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let room = self.make_room(kind, class, payload)?;
        let mut at = room.at;
        for part in parts {
            self.write(at, part);
            at += part.len() as u64;
        }
        Ok(self.append(room))
    }

    /// Claims a record of `payload` bytes, to be written in place and then [committed](Claim::commit). Errors and panics are
    /// those of [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn claim(&mut self, kind: u8, class: Class, payload: usize) -> Result<Claim<'_, M>, PushError> {
        let room = self.make_room(kind, class, payload)?;
        Ok(Claim { producer: self, room })
    }

    /// Makes sure that a record fits, and says where it goes. Nothing of it shows yet: a padding shows with its record or
    /// not at all.
    #[inline(always)]
    fn make_room(&mut self, kind: u8, class: Class, payload: usize) -> Result<Room, PushError> {
        assert!(kind > PADDING, "kind {kind} is not for records");
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let max = if class == Class::Bulk { self.max_fragment() } else { self.max_payload() };
        if payload > max {
            return Err(PushError::TooLarge { length: payload, max });
        }
        if !self.proved {
            self.prove()?;
        }
        let span = round_up(HEADER + payload as u64);
        let left = self.lane.limits.capacity - self.offset;
        let padding = if span > left { left } else { 0 };
        if self.first_header != 0
            && self.position.wrapping_sub(self.published) + padding + span > self.lane.limits.half
        {
            self.flush();
        }
        self.reserve(padding + span, class, span)?;
        let offset = if padding > 0 { 0 } else { self.offset };
        if self.first_header == 0 {
            // Before the payload rather than behind it: the line of this word is the one that the consumer had for longest,
            // and the header that publishes would wait for it.
            let end = self.position.wrapping_add(padding + span);
            if self.closed != end {
                self.close(end, self.lane.advance(offset, span));
            }
        }
        Ok(Room { kind, class, payload, padding, at: self.lane.data(offset) + HEADER })
    }

    /// Writes bytes of a payload; they must be inside its room.
    #[inline]
    pub(super) fn write(&self, at: u64, bytes: &[u8]) {
        if bytes.len() <= SHORT {
            self.lane.memory.copy_in(at, bytes);
        } else {
            self.write_long(at, bytes);
        }
    }

    /// Writes in pieces, and asks for the lines of one while the one before is written: those that the consumer has read are
    /// in its cache. The last piece does so for the next record.
    fn write_long(&self, at: u64, bytes: &[u8]) {
        let mut at = at;
        for piece in bytes.chunks(PIECE) {
            let ahead = self.lane.behind(at, PIECE as u64);
            self.lane.memory.prefetch_write(ahead, piece.len());
            self.lane.memory.copy_in(at, piece);
            at += piece.len() as u64;
        }
    }

    /// Appends the record whose payload is written, with its padding.
    #[inline(always)]
    pub(super) fn append(&mut self, room: Room) -> u64 {
        let Room { kind, class, payload, padding, .. } = room;
        if padding > 0 {
            self.place(padding, padding, PADDING);
        }
        let length = HEADER + payload as u64;
        let span = round_up(length);
        let position = self.position;
        self.place(length, span, kind);
        if class == Class::Bulk {
            self.bulk.add(padding + span, self.position, self.lane.limits.eighth);
        }
        position
    }

    /// Writes the header of a record whose payload is written, or keeps it when it is the batch's first.
    #[inline]
    fn place(&mut self, length: u64, span: u64, kind: u8) {
        let header = self.lane.encode(length, kind, self.position);
        if self.first_header == 0 {
            (self.first_header, self.first_offset) = (header, self.offset);
        } else {
            self.lane.memory.store(self.lane.data(self.offset), header);
        }
        self.last = span;
        self.position = self.position.wrapping_add(span);
        self.offset = self.lane.advance(self.offset, span);
    }

    /// Stores the header of zero at which the consumer stops. It must stand before the batch before it shows, else the
    /// consumer would run into old bytes.
    #[inline]
    fn close(&mut self, position: u64, offset: u64) {
        self.lane.memory.store(self.lane.data(offset), 0);
        self.closed = position;
    }

    /// Publishes the open batch, if there is one.
    #[inline]
    pub fn flush(&mut self) {
        if self.first_header == 0 {
            return;
        }
        if self.closed != self.position {
            self.close(self.position, self.offset);
        }
        let Lane { memory, .. } = &self.lane;
        memory.before_publish();
        // EDGE record-publish (pairs with Lane::read)
        memory.store_release(self.lane.data(self.first_offset), self.first_header);
        memory.after_publish();
        // EDGE hint-after-publish (pairs with Producer::recover and Consumer::unmet_hint): a hint that were ahead of the
        // records would make a successor skip them.
        memory.store_release(self.lane.hint(), self.position);
        self.first_header = 0;
        self.published = self.position;
    }

    /// Makes the next record ready to be published quickly, if it is as long as the last one and nothing waits to be flushed: to
    /// be called by whoever has flushed and waits now. Stores at most one word, and once for each record.
    ///
    /// What closes the record would else be stored with it, into a line that the consumer has had since the ring's last lap,
    /// and its header would wait for that line. Between two messages that follow each other closely it would be in the way.
    #[inline]
    pub fn prepare(&mut self) {
        let span = self.last;
        let unused = self.lane.limits.full - self.position.wrapping_sub(self.head);
        let left = self.lane.limits.capacity - self.offset;
        // Before the first record nothing is known of what comes, and what stands at the position is still to be proved.
        let idle = span > 0 && self.first_header == 0 && self.closed == self.position && self.fault.is_none();
        if idle && span <= unused && span <= left {
            self.close(self.position.wrapping_add(span), self.lane.advance(self.offset, span));
        }
    }

    /// Position behind the last record appended, published or not.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Size of the ring in bytes.
    pub fn capacity(&self) -> u64 {
        self.lane.limits.capacity
    }

    /// The largest payload in bytes.
    pub fn max_payload(&self) -> usize {
        payload_of(self.lane.limits.half)
    }

    /// The largest payload of a [`Class::Bulk`] record in bytes.
    pub fn max_fragment(&self) -> usize {
        payload_of(self.lane.limits.eighth.min(MAX_FRAGMENT))
    }

    /// Reads how far the consumer has released the ring.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that ended the session.
    pub fn head(&mut self) -> Result<u64, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.refresh()?;
        Ok(self.head)
    }

    /// Bytes appended and not released by the consumer, after a look at its head.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that ended the session.
    pub fn used(&mut self) -> Result<u64, Fault> {
        let head = self.head()?;
        Ok(self.position.wrapping_sub(head))
    }

    /// What ended the session, if something did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Makes sure of `needed` bytes and of the header of zero behind them.
    #[inline]
    fn reserve(&mut self, needed: u64, class: Class, span: u64) -> Result<(), PushError> {
        if needed <= self.free(class, span) {
            return Ok(());
        }
        self.look_for_space(needed, class, span)
    }

    /// What is known of the consumer's head does not do.
    #[cold]
    #[inline(never)]
    fn look_for_space(&mut self, needed: u64, class: Class, span: u64) -> Result<(), PushError> {
        self.refresh()?;
        let free = self.free(class, span);
        if needed <= free {
            return Ok(());
        }
        self.flush();
        Err(PushError::Full { needed, free })
    }

    /// Bytes that a record of this class may take, as far as is known.
    #[inline]
    fn free(&self, class: Class, span: u64) -> u64 {
        let limits = &self.lane.limits;
        // The 8 bytes between `full` and the capacity are the header of zero behind the last record.
        let unused = limits.full - self.position.wrapping_sub(self.head);
        let free = unused.saturating_sub(class.reserve(span, limits));
        match class {
            Class::Control | Class::Message => free,
            Class::Bulk => free.min(limits.quarter.saturating_sub(self.bulk.held())),
        }
    }

    fn refresh(&mut self) -> Result<(), Fault> {
        // EDGE space-release (pairs with Consumer::release)
        let head = self.lane.memory.load_acquire(self.lane.head());
        self.lane.memory.after_ready();
        if !head.is_multiple_of(8) {
            return self.poison(Fault::HeadUnaligned { head });
        }
        if head.wrapping_sub(self.head) > self.published.wrapping_sub(self.head) {
            return self.poison(Fault::Head { head, from: self.head, to: self.published });
        }
        self.head = head;
        self.bulk.released(head);
        Ok(())
    }

    /// Before the first record: nobody else may have written where it goes.
    #[cold]
    fn prove(&mut self) -> Result<(), Fault> {
        let header = self.lane.memory.load(self.lane.data(self.offset));
        if header != 0 {
            return self.poison(Fault::Occupied { position: self.position, header });
        }
        self.proved = true;
        Ok(())
    }

    /// Ends the session: nothing is stored from now on.
    #[cold]
    fn poison(&mut self, fault: Fault) -> Result<(), Fault> {
        self.fault = Some(fault);
        self.first_header = 0;
        Err(fault)
    }
}

fn payload_of(record: u64) -> usize {
    usize::try_from(record.saturating_sub(HEADER)).unwrap_or(usize::MAX)
}
